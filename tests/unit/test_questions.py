"""Which question a metric answers, and which columns stand first."""

from __future__ import annotations

import pytest

from bench.analysis.column import Column, info_of
from bench.analysis.questions import QUESTIONS, grouped, question_of, shown_first
from bench.scoring.metrics.catalogue import CATALOGUE


def columns(*keys: str) -> list[Column]:
    return [Column(key, info_of(key), "", "max", {}) for key in keys]


def test_every_metric_of_the_catalogue_has_a_place_and_no_other_falls_out() -> None:
    assert {key for key in CATALOGUE if question_of(key).title == "Other"} == set()
    for key in ("torchmetrics:vif", "mine"):
        assert question_of(key).title == "Other"


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("fcn_class_iou", "Right content"), ("label_pixel_acc", "Right content"), ("fid", "Looks real"),
        ("precision", "Looks real"), ("fd_dinov2", "Looks real"), ("psnr", "Close to the target"),
        ("pixel_acc@10", "Close to the target"), ("grid_artefact", "As sharp as real"),
        ("lab_b", "Right colours"), ("diversity", "Answers to its input"),
        ("people_preferred@l1", "What people say"),
    ],
)  # fmt: skip
def test_metrics_answer_questions(key: str, title: str) -> None:
    assert question_of(key).title == title


def test_columns_stand_by_question_and_none_is_lost() -> None:
    held = columns("mine", "hf_ratio", "fid", "mae", "fcn_class_iou", "lab_l")
    found = grouped(held)
    assert [question.title for question, _ in found] == [
        "Right content", "Looks real", "Close to the target", "As sharp as real", "Right colours", "Other",
    ]  # fmt: skip
    assert [c for _, lot in found for c in lot if c not in held] == []
    assert sum(len(lot) for _, lot in found) == len(held)
    assert [question for question, _ in found] == [
        q for q in QUESTIONS if q.title not in ("Answers to its input", "What people say")
    ]


def test_one_metric_a_question_stands_first_the_first_that_has_values() -> None:
    held = columns("fcn_pixel_acc", "fcn_class_iou", "fid", "fd_lite0", "ssim", "mae", "hf_ratio", "lab_l")
    assert [c.id for c in shown_first(held, held)] == ["fcn_class_iou", "fid", "mae", "hf_ratio"]
    without = [c for c in held if c.id not in ("fid", "mae")]
    assert [c.id for c in shown_first(held, without)] == ["fcn_class_iou", "fd_lite0", "ssim", "hf_ratio"]


def test_few_columns_are_all_shown_and_so_are_those_that_answer_none() -> None:
    few = columns("fcn_pixel_acc", "fcn_class_iou", "mae")
    assert shown_first(few, few) == few
    own = columns(*(f"mine{i}" for i in range(9)))
    assert shown_first(own, own) == own

"""What a judge punishes: its card in records, the sentence above the table, the figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic

from bench.analysis.entry import Entry
from bench.analysis.judge_cards import blur_statements, cards, pixel_acc_at
from bench.analysis.sections import sections
from bench.data.cards import load_card
from bench.data.types import SplitArrays
from bench.records.judge_card import CARDS, Grade, JudgeCard
from bench.records.record import RunRecord, write_record
from bench.report.plots import draw
from bench.report.plots.colours import variant_colours
from bench.report.render import write_report
from bench.report.terminal import terminal_notes
from bench.scoring.judges.card import PHOTOS, kept_card, photos_for
from bench.scoring.judges.faults import FAULTS
from bench.scoring.metrics.base import ScoringContext

GRADES = (
    Grade("none", "real photos", 0.9, 0.4, 0.3, 1.0),
    Grade("blur", "sigma 0.5 px", 0.89, 0.4, 0.3, 0.1),
    Grade("blur", "sigma 1 px", 0.80, 0.3, 0.2, 0.001),
    Grade("noise", "sd 40 levels", 0.45, 0.2, 0.1, 1.4),
)
CARD = JudgeCard("fcn-lite0,judge_px=256", "a1b2c3d4e5f6", "toycity", 64, 100, GRADES)


@pytest.mark.parametrize(
    ("hf_ratio", "expected"),
    [(1.2, 0.9), (1.0, 0.9), (0.1, 0.89), (0.01, 0.845), (0.001, 0.80), (0.0, 0.80)],
)
def test_accuracy_at_a_sharpness_is_interpolated_over_its_logarithm(hf_ratio: float, expected: float) -> None:
    assert pixel_acc_at(CARD, hf_ratio) == pytest.approx(expected)


def test_without_blur_nothing_is_said() -> None:
    assert pixel_acc_at(replace(CARD, grades=GRADES[:1]), 0.5) is None


def output(out: Path, hf_ratio: float, card: JudgeCard = CARD) -> list[RunRecord]:
    """A sharp variant and a blurry one, and the real row with a card."""
    records = []
    for label, value in (("l1", hf_ratio), ("cgan", 0.9)):
        run = synthetic.write_run(out, label, 0)
        results = {**run.results, "hf_ratio": replace(run.results["hf_ratio"], value=value, interval=None)}
        records.append(synthetic.write_run(out, label, 0, results=results))
    real = synthetic.write_reference(out, "real")
    held = replace(real, details={**real.details, CARDS: [card.to_json()]})
    write_record(out, held)
    return [*records, held]


BLIND = (
    "The judge fcn-lite0 at 256 px is blind to blur: at the sharpness of l1, the blurriest row (HF ratio "
    "0.010), real photos keep 0.845 of 0.900 pixel accuracy. Its scores do not punish blur."
)


def test_a_judge_that_loses_less_than_a_tenth_is_said_to_be_blind(tmp_path: Path) -> None:
    records = output(tmp_path, 0.01)
    (section,) = sections([Entry(record) for record in records])
    assert blur_statements(section) == [BLIND]
    assert BLIND in terminal_notes(records)
    files = write_report([tmp_path], tmp_path / "report")
    page = files.html.read_text()
    assert page.index("is blind to blur") < page.index(f'id="{section.id}-table"')
    assert f'<p class="warning">{BLIND.split(":")[0]}' in page
    assert "is blind to blur: at the sharpness of l1" in files.markdown.read_text()
    assert page.count("What this judge punishes") == 1


def test_one_that_loses_a_tenth_is_not(tmp_path: Path) -> None:
    (section,) = sections([Entry(record) for record in output(tmp_path, 0.0005)])
    assert cards(section) == [CARD]
    assert blur_statements(section) == []  # 0.80 of 0.90: 11 % lost


def test_of_images_that_are_not_blurred_nothing_is_said(tmp_path: Path) -> None:
    (section,) = sections(
        [Entry(record) for record in output(tmp_path, 0.5)]
    )  # sharper than the mildest blur
    assert blur_statements(section) == []


def test_the_figure_shows_every_grade_by_the_share_that_is_lost(tmp_path: Path) -> None:
    (section,) = sections([Entry(record) for record in output(tmp_path, 0.01)])
    (plot,) = [
        one for one in draw(section, variant_colours(["l1", "cgan"])) if one.key.endswith("judge-card")
    ]
    assert plot.title == "What this judge punishes"
    assert "noise sd 40 levels 50%" in plot.alt
    assert "blur, sigma 0.5 px (HF 0.1)" in plot.svg
    assert "0.900 on 100 real test photos as they are" in plot.caption


class BySharpness:
    """A judge of two classes, sky above and road below; blind where a photo is dark."""

    name, hash, num_classes = "mine", "c" * 16, 19
    protocol: dict[str, Any] = {"judge": "mine", "judge_hash": "c" * 16}  # noqa: RUF012
    asked = 0

    def segment(self, images: Any) -> Any:
        BySharpness.asked += len(images)
        return (images.float().mean(1) < 128).long() * 10


def context(tmp_path: Path) -> ScoringContext:
    photos = np.full((12, 64, 64, 3), 40, np.uint8)
    labels = np.full((12, 64, 64), 10, np.uint8)
    photos[:, 32:], labels[:, 32:] = 220, 0
    photos[6:], labels[6:] = photos[6:, ::-1].copy(), labels[6:, ::-1].copy()
    test = SplitArrays(tuple(map(str, range(12))), photos, photos, labels, 0.0, "key")
    return ScoringContext(
        load_card("toycity"), 64, "photo", "real", "cpu", tmp_path, test, judge=BySharpness()
    )


def test_a_card_is_measured_once_and_kept(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    made = kept_card(context(tmp_path), "mine", 12, lambda a, b: done.append((a, b)))
    assert made.real.pixel_acc == 1.0
    by_kind = {(one.kind, one.grade): one for one in made.grades}
    assert by_kind["another scene", "its photo"].pixel_acc == 0.0  # of the other half: upside down
    assert by_kind["checkerboard", "period 2 px"].pixel_acc == 1.0
    assert by_kind["blur", "sigma 1 px"].hf_ratio is not None
    assert ("sub-sampling", "64 px and back") not in by_kind  # the photos have 64 px
    assert len(made.grades) == len(FAULTS) + 1 - 2 == done[-1][1]
    asked = BySharpness.asked
    again = kept_card(context(tmp_path), "by another name", 12, lambda a, b: None)
    assert BySharpness.asked == asked
    assert again == replace(made, judge="by another name")
    (path,) = (tmp_path / "judges" / "cards").glob("*.json")
    path.write_text("{}")
    assert kept_card(context(tmp_path), "mine", 12, lambda a, b: None) == made  # damaged: measured again


def test_a_slow_judge_gets_a_card_of_fewer_photos_or_none() -> None:
    class Slow:
        def __init__(self, seconds: float) -> None:
            self.seconds_per_image = lambda: seconds

    assert photos_for(object(), 500) == PHOTOS
    assert photos_for(object(), 30) == 30
    assert photos_for(Slow(0.01), 500) == PHOTOS
    assert 8 <= photos_for(Slow(2.0), 500) < PHOTOS
    assert photos_for(Slow(73.0), 500) == 0


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("fcn-lite0", "fcn-lite0 at 128 px"),
        ("fcn-lite0,judge_px=256", "fcn-lite0 at 256 px"),
        ("fcn-lite0,seed=1,judge_px=1024x512", "fcn-lite0,seed=1 at 1024x512 px"),
    ],
)
def test_a_judge_is_named_with_the_size_that_it_looks_at(judge: str, words: str) -> None:
    assert replace(CARD, judge=judge, size_px=128).words == words

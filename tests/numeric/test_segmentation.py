"""Confusion matrices and segmentation scores against hand computation and independent loops."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from example_card import example_card

from bench.data.types import ClassInfo, DatasetCard, SplitArrays
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext
from bench.scoring.metrics.confusion import (
    ABSENT_IS_ZERO,
    ABSENT_LEFT_OUT,
    class_scores,
    confusion_matrix,
    scores_from_confusion,
)
from bench.scoring.metrics.segmentation import SegmentationMetric

COLOURS = {"road": (128, 64, 128), "sky": (70, 130, 180), "car": (0, 0, 142)}


def make_card(policy: str = ABSENT_LEFT_OUT, classes: int = 3) -> DatasetCard:
    infos = [ClassInfo(name, colour, index) for index, (name, colour) in enumerate(COLOURS.items())]
    return example_card(
        size_px=4,
        classes=(*infos[:classes], ClassInfo("void", (0, 0, 0), None)) if classes else (),
        class_policy=policy,
    )


class RedJudge:
    """Predicts the class that an image's red channel names: the tests decide what it sees."""

    name, hash, num_classes = "red", "abc123", 3
    protocol: ClassVar[dict[str, Any]] = {"judge": "red", "judge_hash": "abc123"}
    meta: ClassVar[dict[str, Any]] = {"network": "red", "held_out": {"pixel_acc": 0.9}}

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0].long()


def score(
    labels: np.ndarray | None,
    prediction: np.ndarray,
    *,
    batch: int = 2,
    role: str = "photo",
    row: str = "run",
    judge: Any = "red",
    card: DatasetCard | None = None,
    judge_reason: str | None = None,
) -> MetricOutput:
    split = SplitArrays(tuple("abcdefgh"[: len(prediction)]), prediction, prediction, labels, None, "k")
    context = ScoringContext(
        card=card or make_card(),
        size_px=4,
        target_role=role,  # type: ignore[arg-type]
        row=row,
        device="cpu",
        cache=Path("unused"),
        test=split,
        judge=RedJudge() if judge == "red" else judge,
        judge_reason=judge_reason,
    )
    metric = SegmentationMetric(context)
    for start in range(0, len(prediction), batch):
        part = slice(start, start + batch)
        metric.update(
            Batch(
                split.names[part],
                prediction[part],
                prediction[part],
                None if labels is None else labels[part],
                start,
            )
        )
    return metric.compute()


def red(ids: np.ndarray) -> np.ndarray:
    """Photos in which `RedJudge` sees `ids`."""
    return np.stack([ids, ids * 0, ids * 0], axis=-1).astype(np.uint8)


def by_key(output: MetricOutput) -> dict[str, Any]:
    return {result.name: result for result in output.results}


def test_confusion_matrix_by_hand() -> None:
    truth = np.array([[0, 0, 1], [1, 2, 255]], np.uint8)
    predicted = np.array([[0, 1, 1], [1, 0, 2]], np.uint8)
    assert confusion_matrix(truth, predicted, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_confusion_matrix_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, (3, 17, 13)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.2] = 255
    predicted = rng.integers(0, 5, truth.shape)
    expected = np.zeros((5, 5), np.int64)
    for t, p in zip(truth.ravel(), predicted.ravel(), strict=True):
        if t != 255:
            expected[t, p] += 1
    found = confusion_matrix(truth, predicted, 5)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("truth", "predicted"), [([0, 3], [0, 0]), ([0, 0], [0, 3]), ([0, 0], [0, -1])])
def test_ids_outside_the_classes_are_refused(truth: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=r"ids in 0\.\.2"):
        confusion_matrix(np.array(truth), np.array(predicted), 3)


def test_a_prediction_on_void_may_be_anything() -> None:
    assert confusion_matrix(np.array([255, 1], np.uint8), np.array([99, 1]), 3).sum() == 1


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        confusion_matrix(np.zeros((2, 2), np.uint8), np.zeros((4, 4), np.uint8), 3)


def test_scores_by_hand() -> None:
    # class 0: 3 of 4 right; class 1: 2 of 6 right; class 2 does not occur, 1 pixel predicted as it
    conf = np.array([[3, 1, 0], [3, 2, 1], [0, 0, 0]])
    accuracies, ious = [3 / 4, 2 / 6], [3 / 7, 2 / 7]
    pixel, class_acc, iou = scores_from_confusion(conf, ABSENT_LEFT_OUT)
    assert (pixel, class_acc, iou) == pytest.approx((0.5, sum(accuracies) / 2, sum(ious) / 2))
    pixel, class_acc, iou = scores_from_confusion(conf, ABSENT_IS_ZERO)
    assert (pixel, class_acc, iou) == pytest.approx((0.5, sum(accuracies) / 3, sum(ious) / 3))


@pytest.mark.parametrize("policy", [ABSENT_IS_ZERO, ABSENT_LEFT_OUT])
def test_scores_against_a_loop_and_vectorised(policy: str) -> None:
    rng = np.random.default_rng(1)
    stack = rng.integers(0, 50, (6, 4, 4))
    stack[::2, 3] = 0  # the last class is absent from the truth of every other matrix
    stack[0, :, 3] = 0  # and from the first one's predictions as well
    found = np.stack(scores_from_confusion(stack, policy), axis=-1)
    assert found.shape == (6, 3)
    for matrix, values in zip(stack, found, strict=True):
        accuracies, ious = [], []
        for c in range(4):
            row, column, hit = sum(matrix[c]), sum(matrix[:, c]), matrix[c][c]
            if row == 0 and policy == ABSENT_LEFT_OUT:
                continue
            accuracies.append(hit / row if row else 0.0)
            ious.append(hit / (row + column - hit) if row + column - hit else 0.0)
        pixel = sum(matrix[c][c] for c in range(4)) / matrix.sum()
        assert values == pytest.approx([pixel, np.mean(accuracies), np.mean(ious)])


def test_absent_is_zero_is_the_released_script() -> None:
    hist = np.random.default_rng(2).integers(0, 99, (19, 19)).astype(float)
    hist[16] = 0
    acc = np.diag(hist).sum() / (hist.sum() + 1e-12)
    cl_acc = np.diag(hist) / (hist.sum(1) + 1e-12)
    iu = np.diag(hist) / (hist.sum(1) + hist.sum(0) - np.diag(hist) + 1e-12)
    expected = (acc, np.nanmean(cl_acc), np.nanmean(iu))
    assert scores_from_confusion(hist, ABSENT_IS_ZERO) == pytest.approx(expected, abs=1e-12)


def test_no_pixel_has_no_score() -> None:
    assert all(np.isnan(value) for value in scores_from_confusion(np.zeros((3, 3)), ABSENT_IS_ZERO))


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="class policy"):
        class_scores(np.eye(2), "absent-is-one")


def test_fcn_score_of_a_split() -> None:
    labels = np.array([[[0, 0], [1, 255]], [[1, 1], [1, 0]]], np.uint8)
    seen = np.array([[[0, 1], [1, 0]], [[1, 1], [2, 0]]], np.uint8)
    output = score(labels, red(seen))
    results = by_key(output)
    assert results["fcn_pixel_acc"].value == pytest.approx(5 / 7)
    assert results["fcn_class_acc"].value == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert results["fcn_class_iou"].value == pytest.approx((2 / 3 + 3 / 5) / 2)
    assert results["fcn_pixel_acc"].n == 2
    assert results["fcn_pixel_acc"].protocol["judge_hash"] == "abc123"
    assert results["fcn_pixel_acc"].protocol["class_policy"] == ABSENT_LEFT_OUT
    low, high = results["fcn_pixel_acc"].interval
    assert (low, high) == pytest.approx((2 / 3, 3 / 4))  # two images: all draws are between them
    assert output.details["per_class_iou"] == {
        "road": pytest.approx(2 / 3),
        "sky": pytest.approx(3 / 5),
        "car": None,
    }
    assert output.details["per_class_acc"]["sky"] == pytest.approx(3 / 4)
    assert output.details["judge"]["held_out"] == {"pixel_acc": 0.9}
    np.testing.assert_allclose(output.per_image["fcn_pixel_acc"], [2 / 3, 3 / 4])
    np.testing.assert_array_equal(output.per_image["fcn_conf"][0], [1, 1, 0, 0, 1, 0, 0, 0, 0])
    assert [results[key].value for key in SegmentationMetric.keys[3:]] == [None] * 3


def test_the_card_decides_on_absent_classes() -> None:
    labels = np.array([[[0, 0], [1, 1]]], np.uint8)
    results = by_key(score(labels, red(labels), card=make_card(ABSENT_IS_ZERO)))
    assert results["fcn_class_iou"].value == pytest.approx(2 / 3)
    assert results["fcn_class_iou"].protocol["class_policy"] == ABSENT_IS_ZERO


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_batch_size_does_not_matter(batch: int) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, (5, 8, 8)).astype(np.uint8)
    seen = red(rng.integers(0, 3, (5, 8, 8)).astype(np.uint8))
    assert score(labels, seen, batch=batch).results == score(labels, seen, batch=2).results


def test_label_scores_take_the_nearest_colour() -> None:
    labels = np.array([[[0, 1], [2, 255]]], np.uint8)
    near = np.array([[[[130, 60, 120], [60, 140, 190]], [[75, 125, 170], [9, 9, 9]]]], np.uint8)
    output = score(labels, near, role="labels", judge=None)
    results = by_key(output)
    assert results["label_pixel_acc"].value == pytest.approx(2 / 3)
    assert results["label_class_iou"].value == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert "judge" not in output.details
    np.testing.assert_allclose(output.per_image["label_pixel_acc"], [2 / 3])
    assert results["fcn_pixel_acc"].reason == "the predictions are label maps, not photos"


@pytest.mark.parametrize(
    ("given", "key", "reason"),
    [
        ({"role": "labels", "row": "real"}, "label_pixel_acc", "compares the images with themselves"),
        ({"role": "photo"}, "label_pixel_acc", "the predictions are not label maps"),
        ({"judge": None}, "fcn_pixel_acc", "no judge was given"),
        ({"judge": None, "judge_reason": "none was trained"}, "fcn_pixel_acc", "none was trained"),
        ({"card": make_card(classes=0)}, "fcn_pixel_acc", "data set tiny has no classes to compare"),
        ({"card": make_card(classes=2)}, "fcn_pixel_acc", "the judge knows 3 classes, the data set 2"),
        ({"role": "image"}, "fcn_pixel_acc", "the predictions are images of another kind, not photos"),
    ],
)
def test_missing_values_say_why(given: dict[str, Any], key: str, reason: str) -> None:
    labels = np.array([[[0, 1], [2, 255]]], np.uint8)
    result = by_key(score(labels, red(labels), **given))[key]
    assert (result.value, result.reason, result.n) == (None, reason, 1)


def test_a_split_without_labels_has_no_score() -> None:
    output = score(None, np.zeros((1, 2, 2, 3), np.uint8))
    assert by_key(output)["fcn_class_iou"].reason == "the data set has no label maps"
    assert (output.per_image, output.details) == ({}, {})


def test_a_split_of_void_has_no_score() -> None:
    output = score(np.full((1, 2, 2), 255, np.uint8), np.zeros((1, 2, 2, 3), np.uint8))
    assert by_key(output)["fcn_class_iou"].reason == "no test image has a labelled pixel"


def test_a_judge_without_training_notes_still_says_what_it_is() -> None:
    labels = np.array([[[0, 1], [2, 255]]], np.uint8)
    plain = SimpleNamespace(
        num_classes=3, protocol={"judge": "plain"}, segment=lambda images: images[:, 0].long()
    )
    assert score(labels, red(labels), judge=plain).details["judge"] == {"judge": "plain"}

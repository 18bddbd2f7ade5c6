"""Confusion matrices and their scores (formulas of the paper's released evaluation script)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.types import VOID

ABSENT_IS_ZERO = "absent-is-zero"
ABSENT_LEFT_OUT = "absent-left-out"
_EPSILON = 1e-12  # the released script's
Floats = NDArray[np.float64]


def confusion_matrix(
    truth: NDArray[Any], predicted: NDArray[Any], num_classes: int, *, no_class: bool = False
) -> NDArray[np.int64]:
    """How often class j (column) is predicted where class i (row) is true.

    Args:
        truth: train ids of any shape; 255 is void and not counted.
        predicted: train ids of the same shape.
        num_classes: K.
        no_class: whether a prediction may be outside the classes (any other id). Such pixels are counted in
            a last column, so that they are always wrong.

    Returns:
        (K, K) int64; (K, K + 1) with `no_class`.

    Raises:
        ValueError: if shapes differ, or a pixel that counts has an id outside 0..K-1.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"expected predictions of shape {truth.shape}, found {predicted.shape}")
    counted = truth != VOID
    rows, columns = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
    width = num_classes + no_class
    if no_class:
        columns[(columns < 0) | (columns >= num_classes)] = num_classes
    for what, ids, limit in (("truth", rows, num_classes), ("prediction", columns, width)):
        if ids.size and not 0 <= ids.min() <= ids.max() < limit:
            raise ValueError(f"expected {what} ids in 0..{limit - 1}, found {ids.min()}..{ids.max()}")
    counts = np.bincount(rows * width + columns, minlength=num_classes * width)
    return counts.reshape(num_classes, width).astype(np.int64)


def class_scores(conf: NDArray[Any], policy: str) -> tuple[Floats, Floats]:
    """Accuracy and IoU of each class.

    Args:
        conf: (..., K, K) confusion matrices, rows = truth; (..., K, K + 1) where predictions may be no class.
        policy: the score of a class that does not occur in the truth: 0 with "absent-is-zero", NaN with
            "absent-left-out" (even if it is predicted: those pixels count against their true classes).

    Returns:
        (accuracy, iou), each (..., K) float64 in [0, 1].

    Raises:
        ValueError: for an unknown policy.
    """
    return _class_scores(class_sums(conf), policy)


def class_sums(conf: NDArray[Any]) -> Floats:
    """The sums that scores need from confusion matrices: additive like them, and much smaller.

    Args:
        conf: (..., K, K) confusion matrices, rows = truth; (..., K, K + 1) where predictions may be no class.

    Returns:
        (..., 3, K) float64: hits, truth and predictions of each class, in pixels.
    """
    counts = np.asarray(conf, dtype=np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.stack([hits, counts.sum(-1), counts.sum(-2)[..., : counts.shape[-2]]], axis=-2)


def _class_scores(sums: Floats, policy: str) -> tuple[Floats, Floats]:
    if policy not in (ABSENT_IS_ZERO, ABSENT_LEFT_OUT):
        raise ValueError(f"expected class policy {ABSENT_IS_ZERO} or {ABSENT_LEFT_OUT}, found {policy!r}")
    hits, rows, columns = (sums[..., part, :] for part in range(3))
    accuracy = hits / (rows + _EPSILON)
    iou = hits / (rows + columns - hits + _EPSILON)
    if policy == ABSENT_LEFT_OUT:
        accuracy, iou = (np.where(rows > 0, values, np.nan) for values in (accuracy, iou))
    return accuracy, iou


def scores_from_confusion(conf: NDArray[Any], policy: str) -> tuple[Floats, Floats, Floats]:
    """Per-pixel accuracy, per-class accuracy and class IoU.

    per-pixel = sum(diag) / sum; per-class = mean(diag / rows); IoU = mean(diag / (rows + columns - diag)).
    The means are over all K classes ("absent-is-zero") or over those that occur in the truth
    ("absent-left-out").

    Args:
        conf: (..., K, K) confusion matrices, rows = truth; (..., K, K + 1) where predictions may be no class.
        policy: "absent-is-zero" or "absent-left-out".

    Returns:
        three arrays (...) float64 in [0, 1]; NaN if a matrix counts no pixel.

    Raises:
        ValueError: for an unknown policy.
    """
    return scores_from_sums(class_sums(conf), policy)


def scores_from_sums(sums: Floats, policy: str) -> tuple[Floats, Floats, Floats]:
    """`scores_from_confusion` of (..., 3, K) sums by class."""
    total = sums[..., 1, :].sum(-1)
    something = total > 0
    accuracy, iou = _class_scores(sums, policy)
    means = []
    for values in (accuracy, iou):
        given = ~np.isnan(values)
        mean = np.where(given, values, 0.0).sum(-1) / np.maximum(given.sum(-1), 1)
        means.append(np.where(something, mean, np.nan))
    pixel = sums[..., 0, :].sum(-1) / np.where(something, total, np.nan)
    return pixel, means[0], means[1]

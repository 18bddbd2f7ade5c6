"""Shared by the metric families: results with and without a value, and the predictions of the `real` row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from bench.core.bootstrap import Interval, bootstrap_mean
from bench.core.images import stacked, to_rgb8
from bench.records.record import MetricResult
from bench.scoring.metrics.base import Batch, ScoringContext
from bench.scoring.metrics.catalogue import goal_of

T = TypeVar("T")
NO_GENERATOR = "needs the generator that made the images, but no run made them"
NOTHING_KEPT = "the run's checkpoint is gone, and this value was not computed while it existed"
UNPAIRED = "needs pairs, and this data set is unpaired"
NO_IMAGES = "no images were scored"
WITH_THEMSELVES = "compares the images with themselves"


def measured(
    key: str,
    value: float,
    n: int,
    protocol: dict[str, Any],
    *,
    interval: Interval | None = None,
    undefined: str = "not defined on these images",
) -> MetricResult:
    """A result; if `value` is not finite, a result without a value and with the reason `undefined`."""
    if not math.isfinite(value):
        return MetricResult(key, None, goal_of(key), n, protocol, reason=undefined)
    return MetricResult(key, float(value), goal_of(key), n, protocol, interval=interval)


def means(
    columns: Mapping[str, NDArray[np.float64]],
    protocols: Mapping[str, dict[str, Any]],
    undefined: str = "not defined on these images",
) -> list[MetricResult]:
    """The mean of each column (N,) of values by image, with a bootstrap interval."""
    return [
        measured(
            key,
            float(values.mean()),
            len(values),
            protocols[key],
            interval=bootstrap_mean(values),
            undefined=undefined,
        )
        for key, values in columns.items()
    ]


def stand_ins(context: ScoringContext) -> tuple[NDArray[np.int64] | None, str | None]:
    """The training targets that replace the predictions in the `real` row: as many as test images.

    Returns:
        (N,) evenly spaced places in `context.train_targets`, or None and the reason.
    """
    train, wanted = context.train_targets, len(context.test)
    if train is None:
        return None, "no training targets to compare with the test targets"
    if len(train) < wanted:
        return (
            None,
            f"the training split has {len(train)} images, fewer than the {wanted} of the test split",
        )
    return np.arange(wanted) * len(train) // max(wanted, 1), None


class PredictionSource:
    """The images on the prediction side of a set-to-set metric, batch by batch.

    They are the images of the batch; in the `real` row, which would compare targets with themselves, they
    are training targets.

    Attributes:
        reason: why there is nothing to compare, or None.
    """

    def __init__(self, context: ScoringContext) -> None:
        self._train = context.train_targets
        self._places: NDArray[np.int64] | None = None
        self.reason: str | None = None
        if context.row == "real":
            self._places, self.reason = stand_ins(context)

    def take(self, batch: Batch) -> NDArray[np.uint8]:
        """(N, H, W, 3) uint8 images for this batch."""
        if self._places is None or self._train is None:
            return batch.prediction
        chosen = self._places[batch.start : batch.start + len(batch.names)]
        return to_rgb8(stacked(self._train[chosen]))


def by_threads(work: Callable[..., T], *sides: Iterable[Any]) -> list[T]:
    """`work` on each image, or pair of images, in as many threads as torch may use; results in order.

    For work that mostly runs in C without the interpreter's lock. Results do not depend on the threads.
    """
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(lambda images: work(*images), zip(*sides, strict=True)))

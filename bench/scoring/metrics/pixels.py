"""Share of pixels with all three channels within a tolerance of the target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.scoring.metrics.base import Batch, Exact, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.common import NO_IMAGES, WITH_THEMSELVES, means
from bench.scoring.metrics.kept_rows import Rows

TOLERANCES = {"pixel_acc@5": 5, "pixel_acc@10": 10}


def pixel_accuracy(
    prediction: NDArray[np.uint8], target: NDArray[np.uint8], tolerances: Iterable[int]
) -> list[NDArray[np.float64]]:
    """Share of pixels that are right within each tolerance.

    Args:
        prediction: (N, H, W, C) uint8.
        target: (N, H, W, C) uint8.
        tolerances: grey levels that every channel may differ, inclusive.

    Returns:
        (N,) float64 in [0, 1] for each tolerance.
    """
    gap = np.maximum(prediction, target) - np.minimum(prediction, target)  # needs no wider integers
    worst = gap.max(axis=-1)
    return [np.asarray(np.mean(worst <= most, axis=(1, 2)), dtype=np.float64) for most in tolerances]


def exact_accuracy(exact: Exact, tolerances: Iterable[int]) -> list[NDArray[np.float64]]:
    """The same of 16-bit and float values: `tolerances` in 255ths of their range."""
    worst = np.abs(exact.prediction - exact.target).max(axis=-1)
    steps = [most * exact.range.width / 255 for most in tolerances]
    return [np.asarray(np.mean(worst <= step, axis=(1, 2)), dtype=np.float64) for step in steps]


class PixelsMetric:
    """`pixel_acc@5` and `pixel_acc@10`: means over images with bootstrap intervals."""

    keys: ClassVar[tuple[str, ...]] = tuple(TOLERANCES)
    exact: ClassVar[bool] = True

    def __init__(self, context: ScoringContext) -> None:
        self._rows = Rows()
        self._real = context.row == "real"
        self._protocol: dict[str, dict[str, Any]] = {
            key: {
                "version": 1,
                "size_px": context.size_px,
                "reference": "paired test target",
                "data": f"{context.values or 'uint8 RGB'}, all channels, mean over pictures",
                "tolerance": tolerance,
            }
            for key, tolerance in TOLERANCES.items()
        }

    def update(self, batch: Batch) -> None:
        """Score every pair of the batch."""
        rows = {}
        if not self._real:
            levels = TOLERANCES.values()
            if batch.exact:
                found = exact_accuracy(batch.exact, levels)
            else:
                found = pixel_accuracy(batch.prediction, batch.target, levels)
            rows = dict(zip(TOLERANCES, found, strict=True))
        self._rows.add(len(batch.names), rows)

    def compute(self) -> MetricOutput:
        """Means, intervals and per-image columns."""
        n = self._rows.n
        if self._real or not n:
            reason = WITH_THEMSELVES if self._real else NO_IMAGES
            return MetricOutput(
                [result for key in self.keys for result in missing([key], reason, self._protocol[key], n)]
            )
        columns = {key: self._rows[key] for key in self.keys}
        return MetricOutput(means(columns, self._protocol), per_image=dict(columns))

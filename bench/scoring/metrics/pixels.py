"""Share of pixels whose three channels all lie within a tolerance of the target."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.core.bootstrap import bootstrap_mean
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.common import NO_IMAGES, WITH_THEMSELVES, measured
from bench.scoring.metrics.kept_rows import Rows

TOLERANCES = {"pixel_acc@5": 5, "pixel_acc@10": 10}


def pixel_accuracy(
    prediction: NDArray[np.uint8], target: NDArray[np.uint8], tolerance: int
) -> NDArray[np.float64]:
    """Share of pixels that are right within a tolerance.

    Args:
        prediction: (N, H, W, C) uint8.
        target: (N, H, W, C) uint8.
        tolerance: grey levels that every channel may be off, inclusive.

    Returns:
        (N,) float64 in [0, 1].
    """
    return _share_within(_worst_channel(prediction, target), tolerance)


def _worst_channel(prediction: NDArray[np.uint8], target: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, H, W): the largest absolute difference over channels; max - min needs no wider integers."""
    gap = np.maximum(prediction, target) - np.minimum(prediction, target)
    worst: NDArray[np.uint8] = gap.max(axis=-1)
    return worst


def _share_within(worst: NDArray[np.uint8], tolerance: int) -> NDArray[np.float64]:
    return np.asarray(np.mean(worst <= tolerance, axis=(1, 2)), dtype=np.float64)


class PixelsMetric:
    """`pixel_acc@5` and `pixel_acc@10`: means over images with bootstrap intervals."""

    keys: ClassVar[tuple[str, ...]] = tuple(TOLERANCES)

    def __init__(self, context: ScoringContext) -> None:
        self._rows = Rows()
        self._real = context.row == "real"
        self._protocol: dict[str, dict[str, Any]] = {
            key: {
                "version": 1,
                "size_px": context.size_px,
                "reference": "paired test target",
                "data": "uint8 RGB, all channels, mean over pictures",
                "tolerance": tolerance,
            }
            for key, tolerance in TOLERANCES.items()
        }

    def update(self, batch: Batch) -> None:
        """Score every pair of the batch."""
        rows = {}
        if not self._real:
            worst = _worst_channel(batch.prediction, batch.target)
            rows = {key: _share_within(worst, tolerance) for key, tolerance in TOLERANCES.items()}
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
        results = [
            measured(key, float(values.mean()), n, self._protocol[key], interval=bootstrap_mean(values))
            for key, values in columns.items()
        ]
        return MetricOutput(results, per_image=dict(columns))

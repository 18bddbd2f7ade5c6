"""How much a generator's answers to one source differ: its spread over dropout samples at test time."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.metrics.common import NO_PICTURES, measured
from bench.stats import bootstrap_mean

PICTURES, SAMPLES = 20, 5


def spread(samples: NDArray[np.uint8]) -> float:
    """Standard deviation (n - 1) over K samples of each pixel and channel, then the mean over those.

    Args:
        samples: (K, H, W, C) uint8, K at least 2.

    Returns:
        grey levels, 0 to 255; exactly 0 where all samples are equal.
    """
    return float(samples.astype(np.float64).std(axis=0, ddof=1).mean())


def places(total: int) -> list[int]:
    """The evenly spaced test pictures that are sampled: at most 20 of `total`, the first included."""
    wanted = min(PICTURES, total)
    return [index * total // wanted for index in range(wanted)]


class DiversityMetric:
    """`diversity`: mean spread over repeated test-time dropout samples of a fixed subset of pictures.

    It needs the trained generator, through `ScoringContext.repeats`.
    """

    keys: ClassVar[tuple[str, ...]] = ("diversity",)

    def __init__(self, context: ScoringContext) -> None:
        self._context = context
        self._protocol: dict[str, Any] = {
            "version": 1,
            "size_px": context.size_px,
            "samples": SAMPLES,
            "pictures": min(PICTURES, len(context.test)),
            "spread": "standard deviation (n - 1) of each value over samples, grey levels, mean",
        }
        self._seen = 0

    def update(self, batch: Batch) -> None:
        """Nothing but the count: the pictures are sampled anew."""
        self._seen += len(batch.names)

    def compute(self) -> MetricOutput:
        """The mean over the subset; the per-image column is NaN for pictures outside it."""
        repeats, reason = self._context.repeats, None
        if not self._seen:
            reason = NO_PICTURES
        elif repeats is None:
            reason = "needs the generator that made the pictures: they are no run's"
        found = repeats(places(self._seen), SAMPLES) if repeats is not None and reason is None else None
        if reason is None and found is None:
            reason = "the run's checkpoint is gone, and no spread was kept when it was there"
        if found is None:
            return MetricOutput(missing(self.keys, str(reason), self._protocol, self._seen))
        column = np.full(self._seen, np.nan)
        column[places(self._seen)] = found
        interval = bootstrap_mean(found)
        result = measured("diversity", float(found.mean()), len(found), self._protocol, interval=interval)
        return MetricOutput([result], per_image={"diversity": column})

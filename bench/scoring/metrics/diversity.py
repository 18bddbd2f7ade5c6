"""Repeated use of a trained generator: how much its outputs for one source differ, and how far another source
moves them (`bench.scoring.metrics.source_response`)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.core.bootstrap import bootstrap_mean
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.common import NO_GENERATOR, NO_IMAGES, NOTHING_KEPT, measured
from bench.scoring.metrics.source_response import source_response

IMAGES, SAMPLES = 20, 5


def spread(samples: NDArray[np.uint8]) -> float:
    """Standard deviation (n - 1) over K samples of each pixel and channel, then the mean over those.

    Args:
        samples: (K, H, W, C) uint8, K at least 2.

    Returns:
        grey levels, 0 to 255; exactly 0 if all samples are equal.
    """
    return float(samples.astype(np.float64).std(axis=0, ddof=1).mean())


def places(total: int) -> list[int]:
    """The test images that are sampled: at most 20 of `total`, evenly spaced from the first."""
    wanted = min(IMAGES, total)
    return [index * total // wanted for index in range(wanted)]


class DiversityMetric:
    """`diversity`: mean spread over repeated test-time dropout samples of a fixed subset of images; and
    `source_response`.

    Both need the trained generator, through `ScoringContext.repeats` and `swaps`.
    """

    keys: ClassVar[tuple[str, ...]] = ("diversity", "source_response")
    pairs: ClassVar[bool] = False

    def __init__(self, context: ScoringContext) -> None:
        self._seen = 0
        self._context = context
        self._protocol: dict[str, Any] = {
            "version": 1,
            "size_px": context.size_px,
            "samples": SAMPLES,
            "images": min(IMAGES, len(context.test)),
            "spread": "standard deviation (n - 1) of each value over samples, grey levels, mean",
        }

    def update(self, batch: Batch) -> None:
        """Count the images; the generator samples its own."""
        self._seen += len(batch.names)

    def compute(self) -> MetricOutput:
        """Both results; the per-image columns are NaN for images that were not sampled."""
        spreads, response = self._spreads(), source_response(self._context, self._seen)
        per_image = {**spreads.per_image, **response.per_image}
        return MetricOutput(spreads.results + response.results, per_image)

    def _spreads(self) -> MetricOutput:
        repeats, seen, reason = self._context.repeats, self._seen, None
        if not seen:
            reason = NO_IMAGES
        elif repeats is None:
            reason = NO_GENERATOR
        found = repeats(places(seen), SAMPLES) if repeats is not None and reason is None else None
        if reason is None and found is None:
            reason = NOTHING_KEPT
        if found is None:
            return MetricOutput(missing(self.keys[:1], str(reason), self._protocol, seen))
        column = np.full(seen, np.nan)
        column[places(seen)] = found
        interval = bootstrap_mean(found)
        result = measured("diversity", float(found.mean()), len(found), self._protocol, interval=interval)
        return MetricOutput([result], per_image={"diversity": column})

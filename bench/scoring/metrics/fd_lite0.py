"""Fréchet distance in the features of a network that needs no download. It is not an FID."""

from __future__ import annotations

from typing import ClassVar

from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.catalogue import PSEUDO
from bench.scoring.metrics.common import measured
from bench.scoring.metrics.feature_choice import LITE0
from bench.scoring.metrics.feature_spaces import space
from bench.scoring.metrics.influence import frechet_estimate
from bench.scoring.metrics.sample_curve import detail
from bench.scoring.metrics.set_features import few_images, frechet_curve


class FdLite0Metric:
    """`fd_lite0`: against the real test split, in features of the ImageNet-trained EfficientNet-Lite0."""

    keys: ClassVar[tuple[str, ...]] = ("fd_lite0",)
    pairs: ClassVar[bool] = False

    def __init__(self, context: ScoringContext) -> None:
        found = space(context, LITE0)
        assert found.comparison is not None  # its weights are a package: without it `space` raises
        self._protocol, self._comparison = found.protocol, found.comparison

    def update(self, batch: Batch) -> None:
        """Add the predictions of a batch."""
        self._comparison.update(batch)

    def compute(self) -> MetricOutput:
        """The distance with its interval and pseudo-values by image, or the reason why there is none."""
        n = self._comparison.n
        protocol = {**self._protocol, "n": n}
        if self._comparison.reason is not None:
            return MetricOutput(missing(self.keys, self._comparison.reason, protocol, n))
        prediction, reference = self._comparison.pair()
        found = frechet_estimate(prediction, reference)
        pseudo = {} if found.pseudo is None else {f"fd_lite0{PSEUDO}": found.pseudo}
        return MetricOutput(
            [measured("fd_lite0", found.value, n, protocol, interval=found.interval)],
            pseudo,
            {
                "fd_lite0": {"caution": few_images(n, prediction.shape[1])},
                **detail(fd_lite0=frechet_curve(prediction, reference, found.value)),
            },
        )

"""`precision`, `recall`, `density`, `coverage` in the features of `--features`, and the distance in a file's.

No interval: neither a bootstrap over images nor a jackknife has 92 to 98 % coverage for them
(`docs/metrics.md`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from bench.records.record import MetricResult
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.catalogue import CATALOGUE, NEIGHBOURS, PSEUDO
from bench.scoring.metrics.common import measured
from bench.scoring.metrics.feature_choice import LITE0, distance_key, is_own
from bench.scoring.metrics.feature_spaces import space
from bench.scoring.metrics.influence import frechet_estimate
from bench.scoring.metrics.nearest_neighbours import neighbours
from bench.scoring.metrics.set_features import Features, few_images

K = 5
_BY_NEIGHBOURS = tuple(key for key, info in CATALOGUE.items() if info.family == NEIGHBOURS)


class NeighboursMetric:
    """What nearest neighbours in feature space say of generated against real test images."""

    keys: ClassVar[tuple[str, ...]] = _BY_NEIGHBOURS  # and that of the distance in the features of a file

    def __init__(self, context: ScoringContext) -> None:
        self._features = context.features or LITE0
        self._space = space(context, self._features)
        self._own = is_own(self._features)
        self._seen = 0

    def update(self, batch: Batch) -> None:
        """Add the predictions of a batch."""
        self._seen += len(batch.names)
        if self._space.comparison is not None:
            self._space.comparison.update(batch)

    def compute(self) -> MetricOutput:
        """All values, or the reason why there are none."""
        comparison, n = self._space.comparison, self._seen
        reason = self._space.reason if comparison is None else comparison.reason
        protocol = {**self._space.protocol, "n": n}
        if comparison is None or reason is not None:
            absent = missing(_BY_NEIGHBOURS, str(reason), {**protocol, "k": K}, n)
            return MetricOutput(absent + ([] if self._own else self._no_distance(str(reason), protocol)))
        prediction, reference = comparison.pair()
        output = MetricOutput(_by_neighbours(prediction, reference, {**protocol, "k": K}, n))
        if not self._own:
            self._add_distance(output, prediction, reference, protocol)
        return output

    def _no_distance(self, reason: str, protocol: dict[str, Any]) -> list[MetricResult]:
        key = distance_key(self._features)
        return [MetricResult(key, None, "min", self._seen, protocol, reason=reason)]

    def _add_distance(
        self, output: MetricOutput, prediction: Features, reference: Features, protocol: dict[str, Any]
    ) -> None:
        """The Fréchet distance in the features of a file; those of `lite0` and `inception` have metrics."""
        key, found = distance_key(self._features), frechet_estimate(prediction, reference)
        output.results.append(
            MetricResult(key, found.value, "min", self._seen, protocol, interval=found.interval)
        )
        if found.pseudo is not None:
            output.per_image[f"{key}{PSEUDO}"] = found.pseudo
        output.details[key] = {"caution": few_images(self._seen, prediction.shape[1])}


def _by_neighbours(
    prediction: Features, reference: Features, protocol: dict[str, Any], n: int
) -> list[MetricResult]:
    least = min(len(prediction), len(reference))
    if least <= K:
        return missing(_BY_NEIGHBOURS, f"{K} neighbours need {K + 1} images, found {least}", protocol, n)
    values = asdict(neighbours(prediction, reference, K))
    return [measured(key, values[key], n, protocol) for key in _BY_NEIGHBOURS]

"""FID and KID: distances of generated test pictures from real ones in Inception-v3 features.

The network, its weights and its resize are those of torch-fidelity (and torchmetrics); see
`bench.metrics.inception`. Without the weights both are None, with that reason.
"""

from __future__ import annotations

from typing import Any, ClassVar

from bench.files import sha256_file
from bench.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.metrics.common import measured
from bench.metrics.features import FeatureComparison
from bench.metrics.frechet import (
    KID_SEED,
    KID_SUBSET_SIZE,
    KID_SUBSETS,
    frechet_distance,
    gaussian,
    kernel_distance,
)


class FidMetric:
    """`fid` and `kid` against the real test split."""

    keys: ClassVar[tuple[str, ...]] = ("fid", "kid")

    def __init__(self, context: ScoringContext) -> None:
        self._protocol: dict[str, Any] = {
            "version": 1,
            "size_px": context.size_px,
            "network": "inception-v3-compat 2015-12-05",
            "features": "pool3, 2048",
            "resize": "tf1-bilinear-299",
            "normalisation": "(x - 128) / 128",
            "reference": "test",
            "weights": None,
        }
        self._comparison: FeatureComparison | None = None
        self._reason = context.inception_reason or "no Inception weights at hand"
        self._seen = 0
        if context.inception_weights is not None:
            self._comparison = self._prepared(context)

    def _prepared(self, context: ScoringContext) -> FeatureComparison:
        from bench.metrics.inception import RELEASED_PREFIX, load_inception

        assert context.inception_weights is not None
        digest = sha256_file(context.inception_weights)
        self._protocol["weights"] = digest[:16]
        if not digest.startswith(RELEASED_PREFIX):
            self._protocol["network"] = "inception-v3-compat, weights not the released ones"
        network = load_inception(context.inception_weights, context.device)
        return FeatureComparison(context, network, dict(self._protocol))

    def update(self, batch: Batch) -> None:
        """Take in the predictions of a batch."""
        self._seen += len(batch.names)
        if self._comparison is not None:
            self._comparison.update(batch)

    def compute(self) -> MetricOutput:
        """Both distances; the spread of KID over its subsets goes to the detail `kid`."""
        protocol = {**self._protocol, "n": self._seen}
        reason = self._reason if self._comparison is None else self._comparison.reason
        if self._comparison is None or reason is not None:
            return MetricOutput(missing(self.keys, str(reason), protocol, self._seen))
        prediction, reference = self._comparison.pair()
        fid = frechet_distance(gaussian(prediction), gaussian(reference))
        kid = kernel_distance(prediction, reference)
        kernel: dict[str, Any] = {
            "kernel": "(x.y / 2048 + 1)^3, unbiased",
            "subsets": KID_SUBSETS,
            "subset_size": min(KID_SUBSET_SIZE, len(prediction), len(reference)),
            "seed": KID_SEED,
        }
        results = [
            measured("fid", fid, self._seen, protocol),
            measured("kid", kid.value, self._seen, {**protocol, **kernel}),
        ]
        return MetricOutput(results, details={"kid": {"std": kid.std, "subsets": kid.subsets}})

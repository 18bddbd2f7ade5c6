"""FID and KID: distances of generated test images from real ones in Inception-v3 features.

One network (`bench.scoring.metrics.inception`) with a choice of image preparation: as in torch-fidelity,
pytorch-fid or clean-fid (`inception_input`). Without the weights both are None, with that reason.
"""

from __future__ import annotations

from typing import Any, ClassVar

from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.catalogue import PSEUDO
from bench.scoring.metrics.common import measured
from bench.scoring.metrics.feature_choice import INCEPTION
from bench.scoring.metrics.feature_spaces import space
from bench.scoring.metrics.frechet import KID_SEED, KID_SUBSET_SIZE, KID_SUBSETS
from bench.scoring.metrics.influence import frechet_estimate, kernel_estimate
from bench.scoring.metrics.sample_curve import detail
from bench.scoring.metrics.set_features import few_images, frechet_curve, kernel_curve


class FidMetric:
    """`fid` and `kid` against the real test split."""

    keys: ClassVar[tuple[str, ...]] = ("fid", "kid")
    pairs: ClassVar[bool] = False

    def __init__(self, context: ScoringContext) -> None:
        found = space(context, INCEPTION)
        self._protocol, self._comparison, self._reason = found.protocol, found.comparison, found.reason
        self._seen = 0

    def update(self, batch: Batch) -> None:
        """Add the predictions of a batch."""
        self._seen += len(batch.names)
        if self._comparison is not None:
            self._comparison.update(batch)

    def compute(self) -> MetricOutput:
        """Both distances with intervals and pseudo-values; the detail `kid` is its spread over subsets."""
        protocol = {**self._protocol, "n": self._seen}
        reason = self._reason if self._comparison is None else self._comparison.reason
        if self._comparison is None or reason is not None:
            return MetricOutput(missing(self.keys, str(reason), protocol, self._seen))
        prediction, reference = self._comparison.pair()
        fid, kid = frechet_estimate(prediction, reference), kernel_estimate(prediction, reference)
        kernel: dict[str, Any] = {
            "kernel": "(x.y / 2048 + 1)^3, unbiased",
            "subsets": KID_SUBSETS,
            "subset_size": min(KID_SUBSET_SIZE, len(prediction), len(reference)),
            "seed": KID_SEED,
        }
        pseudo = {"fid": fid.pseudo, "kid": kid.pseudo}
        columns = {f"{key}{PSEUDO}": values for key, values in pseudo.items() if values is not None}
        distance = kid.distance
        results = [
            measured("fid", fid.value, self._seen, protocol, interval=fid.interval),
            measured("kid", distance.value, self._seen, {**protocol, **kernel}, interval=kid.interval),
        ]
        details = {
            "fid": {"caution": few_images(self._seen, prediction.shape[1])},
            "kid": {"std": distance.std, "subsets": distance.subsets, "subset_size": distance.subset_size},
            **detail(
                fid=frechet_curve(prediction, reference, fid.value),
                kid=kernel_curve(prediction, reference, distance.value),
            ),
        }
        return MetricOutput(results, columns, details)

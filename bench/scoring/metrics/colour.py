"""Colour distribution: histogram intersection of outputs and targets in CIE L*a*b*.

Source: Isola et al. 2017, section 4.2 and figure 7 (histograms of L, a and b over the whole test set,
compared by histogram intersection). The number of bins and the ranges are this project's choice.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.core.bootstrap import bootstrap_sum, pseudo_values
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.catalogue import PSEUDO
from bench.scoring.metrics.common import NO_IMAGES, PredictionSource, by_threads, measured
from bench.scoring.metrics.kept_rows import Rows

BINS = 100
RANGES = {"l": (0.0, 100.0), "a": (-108.9, 111.1), "b": (-108.9, 111.1)}
"""Of a and b, the 50th bin is centred on 0, where neutral grey lies: on an edge, rounding would decide."""
Floats = NDArray[np.float64]


def lab_histograms(images: NDArray[np.uint8]) -> Floats:
    """Histograms of the L, a and b channels of each image.

    Args:
        images: (N, H, W, 3) uint8 sRGB, taken as D65.

    Returns:
        (N, 3, 100) float64 counts; each histogram sums to H * W. Values outside a range count in the
        outermost bin (sRGB values are always inside).
    """
    found = by_threads(_histograms_of_one, images)
    return np.stack(found) if found else np.zeros((0, len(RANGES), BINS))


def _histograms_of_one(image: NDArray[np.uint8]) -> Floats:
    """(H, W, 3) -> (3, 100)."""
    from skimage.color import rgb2lab

    counts, lab = np.zeros((len(RANGES), BINS)), rgb2lab(image)
    for channel, (low, high) in enumerate(RANGES.values()):
        place = np.floor((lab[..., channel] - low) * (BINS / (high - low))).astype(np.int64)
        counts[channel] = np.bincount(np.clip(place, 0, BINS - 1).ravel(), minlength=BINS)
    return counts


def intersection(prediction: Floats, target: Floats) -> Floats:
    """Histogram intersection.

    Args:
        prediction: (..., B) counts, normalised here to sum to 1.
        target: (..., B) counts.

    Returns:
        (...) float64 in [0, 1]: 1 for equal distributions, 0 for disjoint ones; NaN if one is empty.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = prediction / prediction.sum(-1, keepdims=True)
        wanted = target / target.sum(-1, keepdims=True)
    return np.asarray(np.minimum(shares, wanted).sum(-1))


class ColourMetric:
    """`lab_l`, `lab_a`, `lab_b`: intersection of histograms pooled over the test set."""

    keys: ClassVar[tuple[str, ...]] = ("lab_l", "lab_a", "lab_b")
    pairs: ClassVar[bool] = False

    def __init__(self, context: ScoringContext) -> None:
        self._rows = Rows()
        self._source = PredictionSource(context)
        self._protocol: dict[str, Any] = {
            "version": 2,
            "size_px": context.size_px,
            "reference": "all test targets, pooled",
            "space": "CIE L*a*b*, D65, from sRGB",
            "bins": BINS,
            "ranges": {name: list(limits) for name, limits in RANGES.items()},
        }

    def update(self, batch: Batch) -> None:
        """Count the colours of the batch."""
        rows = {}
        if self._source.reason is None:
            sides = {"prediction": self._source.take(batch), "target": batch.target}
            rows = {side: lab_histograms(images) for side, images in sides.items()}
        self._rows.add(len(batch.names), rows)

    def compute(self) -> MetricOutput:
        """Intersections with intervals and pseudo-values, and the pooled histograms as `lab_histograms`."""
        n = self._rows.n
        reason = self._source.reason or (None if n else NO_IMAGES)
        if reason is not None:
            return MetricOutput(missing(self.keys, reason, self._protocol, n))
        prediction, target = self._rows["prediction"], self._rows["target"]
        results, details, columns = [], {}, {}
        for channel, (key, (name, (low, high))) in enumerate(zip(self.keys, RANGES.items(), strict=True)):
            rows = np.concatenate([prediction[:, channel], target[:, channel]], axis=1)
            value = _of_sums(rows.sum(0, keepdims=True))[0]
            interval = bootstrap_sum(rows, _of_sums)
            if len(rows) > 1:
                columns[f"{key}{PSEUDO}"] = pseudo_values(rows, _of_sums)
            results.append(measured(key, float(value), n, self._protocol, interval=interval))
            details[name] = {
                "edges": np.linspace(low, high, BINS + 1).tolist(),
                "prediction": _shares(prediction[:, channel]),
                "target": _shares(target[:, channel]),
            }
        return MetricOutput(results, columns, {"lab_histograms": details})


def _of_sums(totals: Floats) -> Floats:
    """(R, 2 * 100) pooled counts of prediction and target -> (R,) intersections."""
    return intersection(totals[:, :BINS], totals[:, BINS:])


def _shares(counts: Floats) -> list[float]:
    pooled = counts.sum(0)
    shares: list[float] = (pooled / pooled.sum()).tolist()
    return shares

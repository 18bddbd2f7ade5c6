"""SSIM, PSNR and MAE of each prediction against its target, then the mean over images.

Source: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004. The
SSIM is scikit-image's with the settings of that paper (Gaussian weights, sigma 1.5, 11 taps, population
covariance, data range 255), per channel, the border of 5 pixels left out of the mean.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bench.scoring.metrics.base import Batch, Exact, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.common import NO_IMAGES, WITH_THEMSELVES, by_threads, means
from bench.scoring.metrics.kept_rows import Rows
from bench.scoring.metrics.sample_curve import detail, mean_curve

PSNR_CAP = 100.0
EXACT_PSNR_CAP = 200.0  # of 16-bit and float images: one step of 65535 in one pixel of a million is 156 dB
_SIGMA, _RADIUS = 1.5, 5
_K1, _K2 = 0.01, 0.03
Floats = NDArray[np.float64]
Values = NDArray[np.uint8] | Floats


def ssim(prediction: Values, target: Values, data_range: float = 255.0) -> Floats:
    """Structural similarity of each pair.

    Args:
        prediction: (N, H, W, C) uint8, or float64 in any units.
        target: the same.
        data_range: highest value less the lowest.

    Returns:
        (N,) float64 in [-1, 1]; NaN for images narrower than the window of 11 pixels.
    """
    of_pair = partial(_ssim_of_pair, data_range=data_range)
    return np.array(by_threads(of_pair, prediction, target), dtype=np.float64)


def psnr(prediction: Values, target: Values, data_range: float = 255.0, cap: float = PSNR_CAP) -> Floats:
    """Peak signal-to-noise ratio (N,) in dB of (N, H, W, C) pairs, at most `cap` (identical images)."""
    gap = _gap(prediction, target)
    error = np.mean(gap * gap, axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(10 * np.log10(data_range**2 / error), cap))


def mae(prediction: Values, target: Values) -> Floats:
    """Mean absolute error (N,) of (N, H, W, C) pairs, in their units: of uint8 in grey levels, 0 to 255."""
    return np.asarray(np.mean(np.abs(_gap(prediction, target)), axis=(1, 2, 3)))


def _gap(prediction: Values, target: Values) -> Floats:
    return prediction.astype(np.float64) - target.astype(np.float64)


def _window() -> Floats:
    """The 11 Gaussian weights, summing to 1."""
    weights = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    return np.asarray(weights / weights.sum())


def _smooth(planes: Floats) -> Floats:
    """(..., H, W) -> (..., H-10, W-10): weighted means over the 11x11 windows inside the image."""
    inner = slice(_RADIUS, -_RADIUS)
    rows = ndimage.correlate1d(planes, _window(), axis=-2)[..., inner, :]
    return np.asarray(ndimage.correlate1d(rows, _window(), axis=-1)[..., inner])


def _ssim_of_pair(prediction: Values, target: Values, data_range: float) -> float:
    """SSIM of one (H, W, C) pair: the mean over channels and windows (Wang et al. 2004, equation 13)."""
    if min(prediction.shape[:2]) <= 2 * _RADIUS:
        return float("nan")
    x = np.ascontiguousarray(prediction.transpose(2, 0, 1), dtype=np.float64)
    y = np.ascontiguousarray(target.transpose(2, 0, 1), dtype=np.float64)
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    mean_x, mean_y, xx, yy, xy = _smooth(np.stack([x, y, x * x, y * y, x * y]))
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    covariance, variances = xy - product, xx + yy - squares
    similarity = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return float(similarity.mean())


def _scores(prediction: NDArray[np.uint8], target: NDArray[np.uint8]) -> dict[str, Floats]:
    return {
        "ssim": ssim(prediction, target), "psnr": psnr(prediction, target), "mae": mae(prediction, target),
    }  # fmt: skip


def _exact_scores(exact: Exact) -> dict[str, Floats]:
    pair, width = (exact.prediction, exact.target), exact.range.width
    return {"ssim": ssim(*pair, width), "psnr": psnr(*pair, width, EXACT_PSNR_CAP), "mae": mae(*pair)}


class StructuralMetric:
    """`ssim`, `psnr` and `mae`: means over images with bootstrap intervals, and each image's value."""

    keys: ClassVar[tuple[str, ...]] = ("ssim", "psnr", "mae")
    exact: ClassVar[bool] = True

    def __init__(self, context: ScoringContext) -> None:
        self._rows = Rows()
        self._real = context.row == "real"
        common: dict[str, Any] = {
            "version": 1,
            "size_px": context.size_px,
            "reference": "paired test target",
            "data": f"{context.values or 'uint8 RGB, range 255'}, mean over pictures",
        }
        exact = context.data_range is not None
        window = "gaussian, sigma 1.5, 11 taps, population covariance, per channel, border of 5 left out"
        self._protocol: dict[str, dict[str, Any]] = {
            "ssim": {**common, "window": window, "k1": _K1, "k2": _K2},
            "psnr": {**common, "cap_db": EXACT_PSNR_CAP if exact else PSNR_CAP},
            "mae": {**common, "unit": "units of the files" if exact else "grey levels"},
        }

    def update(self, batch: Batch) -> None:
        """Score every pair of the batch."""
        rows = {}
        if not self._real:
            rows = _exact_scores(batch.exact) if batch.exact else _scores(batch.prediction, batch.target)
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
        results = means(columns, self._protocol, "the images are smaller than the window of 11 pixels")
        curves = {r.name: mean_curve(columns[r.name], r.value) for r in results if r.name != "psnr"}
        return MetricOutput(results, per_image=dict(columns), details=detail(**curves))

"""Radial power spectrum of outputs against targets, and `hf_ratio`, its upper half in one number.

`hf_ratio` is the power of the predictions over the power of the targets at radial frequencies in
(size/4, size/2] cycles per picture, luminance in [0, 1] under a 2-D Hann window, summed over all test
pictures: 1 is as sharp as the targets, below 1 blurry, above 1 noisy or ringing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from bench.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.metrics.catalogue import PSEUDO
from bench.metrics.common import NO_PICTURES, PredictionSource, measured
from bench.stats import bootstrap_sum, pseudo_values

REC601 = (0.299, 0.587, 0.114)
_NOTHING = 1e-18  # share of the total power below which a band holds rounding only
Floats = NDArray[np.float64]


def luminance(pictures: NDArray[np.uint8]) -> Floats:
    """(N, H, W, 3) uint8 RGB -> (N, H, W) float64 in [0, 1] by the Rec. 601 weights (no linearisation)."""
    return np.asarray(pictures @ (np.array(REC601) / 255.0))


@lru_cache(maxsize=4)
def _geometry(size: int) -> tuple[Floats, NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Window (S, S); and on the half plane of a real transform: radial bin, weight, and the upper band.

    The window is the periodic Hann window: a constant picture then leaks into no frequency above 1.
    """
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    radius = np.hypot(fft.fftfreq(size, 1 / size)[:, None], fft.rfftfreq(size, 1 / size)[None, :])
    weight = np.full(radius.shape, 2.0)  # a column stands for its mirror image too, but for the outer ones
    weight[:, 0] = 1.0
    if size % 2 == 0:
        weight[:, -1] = 1.0
    upper = (radius > size / 4) & (radius <= size / 2)
    return np.outer(hann, hann), np.rint(radius).astype(np.int64), weight, upper


def power(planes: Floats) -> tuple[Floats, Floats]:
    """Spectral power of each picture.

    Args:
        planes: (N, S, S) float64 luminance.

    Returns:
        (N, S//2 + 1) power summed over the frequencies that round to 0, 1, ... S/2 cycles per picture,
        and (N,) power summed over the upper band (S/4, S/2].

    Raises:
        ValueError: if the pictures are not square.
    """
    size = planes.shape[-1]
    if planes.shape[-2] != size:
        raise ValueError(f"expected square pictures, found {planes.shape[-2]} x {size}")
    window, radial, weight, upper = _geometry(size)
    half = size // 2 + 1
    bins, band = np.zeros((len(planes), half)), np.zeros(len(planes))
    for index, plane in enumerate(planes):
        transform = fft.rfft2(plane * window)
        energy = weight * (transform.real**2 + transform.imag**2)
        bins[index] = np.bincount(radial.ravel(), energy.ravel())[:half]
        band[index] = energy[upper].sum()
    return bins, band


def coefficients(size: int) -> Floats:
    """(S//2 + 1,) number of Fourier coefficients in each radial bin of an S x S picture."""
    _, radial, weight, _ = _geometry(size)
    return np.asarray(np.bincount(radial.ravel(), weight.ravel())[: size // 2 + 1])


def hf_ratio(prediction: Floats, target: Floats) -> float:
    """`hf_ratio` of two sets of (N, S, S) float64 luminance; NaN where the targets have no such power."""
    target_bins, target_band = power(target)
    if target_band.sum() <= _NOTHING * target_bins.sum():
        return float("nan")
    return float(power(prediction)[1].sum() / target_band.sum())


class SpectrumMetric:
    """`hf_ratio`, and the curve behind it as the detail `spectrum`."""

    keys: ClassVar[tuple[str, ...]] = ("hf_ratio",)

    def __init__(self, context: ScoringContext) -> None:
        self._source = PredictionSource(context)
        self._protocol: dict[str, Any] = {
            "version": 1,
            "size_px": context.size_px,
            "reference": "all test targets, power summed",
            "luminance": "rec601 (0.299, 0.587, 0.114) of sRGB values in [0, 1]",
            "window": "hann-2d-periodic",
            "band": "(size/4, size/2] cycles per picture",
        }
        self._prediction: list[tuple[Floats, Floats]] = []
        self._target: list[tuple[Floats, Floats]] = []
        self._n = 0

    def update(self, batch: Batch) -> None:
        """Add the spectra of the batch."""
        self._n += len(batch.names)
        if self._source.reason is None:
            self._prediction.append(power(luminance(self._source.take(batch))))
            self._target.append(power(luminance(batch.target)))

    def compute(self) -> MetricOutput:
        """The ratio with its interval and pseudo-values, and the detail `spectrum` (bins 1 to size/2)."""
        reason = self._source.reason or (None if self._n else NO_PICTURES)
        if reason is not None:
            return MetricOutput(missing(self.keys, reason, self._protocol, self._n))
        bins, band = _joined(self._prediction)
        target_bins, target_band = _joined(self._target)
        total = target_bins.sum()
        value, interval, columns = float("nan"), None, {}
        if target_band.sum() > _NOTHING * total:
            value = float(band.sum() / target_band.sum())
            rows = np.stack([band, target_band], axis=1)
            interval = bootstrap_sum(rows, _ratio_of_sums)
            if len(rows) > 1:
                columns[f"hf_ratio{PSEUDO}"] = pseudo_values(rows, _ratio_of_sums)
        nothing = "the targets have no power in the upper half of the spectrum"
        result = measured("hf_ratio", value, self._n, self._protocol, interval=interval, undefined=nothing)
        curve = _curve(bins.sum(0), target_bins.sum(0), self._n * coefficients(self._protocol["size_px"]))
        return MetricOutput([result], columns, {"spectrum": curve})


def _joined(parts: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return np.concatenate([bins for bins, _ in parts]), np.concatenate([band for _, band in parts])


def _ratio_of_sums(totals: Floats) -> Floats:
    """(R, 2) power of prediction and target -> (R,) ratios, NaN where the target has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(totals[:, 0] / totals[:, 1])


def _curve(prediction: Floats, target: Floats, per_bin: Floats) -> dict[str, list[Any]]:
    """Mean power of a coefficient by radial frequency, without the mean brightness (bin 0)."""
    nothing = _NOTHING * target.sum()
    ratio = [float(p / t) if t > nothing else None for p, t in zip(prediction, target, strict=True)]
    return {
        "frequency": list(range(1, len(target))),
        "ratio": ratio[1:],
        "prediction": (prediction / per_bin)[1:].tolist(),
        "target": (target / per_bin)[1:].tolist(),
    }

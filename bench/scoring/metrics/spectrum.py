"""Power spectrum of outputs against targets: `hf_ratio`, its upper half in one number, and `grid_artefact`.

`hf_ratio` is the power of the predictions over the power of the targets at radial frequencies in
(size/4, size/2] cycles per image, luminance in [0, 1] under a 2-D Hann window, summed over all test
images: 1 is as sharp as the targets, below 1 blurry, above 1 noisy or ringing. `grid_artefact` is the excess
power at the periods of an up-sampling generator (`bench.scoring.metrics.grid_artefact`).

In a rectangle, size S is the shorter side and frequencies are in cycles per S pixels, along both axes alike:
coefficient (k, l) of an H x W image has the radial frequency hypot(k S/H, l S/W). So a frequency means the
same detail (cycles per pixel) in every direction, and the band is (1/4, 1/2] cycles per pixel at every size.
Images of mixed sizes ("native") have no common spectrum and no value.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from baselines.sizes import image_size, is_native
from bench.core.bootstrap import bootstrap_sum, pseudo_values
from bench.records.record import MetricResult
from bench.scoring.metrics import grid_artefact as grid
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.catalogue import PSEUDO
from bench.scoring.metrics.common import NO_IMAGES, PredictionSource, measured
from bench.scoring.metrics.kept_rows import Rows

REC601 = (0.299, 0.587, 0.114)
_SIDES = "prediction", "target"
MIXED = "needs images of one size: spectra of different sizes have no common frequencies"
_NOTHING = 1e-18  # share of the total power below which a band holds only rounding errors
Floats = NDArray[np.float64]


def luminance(images: NDArray[np.uint8]) -> Floats:
    """(N, H, W, 3) uint8 RGB -> (N, H, W) float64 in [0, 1] by the Rec. 601 weights (no linearisation)."""
    return np.asarray(images @ (np.array(REC601) / 255.0))


@lru_cache(maxsize=4)
def _geometry(height: int, width: int) -> tuple[Floats, NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Window (H, W); and on the half plane of a real transform: radial bin, weight, and the upper band.

    The window is the periodic Hann window, with which a constant image leaks into no frequency above 1.
    """
    size = min(height, width)
    down, across = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side) for side in (height, width))
    radius = np.hypot(fft.fftfreq(height, 1 / size)[:, None], fft.rfftfreq(width, 1 / size)[None, :])
    weight = np.full(radius.shape, 2.0)  # a column also counts for its mirror image, except the outer ones
    weight[:, 0] = 1.0
    if width % 2 == 0:
        weight[:, -1] = 1.0
    upper = (radius > size / 4) & (radius <= size / 2)
    return np.outer(down, across), np.rint(radius).astype(np.int64), weight, upper


def energy(plane: Floats) -> Floats:
    """(H, W) float64 luminance -> (H, W//2 + 1) windowed |FFT|^2 of the half plane."""
    transform = fft.rfft2(plane * _geometry(*plane.shape)[0])
    return np.asarray(transform.real**2 + transform.imag**2)


def radial_power(energies: Floats, width: int) -> Floats:
    """(H, W//2 + 1) of `energy`, and W -> (S//2 + 2,) with the shorter side S: power summed over the
    frequencies that round to 0, 1, ... S/2 cycles per S pixels, and last that of the upper band (S/4, S/2].
    """
    size = min(len(energies), width)
    _, radial, weight, upper = _geometry(len(energies), width)
    weighted = weight * energies
    bins = np.bincount(radial.ravel(), weighted.ravel())[: size // 2 + 1]
    return np.append(bins, weighted[upper].sum())


def power(planes: Floats) -> tuple[Floats, Floats]:
    """(N, H, W) luminance -> (N, S//2 + 1) radial power, and (N,) power of the upper band; S = min(H, W)."""
    rows = np.stack([radial_power(energy(plane), plane.shape[1]) for plane in planes])
    return rows[:, :-1], rows[:, -1]


def coefficients(height: int, width: int) -> Floats:
    """(S//2 + 1,) number of Fourier coefficients in each radial bin of an H x W image; S = min(H, W)."""
    _, radial, weight, _ = _geometry(height, width)
    return np.asarray(np.bincount(radial.ravel(), weight.ravel())[: min(height, width) // 2 + 1])


def hf_ratio(prediction: Floats, target: Floats) -> float:
    """`hf_ratio` of two sets of (N, H, W) float64 luminance; NaN if the targets have no such power."""
    target_bins, target_band = power(target)
    if target_band.sum() <= _NOTHING * target_bins.sum():
        return float("nan")
    return float(power(prediction)[1].sum() / target_band.sum())


class SpectrumMetric:
    """`hf_ratio` with the curve behind it (detail `spectrum`), `grid_artefact` by period (detail `grid`)."""

    keys: ClassVar[tuple[str, ...]] = ("hf_ratio", "grid_artefact")
    pairs: ClassVar[bool] = False

    def __init__(self, context: ScoringContext) -> None:
        self._rows = Rows()
        self._source = PredictionSource(context)
        self._shape = None if is_native(context.size_px) else image_size(context.size_px).shape
        shared: dict[str, Any] = {
            "version": 1,
            "size_px": context.size_px,
            "reference": "all test targets, power summed",
            "luminance": "rec601 (0.299, 0.587, 0.114) of sRGB values in [0, 1]",
            "window": "hann-2d-periodic",
        }
        self._protocol = {**shared, "band": f"(size/4, size/2] cycles per {_unit(self._shape)}"}
        self._grid_protocol = {**shared, "periods_px": list(grid.PERIODS)}

    def update(self, batch: Batch) -> None:
        """Add the spectra of the batch."""
        rows: dict[str, Floats] = {}
        if self._reason is None:
            for side, images in zip(_SIDES, (self._source.take(batch), batch.target), strict=True):
                rows |= self._powers(side, images)
        self._rows.add(len(batch.names), rows)

    def _powers(self, side: str, images: NDArray[np.uint8]) -> dict[str, Floats]:
        assert self._shape is not None
        radial, peaks = [], []
        for plane in luminance(images):  # one at a time: only sums are kept
            found = energy(plane)
            radial.append(radial_power(found, plane.shape[1]))
            if grid.fits(*self._shape):
                peaks.append(grid.peaks(found, plane.shape[1]))
        return {f"{side} power": np.stack(radial), **({f"{side} peaks": np.stack(peaks)} if peaks else {})}

    @property
    def _reason(self) -> str | None:
        """Why there is no spectrum, or None."""
        return MIXED if self._shape is None else self._source.reason

    def compute(self) -> MetricOutput:
        """Both with intervals and pseudo-values, and the details `spectrum` (bins 1 to size/2) and `grid`."""
        n = self._rows.n
        reason = self._reason or (None if n else NO_IMAGES)
        if reason is not None or self._shape is None:
            results = missing(self.keys[:1], str(reason), self._protocol, n)
            return MetricOutput(results + missing(self.keys[1:], str(reason), self._grid_protocol, n))
        prediction, target = (self._rows[f"{side} power"] for side in _SIDES)
        result, columns = self._ratio(prediction[:, -1], target[:, -1], float(target[:, :-1].sum()))
        grid_result, grid_columns, by_period = self._grid()
        curve = _curve(prediction[:, :-1].sum(0), target[:, :-1].sum(0), n * coefficients(*self._shape))
        details = {"spectrum": curve, **({"grid": by_period} if by_period else {})}
        return MetricOutput([result, grid_result], {**columns, **grid_columns}, details)

    def _ratio(
        self, band: Floats, target_band: Floats, total: float
    ) -> tuple[MetricResult, dict[str, Floats]]:
        value, interval, columns = float("nan"), None, {}
        if target_band.sum() > _NOTHING * total:
            value = float(band.sum() / target_band.sum())
            rows = np.stack([band, target_band], axis=1)
            interval = bootstrap_sum(rows, _ratio_of_sums)
            if len(rows) > 1:
                columns[f"hf_ratio{PSEUDO}"] = pseudo_values(rows, _ratio_of_sums)
        nothing = "the targets have no power in the upper half of the spectrum"
        result = measured("hf_ratio", value, len(band), self._protocol, interval=interval, undefined=nothing)
        return result, columns

    def _grid(self) -> tuple[MetricResult, dict[str, Floats], dict[str, float]]:
        """`grid_artefact`, its pseudo-values, and its parts by period."""
        assert self._shape is not None
        n = self._rows.n
        if not grid.fits(*self._shape):
            (unfit,) = missing(self.keys[1:], grid.UNFIT, self._grid_protocol, n)
            return unfit, {}, {}
        rows = np.hstack([self._rows[f"{side} peaks"].reshape(n, -1) for side in _SIDES])
        total, excess = rows.sum(0, keepdims=True), grid.excess_of(self._shape)
        around = total.reshape(4, -1)[3]
        value, columns = float("nan"), {}
        if around.min() > _NOTHING * total.sum():
            value = float(excess(total)[0])
        nothing = "the targets have no power around some frequency of the grid"
        known = np.isfinite(value)
        if known and len(rows) > 1:
            columns[f"grid_artefact{PSEUDO}"] = pseudo_values(rows, excess)
        interval = bootstrap_sum(rows, excess) if known else None
        result = measured(
            "grid_artefact", value, n, self._grid_protocol, interval=interval, undefined=nothing
        )
        if not known:
            return result, columns, {}
        periods = {f"{p} px": float(grid.excess_of(self._shape, (p,))(total)[0]) for p in grid.PERIODS}
        return result, columns, periods


def _unit(shape: tuple[int, int] | None) -> str:
    """The length that frequencies count cycles in."""
    return "picture" if shape is None or shape[0] == shape[1] else "shorter side"


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

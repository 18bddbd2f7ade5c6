"""Grid artefacts: power that stands out at the periods of an up-sampling generator, 2, 4 and 8 px.

A decoder that doubles its image step by step can leave a pattern that repeats every 2, 4 or 8 px (a
checkerboard; Odena et al. 2016, "Deconvolution and Checkerboard Artifacts"). In a spectrum that is power in
single coefficients, at multiples of size/8 cycles per image, above that of the frequencies around them; the
content of images, smooth in frequency, makes no such peaks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PERIODS = (2, 4, 8)
MIN_SIZE = 32
UNFIT = f"needs images whose side is a multiple of {max(PERIODS)}, {MIN_SIZE} px or more"
Floats = NDArray[np.float64]


class Lattice(NamedTuple):
    """Where grids have their power, in the half plane of a real transform.

    Attributes:
        rows, columns: (L,) places of the L frequencies.
        period: (L,) the largest of `PERIODS` whose grids have power there: the smallest that has it.
        around: (L, K) flat places of the frequencies each one is compared with; repeated to fill up.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    period: NDArray[np.int64]
    around: NDArray[np.int64]


def fits(size: int) -> bool:
    """Whether grids can be told from content at this size."""
    return size >= MIN_SIZE and size % max(PERIODS) == 0


@lru_cache(maxsize=4)
def lattice(size: int) -> Lattice:
    """The frequencies (k, l) size/8, without the mean; each mirror pair once.

    Each is compared with those 2 and 3 coefficients away along both axes: beyond the one coefficient that the
    Hann window spreads a peak by, and short of the next frequency of the lattice (at 32 px: 2 away alone). A
    frequency on an axis is compared along that axis, where images have more power than beside it.
    """
    step, half = size // max(PERIODS), size // 2
    steps = (2, 3) if step > MIN_SIZE // max(PERIODS) else (2,)
    offsets = [sign * by for by in steps for sign in (-1, 1)]
    found = []
    for row in range(0, size, step):
        for column in range(0, half + 1, step):
            mirrored = column in (0, half) and row > half
            if (row, column) == (0, 0) or mirrored:
                continue
            along_rows = [_place(row + by, column, size) for by in offsets] if row else []
            along_columns = [_place(row, column + by, size) for by in offsets] if column else []
            kept = along_rows + along_columns
            found.append((row, column, _period(row, column, step), kept))
    widest = max(len(around) for *_, around in found)
    return Lattice(
        np.array([row for row, *_ in found]),
        np.array([column for _, column, *_ in found]),
        np.array([period for *_, period, _ in found]),
        np.array([around * (widest // len(around)) for *_, around in found]),
    )


def _place(row: int, column: int, size: int) -> int:
    """The flat place in the half plane of a coefficient of the whole plane, or of its mirror image there."""
    row, column = row % size, column % size
    if column > size // 2:
        row, column = -row % size, size - column
    return row * (size // 2 + 1) + column


def _period(row: int, column: int, step: int) -> int:
    """2 where both are multiples of size/2, else 4 where they are of size/4, else 8."""
    for period in PERIODS:
        if all(place % (step * max(PERIODS) // period) == 0 for place in (row, column)):
            return period
    raise ValueError(f"({row}, {column}) is not on the lattice")


def peaks(energy: Floats) -> Floats:
    """Power at each frequency of the lattice, and the mean power around it.

    Args:
        energy: (S, S//2 + 1) |FFT|^2 of the half plane, each coefficient once.

    Returns:
        (2, L) float64.
    """
    where = lattice(len(energy))
    return np.stack([energy[where.rows, where.columns], energy.ravel()[where.around].mean(1)])


def excess_of(size: int, periods: tuple[int, ...] = PERIODS) -> Callable[[Floats], Floats]:
    """The score as a function of sums over images.

    How far power at the lattice stands out of what is around it, in units of what the targets have around it,
    averaged over the lattice's frequencies: that of predictions minus that of targets. Measured by the
    targets' power, a pattern counts as much as it shows, not as it stands out of a blurred image's silence.

    Args:
        size: side of the images.
        periods: count the frequencies of these alone.

    Returns:
        (R, 4 L) totals of `peaks` of predictions and targets -> (R,) scores, NaN where targets have no power.
    """
    chosen = np.isin(lattice(size).period, periods)

    def excess(totals: Floats) -> Floats:
        at, around, target_at, target_around = np.split(totals, 4, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            standing_out = ((at - around) - (target_at - target_around)) / target_around
            return np.asarray(standing_out[:, chosen].mean(1))

    return excess

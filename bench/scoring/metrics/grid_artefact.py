"""Grid artefacts: peaks of power at the periods of an up-sampling generator, 2, 4 and 8 px.

A decoder that doubles its image step by step can leave a pattern that repeats every 2, 4 or 8 px (a
checkerboard; Odena et al. 2016, "Deconvolution and Checkerboard Artifacts"). In the spectrum this pattern is
power in single coefficients, at multiples of size/8 cycles per image, above the frequencies around them.
Image content is smooth in frequency and makes no such peaks. In a rectangle each axis has its own size: the
patterns repeat every 2, 4 or 8 px along both.
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
    """The frequencies at which grids have power, in the half plane of a real transform.

    Attributes:
        rows, columns: (L,) places of the L frequencies.
        period: (L,) the smallest of `PERIODS` that has power there.
        around: (L, K) flat places of the frequencies each one is compared with; repeated to fill up.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    period: NDArray[np.int64]
    around: NDArray[np.int64]


def fits(height: int, width: int) -> bool:
    """Whether this size allows telling grids from content."""
    return all(side >= MIN_SIZE and side % max(PERIODS) == 0 for side in (height, width))


@lru_cache(maxsize=4)
def lattice(height: int, width: int) -> Lattice:
    """The frequencies (k H/8, l W/8), without the mean; each mirror pair once.

    Each is compared with those 2 and 3 coefficients away along both axes. They are beyond the one coefficient
    by which the Hann window spreads a peak, and before the next frequency of the lattice (with a side of
    32 px: only 2 away). A frequency on an axis is compared along that axis, where images have more power than
    beside it.
    """
    down, across = height // max(PERIODS), width // max(PERIODS)
    steps = (2, 3) if min(down, across) > MIN_SIZE // max(PERIODS) else (2,)
    offsets = [sign * by for by in steps for sign in (-1, 1)]
    found = []
    for row in range(0, height, down):
        for column in range(0, width // 2 + 1, across):
            mirrored = column in (0, width // 2) and row > height // 2
            if (row, column) == (0, 0) or mirrored:
                continue
            along_rows = [_place(row + by, column, height, width) for by in offsets] if row else []
            along_columns = [_place(row, column + by, height, width) for by in offsets] if column else []
            kept = along_rows + along_columns
            found.append((row, column, _period(row // down, column // across), kept))
    widest = max(len(around) for *_, around in found)
    return Lattice(
        np.array([row for row, *_ in found]),
        np.array([column for _, column, *_ in found]),
        np.array([period for *_, period, _ in found]),
        np.array([around * (widest // len(around)) for *_, around in found]),
    )


def _place(row: int, column: int, height: int, width: int) -> int:
    """The flat place, in the half plane, of a coefficient of the whole plane or of its mirror image."""
    row, column = row % height, column % width
    if column > width // 2:
        row, column = -row % height, width - column
    return row * (width // 2 + 1) + column


def _period(row: int, column: int) -> int:
    """2 if both (in eighths of their side) are multiples of 4, else 4 if both are multiples of 2, else 8."""
    for period in PERIODS:
        if all(place % (max(PERIODS) // period) == 0 for place in (row, column)):
            return period
    raise ValueError(f"({row}, {column}) is not on the lattice")


def peaks(energy: Floats, width: int) -> Floats:
    """Power at each frequency of the lattice, and the mean power around it.

    Args:
        energy: (H, W//2 + 1) |FFT|^2 of the half plane, each coefficient once.
        width: W.

    Returns:
        (2, L) float64.
    """
    where = lattice(len(energy), width)
    return np.stack([energy[where.rows, where.columns], energy.ravel()[where.around].mean(1)])


def excess_of(shape: tuple[int, int], periods: tuple[int, ...] = PERIODS) -> Callable[[Floats], Floats]:
    """The score as a function of sums over images.

    The excess of power at the lattice over the power around it, divided by the targets' power around it and
    averaged over the lattice's frequencies: predictions minus targets. The targets' power is the unit so that
    a pattern counts by its visible strength; in a blurred image the power around it is close to zero.

    Args:
        shape: height and width of the images.
        periods: use only the frequencies of these.

    Returns:
        (R, 4 L) totals of `peaks` of predictions and targets -> (R,) scores, NaN where targets have no power.
    """
    chosen = np.isin(lattice(*shape).period, periods)

    def excess(totals: Floats) -> Floats:
        at, around, target_at, target_around = np.split(totals, 4, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            standing_out = ((at - around) - (target_at - target_around)) / target_around
            return np.asarray(standing_out[:, chosen].mean(1))

    return excess

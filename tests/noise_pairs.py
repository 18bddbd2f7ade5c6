"""Pairs of noise, for trainings that need data and learn nothing from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pairs:
    source: NDArray[Any]
    target: NDArray[Any]


def noise_pairs(
    count: int = 5, side: int = 36, channels: tuple[int, int] = (3, 3), dtype: type = np.uint8, seed: int = 7
) -> Pairs:
    """`count` sources and targets, `side` px square, of all the values that `dtype` has."""
    rng, top = np.random.default_rng(seed), np.iinfo(dtype).max
    return Pairs(*(rng.integers(0, top, (count, side, side, c), dtype, endpoint=True) for c in channels))

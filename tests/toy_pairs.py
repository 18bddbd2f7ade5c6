"""Several pairs of toycity at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.data.toycity.generator import sample


def generate(
    split: str, count: int, size_px: int, *, start: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Photos (N, S, S, 3) and train ids (N, S, S) of the pairs `start` to `start + count - 1`."""
    photos, ids = zip(*(sample(split, start + place, size_px) for place in range(count)), strict=True)
    return np.stack(photos), np.stack(ids)

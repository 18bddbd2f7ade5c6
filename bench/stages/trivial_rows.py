"""Rows without training, for every table: `real`, `copy`, `nearest` and `random`.

real: the judge on real test photos, and distances of real training photos from real test photos: what a
    perfect system gets. copy: the source as output. nearest: the target of the most similar training source.
    random: a random training target: perfect realism that ignores the source. The trivial rows cost nothing,
    and a variant that does not beat them has learnt nothing. Where each image has its own size, `nearest` and
    `random` resize the training target (nearest neighbour) to the test image's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.images import at_shape, to_rgb8
from bench.data.cache import release_array
from bench.data.types import SplitArrays

_RANDOM_SEED = 0  # one draw for all seeds of a training
_POOLED_PX = 32
_CHUNK = 256


def reference_predictions(
    row: str, train: Callable[[], SplitArrays], test: SplitArrays
) -> Callable[[int], NDArray[Any]]:
    """The "predictions" of a reference row, by index in the test split.

    Args:
        row: one of `REFERENCE_ROWS`.
        train: returns the training split at the test's size; called only for `nearest` and `random`.
        test: the test split.
    """
    if row == "copy":
        return lambda index: _shown(test.source[index])
    if row == "real":
        return lambda index: _shown(test.target[index])
    training = train()
    if row == "random":
        chosen = random_targets(len(training), len(test))
    else:
        chosen = nearest_sources(training.source, test.source)
    return lambda index: _shown(at_shape(training.target[chosen[index]], test.target[index].shape))


def _shown(image: NDArray[Any]) -> NDArray[Any]:
    """An image as a prediction: 16 bits as they are, 8 bits as RGB."""
    return image if image.dtype == np.uint16 else to_rgb8(image)


def random_targets(train_n: int, test_n: int) -> NDArray[np.int64]:
    """For each test image the index of a random training target: (test_n,) int64.

    All targets are drawn equally often, up to one. The same numbers always give the same draw.
    """
    drawn = np.random.default_rng(_RANDOM_SEED).permutation(train_n)
    return np.resize(drawn, test_n)


def nearest_sources(train: NDArray[Any], test: NDArray[Any]) -> NDArray[np.int64]:
    """For each test source the index of the training source at the smallest squared distance, both
    averaged over areas down to 32 px. Ties go to the first.

    Shapes: (M, H, W, C) and (N, H, W, C) of one sample type, or images of several sizes -> (N,) int64.
    Memory does not grow with M.
    """
    wanted = _pooled(test)
    best = np.full(len(wanted), np.inf)
    index = np.zeros(len(wanted), dtype=np.int64)
    for start in range(0, len(train), _CHUNK):
        chunk = _pooled(train[start : start + _CHUNK])
        distances = (chunk**2).sum(axis=1)[None] - 2.0 * wanted @ chunk.T  # + |wanted|^2, the same for all
        nearest = distances.argmin(axis=1)
        found = distances[np.arange(len(wanted)), nearest]
        better = found < best
        best[better], index[better] = found[better], start + nearest[better]
        release_array(train)
    return index


def _pooled(images: NDArray[Any]) -> NDArray[np.float64]:
    """(N, H, W, C), or N images of several sizes -> (N, 32 * 32 * C) float64, means over areas."""
    return np.stack([_pooled_one(image).ravel() for image in images])


def _pooled_one(image: NDArray[Any]) -> NDArray[np.float64]:
    """(H, W, C) -> (32, 32, C) float64: means over 32 x 32 equal areas, which may cut through pixels."""
    height, width, channels = image.shape
    if height % _POOLED_PX == 0 and width % _POOLED_PX == 0:
        blocks = (_POOLED_PX, height // _POOLED_PX, _POOLED_PX, width // _POOLED_PX, channels)
        return np.asarray(image.reshape(blocks).mean(axis=(1, 3)))
    rows = np.tensordot(_areas(height), image, axes=(1, 0))
    return np.asarray(np.tensordot(_areas(width), rows, axes=(1, 1)).transpose(1, 0, 2))


@lru_cache(maxsize=64)
def _areas(side: int) -> NDArray[np.float64]:
    """(32, side) weights of the pixels along a side in each of 32 equal parts; each row sums to 1."""
    ends = np.arange(_POOLED_PX + 1) * side / _POOLED_PX
    pixels = np.arange(side)
    overlap = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    return np.asarray(np.clip(overlap, 0, None) * _POOLED_PX / side)

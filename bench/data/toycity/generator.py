"""toycity, the embedded data set: procedural street scenes with exact label maps.

A scene is drawn from (split, index) alone and does not depend on the image's size. Its looks (paint,
facades, lit windows, leaves, clouds, light, weather) come from a stream of their own, so that one label map
has many valid photos: what an L1 loss can only average. Train ids are those of Cityscapes, 255 is void.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.data.toycity import scene as toycity_scene
from bench.data.toycity.paint import paint

TOYCITY_VERSION = "1"
SPLITS = ("train", "test", "val")
SIZES_PX = (32, 64, 128, 256, 512)

_ROOT_SEED = 16110704
_GEOMETRY, _LOOKS = 0, 1


def _stream(split: str, index: int, *path: int) -> np.random.Generator:
    seed = np.random.SeedSequence([_ROOT_SEED, SPLITS.index(split), index, *path])
    return np.random.Generator(np.random.PCG64(seed))


def photo_variants(
    split: str, index: int, size_px: int, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Several valid photos of one label map; the first is the one that `sample` returns.

    Returns:
        photos (count, S, S, 3) uint8 and their common train ids (S, S) uint8.
    """
    scene = toycity_scene.build(_stream(split, index, _GEOMETRY))
    photos = np.empty((count, size_px, size_px, 3), np.uint8)
    ids = np.empty((size_px, size_px), np.uint8)
    for variant in range(count):
        photos[variant], ids = paint(scene, size_px, _stream(split, index, _LOOKS, variant))
    return photos, ids


def sample(split: str, index: int, size_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One pair: photo (S, S, 3) uint8 and train ids (S, S) uint8; the same for the same arguments, always."""
    photos, ids = photo_variants(split, index, size_px, 1)
    return photos[0], ids

"""Graded faults of photos, to see what a judge punishes: each spoils a real photo by a known amount.

All take uint8 RGB and keep its size. What is random is seeded by the photo's place in the test split.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from bench.data.types import VOID

Photo = NDArray[np.uint8]
_PATCH = 8  # px, of patches that are shuffled within a class
_CHECKER_LEVELS = 16.0  # grey levels above and below


@dataclass(frozen=True)
class Scene:
    """A test photo with what faults need to know about it.

    Attributes:
        photo: (H, W, 3) uint8.
        labels: (H, W) uint8 train ids, 255 = void.
        other: (H, W, 3) uint8, the photo of another scene.
        place: index in the test split; seeds what is random.
    """

    photo: Photo
    labels: NDArray[np.uint8]
    other: Photo
    place: int


@dataclass(frozen=True)
class Fault:
    """One grade of one fault.

    Attributes:
        kind: "blur", "sub-sampling", ...
        grade: how much, in words.
        apply: scene -> (H, W, 3) uint8.
        least_px: a photo whose shorter side is no larger than this stays as it is.
    """

    kind: str
    grade: str
    apply: Callable[[Scene], Photo]
    least_px: int = 0


def blurred(photo: Photo, sigma: float) -> Photo:
    """Gaussian blur of `sigma` px in each channel."""
    return _rounded(gaussian_filter(photo.astype(np.float64), (sigma, sigma, 0)))


def subsampled(photo: Photo, size_px: int) -> Photo:
    """Reduced until the shorter side has `size_px` (area means), then enlarged back (bilinear).

    A photo that is no larger than that stays as it is.
    """
    height, width = photo.shape[:2]
    if min(height, width) <= size_px:
        return photo
    scale = size_px / min(height, width)
    small = Image.fromarray(photo).resize((round(width * scale), round(height * scale)), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))


def with_checkerboard(photo: Photo, period: int) -> Photo:
    """16 grey levels added and taken away in squares of half a `period` (px)."""
    rows, columns = (np.arange(side) // (period // 2) % 2 for side in photo.shape[:2])
    signs = np.where(rows[:, None] ^ columns[None], 1.0, -1.0)
    return _rounded(photo + _CHECKER_LEVELS * signs[..., None])


def with_noise(photo: Photo, deviation: float, seed: int) -> Photo:
    """White Gaussian noise of `deviation` grey levels."""
    return _rounded(photo + np.random.default_rng(seed).normal(0, deviation, photo.shape))


def with_cast(photo: Photo, levels: float) -> Photo:
    """Red up and blue down by `levels` grey levels."""
    return _rounded(photo + np.array([levels, 0.0, -levels]))


def desaturated(photo: Photo, share: float) -> Photo:
    """Each pixel moved by `share` of the way to its luminance (Rec. 601): 1 leaves no colour."""
    grey = photo.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return _rounded((1 - share) * photo + share * grey[..., None])


def as_jpeg(photo: Photo, quality: int) -> Photo:
    """Through JPEG of a `quality` (Pillow's scale, 4:2:0)."""
    held = io.BytesIO()
    Image.fromarray(photo).save(held, "JPEG", quality=quality)
    with Image.open(held) as image:
        return np.asarray(image.convert("RGB"))


def with_shuffled_patches(photo: Photo, labels: NDArray[np.uint8], seed: int) -> Photo:
    """8x8 patches that hold one class alone change places within their class.

    The label map still fits every pixel; what a class looks like beyond 8 px does not.
    """
    made, order = photo.copy(), np.random.default_rng(seed)
    places: dict[int, list[tuple[int, int]]] = {}
    for top in range(0, labels.shape[0] - _PATCH + 1, _PATCH):
        for left in range(0, labels.shape[1] - _PATCH + 1, _PATCH):
            patch = labels[top : top + _PATCH, left : left + _PATCH]
            if patch[0, 0] != VOID and (patch == patch[0, 0]).all():
                places.setdefault(int(patch[0, 0]), []).append((top, left))
    for corners in places.values():
        for (top, left), source in zip(corners, order.permutation(len(corners)), strict=True):
            up, across = corners[source]
            made[top : top + _PATCH, left : left + _PATCH] = photo[up : up + _PATCH, across : across + _PATCH]
    return made


def _rounded(values: NDArray[np.float64]) -> Photo:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _graded(
    kind: str, unit: str, grades: Sequence[float], apply: Callable[[Scene, float], Photo]
) -> list[Fault]:
    return [Fault(kind, unit.format(grade), lambda s, g=grade: apply(s, g)) for grade in grades]  # type: ignore[misc]


UNSPOILT = Fault("none", "real photos", lambda scene: scene.photo)
FAULTS: tuple[Fault, ...] = (
    *_graded("blur", "sigma {:g} px", (0.5, 1, 2, 4), lambda s, g: blurred(s.photo, g)),
    Fault("sub-sampling", "128 px and back", lambda s: subsampled(s.photo, 128), 128),
    Fault("sub-sampling", "64 px and back", lambda s: subsampled(s.photo, 64), 64),
    *_graded("checkerboard", "period {:g} px", (2, 4), lambda s, g: with_checkerboard(s.photo, int(g))),
    *_graded("noise", "sd {:g} levels", (5, 15, 40), lambda s, g: with_noise(s.photo, g, s.place)),
    *_graded("colour cast", "{:g} levels", (15, 40), lambda s, g: with_cast(s.photo, g)),
    *_graded("loss of colour", "{:.0%}", (0.5, 1), lambda s, g: desaturated(s.photo, g)),
    *_graded("JPEG", "quality {:g}", (50, 20, 5), lambda s, g: as_jpeg(s.photo, int(g))),
    Fault(
        "shuffled patches",
        "8 px, within a class",
        lambda s: with_shuffled_patches(s.photo, s.labels, s.place),
    ),
    Fault("another scene", "its photo", lambda s: s.other),
)

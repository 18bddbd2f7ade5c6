"""Embedded colour profiles (ICC): colours to sRGB, as every viewer shows them.

Where a profile says the same as sRGB (within rounding), values stay bit for bit. A damaged profile counts as
none.
Source: ICC.1:2022; the conversion is Little CMS's, with the perceptual intent.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_GRID = (
    np.stack(np.meshgrid(*[np.arange(0, 256, 51)] * 3, indexing="ij"), -1).reshape(1, -1, 3).astype(np.uint8)
)
_SAME = 2  # grey levels by which two writings of sRGB may differ


@lru_cache(maxsize=64)
def name_unless_srgb(profile: bytes | None) -> str | None:
    """The name of an RGB or CMYK profile that changes colours; None for sRGB, gray, damaged or no profile."""
    if profile is None:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
        name = " ".join(ImageCms.getProfileDescription(opened).split()) or "without a name"
        if space == "CMYK":
            return name
        if space != "RGB":
            return None
        moved = to_srgb(_GRID, profile).astype(np.int16) - _GRID
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return name if int(np.abs(moved).max()) > _SAME else None


def to_srgb(values: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 in the colours of `profile` -> sRGB."""
    return _converted(Image.fromarray(np.ascontiguousarray(values)), profile)


def cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB of a CMYK image: by its profile, else each ink takes away its share of light."""
    if profile is not None:
        try:
            return _converted(image, profile)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a damaged profile, or one of another kind
    return np.asarray(image.convert("RGB"))


def _converted(image: Image.Image, profile: bytes) -> NDArray[np.uint8]:
    srgb = ImageCms.createProfile("sRGB")
    found = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, outputMode="RGB"
    )
    assert found is not None  # it is not in place
    return np.asarray(found)

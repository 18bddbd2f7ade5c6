"""Pictures as files: PNG in, PNG out, and the 8-bit RGB view that metrics and galleries use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.files import atomic_path


def to_rgb8(pictures: NDArray[Any]) -> NDArray[np.uint8]:
    """(..., C) uint8 or uint16 with 1 or 3 channels -> (..., 3) uint8; 16 bits are divided by 257."""
    eight = np.rint(pictures / 257.0).astype(np.uint8) if pictures.dtype == np.uint16 else pictures
    rgb: NDArray[np.uint8] = np.repeat(eight, 3, axis=-1) if eight.shape[-1] == 1 else eight
    return rgb


def write_png(path: Path, picture: NDArray[Any]) -> None:
    """Write (H, W, C) uint8 or one-channel uint16 as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        save_png(temporary, picture)


def save_png(path: Path, picture: NDArray[Any]) -> None:
    """The same, straight to `path`: for a folder that appears as a whole."""
    plane = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(np.ascontiguousarray(plane)).save(path, format="PNG", compress_level=1)


def read_png(path: Path) -> NDArray[Any]:
    """(H, W, C) uint8 or uint16, C = 1 or 3, as `write_png` wrote it."""
    with Image.open(path) as image:
        array = np.asarray(image)
    if array.dtype not in (np.uint8, np.uint16):  # Pillow opens some 16-bit files as int32
        array = array.astype(np.uint16)
    return array[..., None] if array.ndim == 2 else array


def is_whole(path: Path) -> bool:
    """Whether `path` is a picture file without damage (its checksums are read, not its pixels)."""
    try:
        with Image.open(path) as image:
            image.verify()
    except Exception:  # Pillow raises nearly anything on damaged files
        return False
    return True


def contact_sheet(rows: list[list[NDArray[Any]]]) -> NDArray[np.uint8]:
    """Rows of equally sized pictures as one (H, W, 3) uint8 picture."""
    return np.concatenate([np.concatenate([to_rgb8(cell) for cell in row], axis=1) for row in rows], axis=0)

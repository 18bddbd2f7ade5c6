"""Images as files: opened with care, PNG in, PNG out, and the 8-bit RGB view of metrics and galleries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from bench.core.files import atomic_path

MAX_PIXELS = 50_000_000  # of one image; what it costs in memory stays below 1 GB
# What a file may hold; its name does not count: Pillow knows dozens more, and runs Ghostscript for one.
_READERS = (
    PngImagePlugin.PngImageFile, JpegImagePlugin.JpegImageFile,
    BmpImagePlugin.BmpImageFile, TiffImagePlugin.TiffImageFile, WebPImagePlugin.WebPImageFile,
)  # fmt: skip
FORMATS = tuple(reader.format for reader in _READERS)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """An image file whose header was read and found to be what this project reads; no pixels yet.

    One frame (of a stereo or motion JPEG, MPO, the first), at most `MAX_PIXELS`, and no values that Pillow
    would change: 16 bits a colour channel are cut to 8 there, gray of 2 or 4 bits is stretched.

    Raises:
        ValueError: for an image that is none of these, or no regular file.
        Exception: Pillow raises nearly anything on damaged files.
    """
    if path.exists() and not path.is_file():  # a pipe would block for ever
        raise ValueError("no regular file")
    with Image.open(path, formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width}x{height} px where {MAX_PIXELS:,} pixels in all are the limit")
        if getattr(image, "is_animated", False) and image.format != "MPO":
            raise ValueError("several frames where one image is expected")
        bits = _bits(image)
        if bits == "16" and len(image.getbands()) > 1:
            raise ValueError("16 bits a channel, of which Pillow keeps 8: save it with 8")
        if bits in ("2", "4") and image.mode == "L":
            raise ValueError(f"gray of {bits} bits: save it with 8")
        yield image


def _bits(image: Image.Image) -> str:
    """Bits of a value in a PNG or TIFF file, where they are not those of Pillow's mode; else ""."""
    if not isinstance(image, ImageFile.ImageFile) or image.format not in ("PNG", "TIFF") or not image.tile:
        return ""
    stored: Any = image.tile[0][3]
    found = re.match(r"[A-Z]+;([0-9]+)", stored if isinstance(stored, str) else str(stored[0]))
    return found[1] if found else ""


def to_rgb8(images: NDArray[Any]) -> NDArray[np.uint8]:
    """(..., C) uint8 or uint16 with 1 or 3 channels -> (..., 3) uint8; 16 bits are divided by 257."""
    eight = np.rint(images / 257.0).astype(np.uint8) if images.dtype == np.uint16 else images
    rgb: NDArray[np.uint8] = np.repeat(eight, 3, axis=-1) if eight.shape[-1] == 1 else eight
    return rgb


def write_png(path: Path, image: NDArray[Any]) -> None:
    """Write (H, W, C) uint8 or one-channel uint16 as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        save_png(temporary, image)


def save_png(path: Path, image: NDArray[Any]) -> None:
    """The same, straight to `path`: for a folder that appears as a whole."""
    plane = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(np.ascontiguousarray(plane)).save(path, format="PNG", compress_level=1)


def write_palette_png(path: Path, values: NDArray[np.uint8], colours: NDArray[np.uint8]) -> None:
    """Write (H, W) uint8 as a PNG whose value i has `colours[i]`, (K, 3) uint8; from K on black."""
    image = Image.fromarray(np.ascontiguousarray(values))
    image.putpalette(np.pad(colours, ((0, 256 - len(colours)), (0, 0))).astype(np.uint8).tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)


def read_png(path: Path) -> NDArray[Any]:
    """(H, W, C) uint8 or uint16, C = 1 or 3, as `write_png` wrote it; a palette's colours as RGB.

    Raises:
        OSError: if there is no such file, or no such image in it.
    """
    try:
        with opened(path) as image:
            array = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    except OSError:
        raise
    except Exception as error:  # Pillow raises nearly anything on damaged files
        raise OSError(f"no image in {path}: {error}") from error
    if array.dtype not in (np.uint8, np.uint16):  # Pillow opens some 16-bit files as int32
        array = array.astype(np.uint16)
    return array[..., None] if array.ndim == 2 else array


def is_whole(path: Path) -> bool:
    """Whether `path` is an image file without damage (its checksums are read, not its pixels)."""
    try:
        with opened(path) as image:
            image.verify()
    except Exception:  # Pillow raises nearly anything on damaged files
        return False
    return True


def contact_sheet(rows: list[list[NDArray[Any]]]) -> NDArray[np.uint8]:
    """Rows of equally sized images as one (H, W, 3) uint8 image."""
    return np.concatenate([np.concatenate([to_rgb8(cell) for cell in row], axis=1) for row in rows], axis=0)

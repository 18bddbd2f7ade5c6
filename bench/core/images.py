"""Image files: safe opening, PNG reading and writing, and the 8-bit RGB view for metrics and galleries."""

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
    ImageDraw,
    ImageFile,
    ImageFont,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from bench.core.files import atomic_path

_CAPTION_ROOM = 2  # px around a caption
MAX_PIXELS = 50_000_000  # of one image: it takes less than 1 GB of memory
# Accepted formats, by content and not by name. Pillow knows dozens more and runs Ghostscript for one of them.
_READERS = (
    PngImagePlugin.PngImageFile, JpegImagePlugin.JpegImageFile,
    BmpImagePlugin.BmpImageFile, TiffImagePlugin.TiffImageFile, WebPImagePlugin.WebPImageFile,
    PpmImagePlugin.PpmImageFile,
)  # fmt: skip
GREY_LEVELS = 127.5  # of 0-255, in one unit of the networks' [-1, 1]
FORMATS = tuple(reader.format for reader in _READERS)


@contextmanager
def opened(path: Path, *, any_bits: bool = False) -> Iterator[Image.Image]:
    """Open an image file and check its header; pixels are not read yet.

    Accepted: one frame (the first of a stereo or motion JPEG, MPO), at most `MAX_PIXELS`, and no values that
    Pillow would change: it stretches gray of 2 or 4 bits and odd maxima of PPM, and cuts 16 bits a colour
    channel to 8 (with `any_bits`, the caller reads those otherwise).

    Raises:
        ValueError: for any other image, or if `path` is not a regular file.
        Exception: Pillow raises nearly anything on damaged files.
    """
    if path.exists() and not path.is_file():  # a pipe would block forever
        raise ValueError("not a regular file")
    with Image.open(path, formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width}x{height} px where {MAX_PIXELS:,} pixels in all are the limit")
        if getattr(image, "is_animated", False) and image.format != "MPO":
            raise ValueError("several frames where one image is expected")
        bits = stored_bits(image)
        if bits == "16" and len(image.getbands()) > 1 and not any_bits:
            raise ValueError("16 bits a channel, of which Pillow keeps 8: save it with 8")
        if bits in ("2", "4") and image.mode == "L":
            raise ValueError(f"gray of {bits} bits: save it with 8")
        if image.format == "PPM" and _is_stretched(image):
            raise ValueError("values in text, or with a maximum that is no full 8 or 16 bits: save it as PNG")
        yield image


def _is_stretched(image: Image.Image) -> bool:
    """Whether Pillow reads a PPM or PGM by its own decoder, which scales values."""
    tiles: Any = image
    return any(tile[0] != "raw" for tile in tiles.tile)


def stored_bits(image: Image.Image) -> str:
    """Bits of a value in a PNG or TIFF file where they differ from Pillow's mode; else ""."""
    if not isinstance(image, ImageFile.ImageFile) or image.format not in ("PNG", "TIFF") or not image.tile:
        return ""
    stored: Any = image.tile[0][3]
    found = re.match(r"[A-Z]+;([0-9]+)", stored if isinstance(stored, str) else str(stored[0]))
    return found[1] if found else ""


def to_rgb8(images: NDArray[Any]) -> NDArray[np.uint8]:
    """(..., C) uint8 or uint16 -> (..., 3) uint8; 16 bits are divided by 257.

    Of other than 1 or 3 channels the first three are shown, or the first of two.

    An array of objects (images of mixed sizes) gives one, image by image.
    """
    if images.dtype == object:
        each = np.empty(len(images), dtype=object)
        for index, image in enumerate(images):
            each[index] = to_rgb8(image)
        return each
    eight = np.rint(images / 257.0).astype(np.uint8) if images.dtype == np.uint16 else images
    shown = eight[..., : 1 if eight.shape[-1] < 3 else 3]
    rgb: NDArray[np.uint8] = np.repeat(shown, 3, axis=-1) if shown.shape[-1] == 1 else shown
    return rgb


def as_figure(image: NDArray[Any]) -> NDArray[Any]:
    """(H, W, C) as a PNG can hold it: itself, or 8 bits of colour where it has more bits or channels."""
    fits = image.shape[-1] == 1 or (image.shape[-1] == 3 and image.dtype == np.uint8)
    return image if fits else to_rgb8(image)


def in_eight_bits(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values from `low` to `high` as 0 to 255, rounded; others are cut off at the ends."""
    unit = (values.astype(np.float64) - low) / (high - low)
    return np.rint(255 * np.clip(unit, 0, 1)).astype(np.uint8)


def at_shape(image: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """(H, W, C) at the height and width of `shape`, by nearest neighbour (pixel centres); itself if it fits.

    For images that must be compared where each has its own size.
    """
    if image.shape[:2] == shape[:2]:
        return image
    rows, columns = (
        (2 * np.arange(to) + 1) * side // (2 * to)
        for side, to in zip(image.shape[:2], shape[:2], strict=True)
    )
    return np.asarray(image[rows[:, None], columns[None, :]])


def stacked(images: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W, ...) in memory, of N images of one size."""
    return np.stack(list(images)) if images.dtype == object else np.array(images)


def write_png(path: Path, image: NDArray[Any]) -> None:
    """Write (H, W, C) uint8 or one-channel uint16 as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        save_png(temporary, image)


def save_png(path: Path, image: NDArray[Any]) -> None:
    """The same, directly to `path`: for files in a folder that itself appears whole or not at all."""
    plane = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(np.ascontiguousarray(plane)).save(path, format="PNG", compress_level=1)


def save_image(path: Path, image: NDArray[Any]) -> None:
    """Write (H, W, 1) float32 as TIFF, anything else as `save_png` does, directly to `path`."""
    if image.dtype != np.float32:
        save_png(path, image)
        return
    import tifffile  # imported late: few data sets need it

    tifffile.imwrite(path, image[..., 0], photometric="minisblack")


def write_palette_png(path: Path, values: NDArray[np.uint8], colours: NDArray[np.uint8]) -> None:
    """Write (H, W) uint8 as a palette PNG: value i has `colours[i]`, (K, 3) uint8; from K on black."""
    image = Image.fromarray(np.ascontiguousarray(values))
    image.putpalette(np.pad(colours, ((0, 256 - len(colours)), (0, 0))).astype(np.uint8).tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)


def read_png(path: Path) -> NDArray[Any]:
    """(H, W, C) uint8 or uint16, C = 1 or 3, as `write_png` wrote it; a palette's colours as RGB.

    Raises:
        OSError: if the file does not exist or holds no such image.
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
    """Whether `path` is an undamaged image file (checks its checksums, does not decode pixels)."""
    try:
        with opened(path) as image:
            image.verify()
    except Exception:  # Pillow raises nearly anything on damaged files
        return False
    return True


def contact_sheet(rows: list[list[NDArray[Any]]]) -> NDArray[np.uint8]:
    """Rows of images as one (H, W, 3) uint8 image; smaller ones stand on white, below and right of them."""
    cells = [[to_rgb8(cell) for cell in row] for row in rows]
    high, wide = (max(cell.shape[axis] for row in cells for cell in row) for axis in (0, 1))
    return np.concatenate(
        [np.concatenate([_on_white(cell, high, wide) for cell in row], axis=1) for row in cells], axis=0
    )


def _on_white(image: NDArray[np.uint8], high: int, wide: int) -> NDArray[np.uint8]:
    below, right = high - image.shape[0], wide - image.shape[1]
    return np.pad(image, ((0, below), (0, right), (0, 0)), constant_values=255)


def captioned(image: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 with `text` in a white strip above; made wider where the text needs it."""
    font = ImageFont.load_default()
    left, top, right, bottom = font.getbbox(text)
    strip = round(bottom + top) + 2 * _CAPTION_ROOM
    width = max(image.shape[1], round(right + left) + 2 * _CAPTION_ROOM)
    sheet = Image.new("RGB", (width, image.shape[0] + strip), "white")
    ImageDraw.Draw(sheet).text((_CAPTION_ROOM, _CAPTION_ROOM), text, fill="black", font=font)
    sheet.paste(Image.fromarray(image), (0, strip))
    return np.asarray(sheet)

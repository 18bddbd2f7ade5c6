"""Arrays in files that Pillow does not read as they are: `.npy`, and TIFF with more than 8 bits a colour
channel, separate planes, floats, or 0 for white.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.core.images import FORMATS

_Shape = tuple[int, int, int]
_NPY, _TIFF = b"\x93NUMPY", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_CHANNELS = 16
_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _FORMAT = 258, 259, 262, 274, 277, 339  # TIFF tags
_ON_ITS_SIDE = (5, 6, 7, 8)
_WHITE_IS_ZERO = 0
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


def is_npy(file: Path) -> bool:
    """Whether a file is a NumPy array, by its first bytes."""
    return _starts(file, (_NPY,))


def is_tiff(file: Path) -> bool:
    """Whether a file is a TIFF, by its first bytes."""
    return _starts(file, _TIFF)


def _starts(file: Path, marks: tuple[bytes, ...]) -> bool:
    with file.open("rb") as stored:
        return stored.read(6).startswith(marks)


# --- .npy -----------------------------------------------------------------------------------------


def npy_shape(file: Path) -> tuple[str, _Shape]:
    """Type (as read) and (H, W, C) of the array in a `.npy`; its values are not read."""
    with file.open("rb") as stored:
        version = np.lib.format.read_magic(stored)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stored)
    return _read_as(dtype), _image_shape(shape)


def read_npy(file: Path) -> NDArray[Any]:
    """(H, W, C) uint8, uint16 or float32."""
    array = np.load(file, allow_pickle=False)
    return _checked(array.reshape(_image_shape(array.shape)))


def _image_shape(shape: tuple[int, ...]) -> _Shape:
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or 0 in shape or shape[2] > _MAX_CHANNELS:
        said = "x".join(map(str, shape)) or "no axis"
        raise ValueError(f"an array of {said}: save it as (height, width) or (height, width, channels)")
    return shape[0], shape[1], shape[2]


def _read_as(dtype: np.dtype[Any]) -> str:
    """The type that values of `dtype` are read as."""
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return f"uint{8 * dtype.itemsize}"
    if dtype.kind == "f":
        return "float32"
    if dtype.kind in "iu":
        return "uint16"
    raise ValueError(f"values of type {dtype}: save them as uint8, uint16 or float32")


def _checked(values: NDArray[Any]) -> NDArray[Any]:
    """Values in the type they are read as; floats must be finite, whole numbers fit 16 bits."""
    wanted = _read_as(values.dtype)
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            found = values.astype(np.float32)
        if not np.isfinite(found).all():
            raise ValueError("values that are NaN or infinite: give every pixel a number")
        return found
    if wanted == "uint16" and (int(values.min()) < 0 or int(values.max()) > 65535):
        raise ValueError(f"values of {values.min()} to {values.max()} where 0 to 65535 are read: rescale it")
    return values.astype(wanted)


# --- TIFF -----------------------------------------------------------------------------------------


def tiff_is_plain(file: Path) -> bool:
    """Whether Pillow reads a TIFF as it is: 8 bits and no more channels than it shows, or 16-bit gray, 0
    black.

    It garbles images on their side that it maps into memory: uncompressed ones of one or four channels.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            known: Any = image
            tags = known.tag_v2
            bits = tags.get(_BITS) or (1,)
            samples, form = tags.get(_SAMPLES, 1), tags.get(_FORMAT) or (1,)
            if set(form) != {1} or samples != len(image.getbands()) or getattr(image, "n_frames", 1) > 1:
                return False
            is_mapped = tags.get(_COMPRESSION, 1) == 1 and image.mode != "RGB"
            if is_mapped and tags.get(_ORIENTATION) in _ON_ITS_SIDE:
                return False
            if set(bits) == {8} or tuple(bits) == (1,):
                return True
            black = tags.get(_PHOTOMETRIC) != _WHITE_IS_ZERO
            return tuple(bits) == (16,) and image.mode.startswith("I") and black
    except Exception:  # Pillow raises nearly anything; `tiff_shape` says what is wrong
        return False


def tiff_shape(file: Path) -> tuple[str, _Shape]:
    """Type (as read) and upright (H, W, C) without alpha of the image in a TIFF."""
    import tifffile  # imported late: few data sets need it

    with tifffile.TiffFile(file) as found:
        page, *others = _pages(found)
        channels = page.samplesperpixel - _alphas(page) + len(others)
        height, width = page.imagelength, page.imagewidth
        if _orientation(page) in _ON_ITS_SIDE:
            height, width = width, height
        return _read_as(page.dtype), (height, width, channels)


def read_tiff(file: Path) -> NDArray[Any]:
    """(H, W, C) uint8, uint16 or float32, upright, without an opaque alpha, 0 for black."""
    import tifffile

    with tifffile.TiffFile(file) as found:
        return np.concatenate([_values(page) for page in _pages(found)], axis=-1)


def _values(page: Any) -> NDArray[Any]:
    """(H, W, C) of one page."""
    try:
        values = page.asarray()
    except (ValueError, KeyError, RuntimeError) as error:
        if "imagecodecs" not in str(error):
            raise
        raise ValueError(f"compression {page.compression.name}: save it without, or as PNG") from None
    if values.ndim == 2:
        values = values[..., None]
    elif page.planarconfig == 2:
        values = np.moveaxis(values, 0, -1)
    values = _checked(values)
    if page.photometric == _WHITE_IS_ZERO:
        values = _black_is_zero(values)
    values = _without_alpha(values, _alphas(page))
    quarters, mirrored = _TURNS.get(_orientation(page), (0, False))
    values = np.rot90(values, quarters)
    return np.ascontiguousarray(values[:, ::-1] if mirrored else values)


def _pages(found: Any) -> list[Any]:
    """The page of a TIFF, or its pages where the file itself says that they are channels of one image."""
    pages = list(found.pages)
    if len(pages) > 1:
        said = [series.axes for series in found.series]
        if said != ["CYX"] or len(pages) > _MAX_CHANNELS:
            raise ValueError(
                f"several frames ({len(pages)}) where one is expected: save channels in one page, or as .npy"
            )
    return [_checked_page(page.aspage()) for page in pages]


def _checked_page(page: Any) -> Any:
    if page.samplesperpixel > _MAX_CHANNELS or page.imagedepth != 1 or page.dtype is None:
        raise ValueError(f"{page.samplesperpixel} channels, depth {page.imagedepth}: save channels as images")
    if page.bitspersample != 8 * page.dtype.itemsize:
        raise ValueError(f"values of {page.bitspersample} bits: save it with 8 or 16")
    if page.photometric not in (0, 1, 2):
        raise ValueError(f"colours as {page.photometric.name}: save it as RGB or gray")
    return page


def _orientation(page: Any) -> int:
    tag = page.tags.get("Orientation")
    return int(tag.value) if tag is not None else 1


def _alphas(page: Any) -> int:
    """How many channels of a TIFF page are alpha; extra channels of no stated kind are not."""
    return sum(int(extra) in (1, 2) for extra in page.extrasamples)


def _black_is_zero(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "f":
        raise ValueError("floats with 0 for white: save them with 0 for black")
    return np.asarray(np.iinfo(values.dtype).max - values)


def _without_alpha(values: NDArray[Any], alphas: int) -> NDArray[Any]:
    if not alphas:
        return values
    top = 1.0 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    if (values[..., -alphas:] != top).any():
        raise ValueError("transparent pixels: flatten it onto a background and save it as RGB")
    return values[..., :-alphas]

"""One image file: what it is by its header, and its values as they are stored. Every command reads images
here.

| file | values |
|---|---|
| PNG, JPEG, BMP, WebP, PPM, PGM, TIFF of 8 bits | uint8, 1 or 3 channels; of 1 bit: 0 and 255 |
| PNG, PGM, TIFF of 16 bits | uint16, 1 or 3 channels, in either byte order and plane order |
| TIFF, PFM of floats; `.npy` | float32 (16- and 64-bit floats become it); `.npy` also uint8, uint16 |
| the same, where asked for | of 2, or 4 to 16 channels |

Images are turned upright (EXIF orientation). Alpha is dropped where every pixel is opaque; any other pixel
refuses the file. CMYK becomes sRGB. Palette images give their indices, and their palette beside them.
Whatever else would be cut, stretched or dropped on the way is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bench.core.errors import UsageError
from bench.core.images import MAX_PIXELS, opened, stored_bits
from bench.data import colour_profile
from bench.data.plain_arrays import is_npy, is_tiff, npy_shape, read_npy, read_tiff, tiff_is_plain, tiff_shape

Kind = Literal[
    "colour", "gray", "palette", "16-bit", "16-bit colour", "float", "float colour",
    "channels", "16-bit channels", "float channels",
]  # fmt: skip
"""What values a file holds; "channels": 2, or 4 to 16 of them, in no colours."""
_KINDS: dict[tuple[str, int], Kind] = {
    ("uint8", 1): "gray", ("uint8", 3): "colour", ("uint16", 1): "16-bit", ("uint16", 3): "16-bit colour",
    ("float32", 1): "float", ("float32", 3): "float colour",
}  # fmt: skip
_MANY: dict[str, Kind] = {"uint8": "channels", "uint16": "16-bit channels", "float32": "float channels"}
_MODES: dict[str, tuple[str, int]] = {
    "RGB": ("uint8", 3), "RGBA": ("uint8", 3), "CMYK": ("uint8", 3), "L": ("uint8", 1), "LA": ("uint8", 1),
    "1": ("uint8", 1), "P": ("uint8", 1), "I": ("uint16", 1), "I;16": ("uint16", 1), "I;16L": ("uint16", 1),
    "I;16B": ("uint16", 1), "F": ("float32", 1),
}  # fmt: skip
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # EXIF
_JPEG_IN_TIFF = (6, 7)


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its pixels are read.

    Attributes:
        kind: of its values.
        size: (width, height) in pixels, upright.
        lossy: whether the file's compression changes values (JPEG, lossy WebP).
        profile: name of a colour profile other than sRGB, or None.
        cmyk: whether it holds CMYK.
        palette: RGB of the colours of a palette image, one after the other, if known before it is decoded.
        channels: how many a file of "channels" has, alpha not counted; 0 where `kind` says it.
    """

    kind: Kind
    size: tuple[int, int]
    lossy: bool = False
    profile: str | None = None
    cmyk: bool = False
    palette: bytes | None = None
    channels: int = 0


@dataclass(frozen=True)
class ImageFile:
    """The values of an image file.

    Attributes:
        values: (H, W, C) uint8, uint16 or float32, upright; for a palette image (H, W, 1) indices.
        kind: of the values.
        palette: (K, 3) uint8 colours of the indices; None for other images.
        profile: colour profile other than sRGB that the values are in, or None.
        lossy: as in `Header`.
    """

    values: NDArray[Any]
    kind: Kind
    palette: NDArray[np.uint8] | None = None
    profile: bytes | None = None
    lossy: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.values.shape[1], self.values.shape[0]

    def crop(self, box: tuple[int, int, int, int]) -> ImageFile:
        """The part (left, upper, right, lower)."""
        left, upper, right, lower = box
        return replace(self, values=self.values[upper:lower, left:right])

    def coloured(self) -> ImageFile:
        """A palette image in its colours; any other as it is."""
        if self.palette is None:
            return self
        return replace(self, values=self.palette[self.values[..., 0]], kind="colour", palette=None)

    def as_mode(self, mode: Literal["colour", "gray"]) -> ImageFile:
        """8-bit gray repeated to colour, or colour as its luminance (ITU-R 601); any other as it is."""
        image = self.coloured().in_srgb()
        if {image.kind, mode} != {"colour", "gray"}:
            return image
        plane = image.values[..., 0] if image.kind == "gray" else np.ascontiguousarray(image.values)
        made = np.asarray(Image.fromarray(plane).convert("RGB" if mode == "colour" else "L"))
        return replace(image, values=made if made.ndim == 3 else made[..., None], kind=mode)

    def as_floats(self) -> ImageFile:
        """Gray of 16 bits as float32, with the same values; any other as it is."""
        if self.kind != "16-bit":
            return self
        return replace(self, values=self.values.astype(np.float32), kind="float")

    def in_srgb(self) -> ImageFile:
        """Colours converted from their profile to sRGB; unchanged without one."""
        if self.profile is None or self.kind != "colour":
            return self
        return replace(self, values=colour_profile.to_srgb(self.values, self.profile), profile=None)


def header(file: Path, *, channels: bool = False) -> Header:
    """What an image file holds, read from its header.

    `channels`: take files of 2, or 4 to 16 channels (`.npy`, TIFF) too.

    Raises:
        UsageError: naming a file that is damaged or of a kind that is not read, with what to do.
    """
    with _named(file):
        if (about := _array_header(file, channels)) is not None:
            return about
        with opened(file, any_bits=True) as image:
            _check_mode(image)
            kind = _kind(*_stored(image), palette=image.mode == "P")
            # Pillow itself swaps the size of a rotated TIFF; a PNG's EXIF may follow the pixels.
            told = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
            turned = told and image.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
            size = image.size[::-1] if turned else image.size
            profile = colour_profile.name_unless_srgb(_profile(image))
            order, stored = image.palette.getdata() if image.palette is not None else ("", b"")
            palette = bytes(stored) if order == "RGB" else None
            return Header(kind, size, _is_lossy(image, file), profile, image.mode == "CMYK", palette)


def decode(file: Path, *, channels: bool = False) -> ImageFile:
    """The whole image, upright.

    `channels`: as for `header`.

    Raises:
        UsageError: naming a file that is damaged or not read, with what to do.
    """
    with _named(file):
        if (about := _array_header(file, channels)) is not None:
            values = read_npy(file) if is_npy(file) else read_tiff(file)
            return ImageFile(values, about.kind)
        with opened(file, any_bits=True) as image:
            _check_mode(image)
            if _stored(image) == ("uint16", 3):
                found = ImageFile(_opaque(_sixteen_bit_colour(file)), "16-bit colour")
            else:
                image.load()
                lossy, profile = _is_lossy(image, file), _profile(image)
                found = _values(ImageOps.exif_transpose(image), lossy, profile)
            see_through = image.info.get("transparency")
        if see_through is not None:
            _check_no_hole(found, see_through)
        return found


def _values(image: Image.Image, lossy: bool, profile: bytes | None) -> ImageFile:
    """A loaded Pillow image as values."""
    if image.mode == "P":
        indices, colours = np.asarray(image)[..., None], np.asarray(image.getpalette("RGB"), np.uint8)
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(colours) // 3] = colours.reshape(-1, 3)
        return ImageFile(indices, "palette", palette, None, lossy)
    if image.mode == "CMYK":
        return ImageFile(colour_profile.cmyk_to_srgb(image, profile), "colour", lossy=lossy)
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    values = values[..., None] if values.ndim == 2 else values
    if values.shape[-1] in (2, 4):
        values = _opaque(values)
    if values.dtype not in (np.uint8, np.float32):
        values = _sixteen_bit(values)
    if values.dtype == np.float32 and not np.isfinite(values).all():
        raise ValueError("values that are NaN or infinite: give every pixel a number")
    kind = _kind(str(values.dtype), values.shape[-1])
    known = colour_profile.name_unless_srgb(profile) is not None
    return ImageFile(values, kind, None, profile if known and kind == "colour" else None, lossy)


def _opaque(values: NDArray[Any]) -> NDArray[Any]:
    """Without its last channel, the alpha; values of 16-bit colour have one only if there are four."""
    if values.shape[-1] not in (2, 4):
        return values
    if (values[..., -1] != np.iinfo(values.dtype).max).any():
        kind = "RGB" if values.shape[-1] == 4 else "grayscale"
        raise ValueError(f"transparent pixels: flatten it onto a background and save it as {kind}")
    return values[..., :-1]


def _check_no_hole(found: ImageFile, see_through: Any) -> None:
    """Raise ValueError if pixels have the value, or the index, that a PNG without alpha declares transparent.

    Args:
        see_through: that gray level, index or colour; or the alpha of each index, as bytes.
    """
    if isinstance(see_through, bytes):
        alpha = np.full(256, 255, np.uint8)
        alpha[: len(see_through)] = np.frombuffer(see_through[:256], np.uint8)
        holes = alpha[found.values] < 255
    else:
        holes = (found.values == np.asarray(see_through)).all(axis=-1)
    if holes.any():
        raise ValueError("transparent pixels: flatten it onto a background and save it without transparency")


def _sixteen_bit(values: NDArray[Any]) -> NDArray[np.uint16]:
    if values.dtype.kind == "i" and (values.min() < 0 or values.max() > 65535):
        raise ValueError(f"values of {values.min()} to {values.max()} where 0 to 65535 are read: rescale it")
    return values.astype(np.uint16)


def _sixteen_bit_colour(file: Path) -> NDArray[np.uint16]:
    """(H, W, C) of a PNG with 16 bits a colour channel.

    Pillow unpacks the high byte of each value, and of "little-endian" values the low one: both make the
    value.
    """
    halves = []
    for order in "BL":
        with opened(file, any_bits=True) as image:
            tiles: Any = image
            tiles.tile = [tile._replace(args=f"{image.mode};16{order}") for tile in tiles.tile]
            image.load()
            halves.append(np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16))
    return np.asarray(halves[0] * np.uint16(256) + halves[1], np.uint16)


def _kind(dtype: str, channels: int, *, palette: bool = False, many: bool = False) -> Kind:
    if palette:
        return "palette"
    if many and (dtype, channels) not in _KINDS and channels > 1:
        return _MANY[dtype]
    if (dtype, channels) not in _KINDS:
        raise ValueError(
            f"{channels} channels where 1 or 3 are read: save its channels as images of their own"
        )
    return _KINDS[dtype, channels]


def _stored(image: Image.Image) -> tuple[str, int]:
    """Type and channels (without alpha) of the values in the file."""
    dtype, channels = _MODES[image.mode]
    return ("uint16", channels) if stored_bits(image) == "16" and channels == 3 else (dtype, channels)


def _check_mode(image: Image.Image) -> None:
    tiles: Any = getattr(image, "tile", ())
    if any(str(tile[3]).startswith("LA;16") for tile in tiles):  # Pillow shows 8 bits of it, as RGBA
        raise ValueError("16-bit gray with alpha: save it without alpha")
    if image.mode not in _MODES:
        raise ValueError(f"mode {image.mode}: convert it to RGB")


def _profile(image: Image.Image) -> bytes | None:
    found = image.info.get("icc_profile")
    return found if isinstance(found, bytes) and found else None


def _array_header(file: Path, many: bool) -> Header | None:
    """Header of a `.npy`, or of a TIFF that Pillow would change or does not know; None for all others."""
    if not file.is_file():
        return None  # `opened` refuses it
    if is_npy(file):
        dtype, (height, width, channels) = npy_shape(file)
    elif is_tiff(file) and not tiff_is_plain(file):
        dtype, (height, width, channels) = tiff_shape(file)
    else:
        return None
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width}x{height} px where {MAX_PIXELS:,} pixels in all are the limit")
    kind = _kind(dtype, channels, many=many)
    return Header(kind, (width, height), channels=0 if (dtype, channels) in _KINDS else channels)


def _is_lossy(image: Image.Image, file: Path) -> bool:
    if image.format == "TIFF":
        tags: Any = image
        return tags.tag_v2.get(259) in _JPEG_IN_TIFF
    if image.format == "WEBP":
        with file.open("rb") as stored:
            return b"VP8L" not in stored.read(4096)
    return image.format in ("JPEG", "MPO")


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Errors of the block as one line that names `file`."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # Pillow raises nearly anything on damaged files
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> UsageError:
    if file.is_file() and file.stat().st_size == 0:
        return UsageError(f"expected an image in {file}, found an empty file (0 bytes): get it again")
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ValueError) and ":" in said:  # ours: it says what to do
        found, _, remedy = said.partition(": ")
        return UsageError(f"expected an image that can be read as it is in {file}, found {found}: {remedy}")
    return UsageError(
        f"expected a whole image in {file}, found one that cannot be read ({said}): get it again"
    )

"""Reads one pair: decode, check, split, resize.

Photos are resized bicubic (Pillow, antialiased) to the size asked for, and squeezed where it has another
aspect. Label maps are resized nearest, as colours and as ids alike. So are 16-bit images: they hold
measurements (depth),
where a mean of foreground and background, or of a distance and 0 for "none", has no meaning.
Images are turned upright by their EXIF orientation. Embedded colour profiles (ICC) are not applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from baselines.sizes import ImageSize, Size, size_for
from bench.core.errors import UsageError
from bench.core.images import opened
from bench.data.layouts import Pair
from bench.data.palette import decode_colours, file_values, value_tables
from bench.data.types import DatasetCard, Role

READER_VERSION = "1"  # raise it when the same files give other pixels
Mode = Literal["colour", "gray", "16-bit", "ids"]
_MODES: dict[str, Mode] = {
    "RGB": "colour", "L": "gray", "I": "16-bit", "I;16": "16-bit", "I;16L": "16-bit", "I;16B": "16-bit",
}  # fmt: skip
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # EXIF
_REMEDIES = {
    "P": "convert it to RGB",
    "RGBA": "flatten it onto a background and save it as RGB",
    "LA": "flatten it onto a background and save it as grayscale",
    "1": "convert it to 8-bit grayscale",
    "CMYK": "convert it to RGB",
    "F": "save it with 8 bits, values 0 to 255",
}


@dataclass(frozen=True)
class SideArrays:
    """One side of a pair, read and resized.

    Attributes:
        image: (H, W, C) uint8 or uint16; label maps in colours.
        labels: (H, W) uint8 train ids with 255 = void, for label maps only.
    """

    image: NDArray[Any]
    labels: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class PairReader:
    """Reads pairs of one data set. All must have the image mode of its first pair (or of its card).

    Attributes:
        card: roles, palette.
        side_by_side: one file holds both halves.
        modes: expected mode of the left and the right side; one entry for plain photos.
        reference: the file or card that sets the expected modes, for messages.
    """

    card: DatasetCard
    side_by_side: bool
    modes: tuple[Mode, ...]
    reference: str

    @classmethod
    def for_pair(cls, card: DatasetCard, pair: Pair, layout: str) -> PairReader:
        """A reader that expects the modes of `pair`, the first of the data set (reads only headers)."""
        side_by_side = len(pair.files) == 1 and layout != "photos"
        roles = _roles(card, layout)
        files = pair.files * 2 if len(pair.files) == 1 else pair.files
        modes = tuple(_header_mode(file, role) for file, role in zip(files, roles, strict=False))
        wanted = card.options.mode
        for mode, role, file in zip(modes, roles, pair.files * 2, strict=False):
            if wanted and role != "labels" and mode != wanted:
                raise UsageError(
                    f"expected {wanted} images in {card.name}, found {file} ({mode}): convert it"
                )
        return cls(card, side_by_side, modes, str(pair.files[0]))

    @cached_property
    def _tables(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
        return value_tables(self.card)

    def read(self, pair: Pair, size_px: Size | None) -> tuple[SideArrays, ...]:
        """Left and right side of `pair` at `size_px` (None: its own size); one side for a plain photo.

        Raises:
            UsageError: naming a file that is damaged, has an unexpected mode or size, or holds label values
                outside the classes.
        """
        images = [decode(file) for file in pair.files]
        if self.side_by_side:
            images = _cut(images[0], pair.files[0])
        files = pair.files * 2 if self.side_by_side else pair.files
        if len(images) == 2 and images[0].size != images[1].size:
            raise UsageError(
                f"expected both halves of a pair in one size, found {_size(images[0])} in {files[0]} and "
                f"{_size(images[1])} in {files[1]}: resize one"
            )
        roles = _roles(self.card, "pairs" if len(images) == 2 else "photos")
        sides = zip(images, files, roles, self.modes, strict=True)
        return tuple(self.side(image, file, role, mode, size_px) for image, file, role, mode in sides)

    def side(
        self, image: Image.Image, file: Path, role: Role, mode: Mode, size_px: Size | None
    ) -> SideArrays:
        """One decoded image as `role` at `size_px`; it must have `mode`."""
        found = classify(image.mode, role, file)
        if found != mode:
            raise UsageError(
                f"expected a {mode} image as in {self.reference}, found {file} ({found}): convert it"
            )
        if mode == "ids":
            return self._ids(image, file, size_px)
        if mode == "16-bit":
            return SideArrays(sixteen_bit(image, file, size_px))
        if role == "labels":
            colours = np.asarray(resized(image, size_px, Image.Resampling.NEAREST))
            return SideArrays(colours, decode_colours(colours, self.card))
        pixels = np.asarray(resized(image, size_px, Image.Resampling.BICUBIC))
        return SideArrays(pixels if pixels.ndim == 3 else pixels[..., None])

    def _ids(self, image: Image.Image, file: Path, size_px: Size | None) -> SideArrays:
        train_ids, colours, known = self._tables
        values = np.flatnonzero(np.bincount(np.asarray(image).ravel(), minlength=256))
        if outside := values[~known[values]].tolist():
            classes = sorted(file_values(self.card))
            raise UsageError(
                f"expected label values of {self.card.name} ({classes[0]}-{classes[-1]}) in {file}, found "
                f"{', '.join(map(str, outside[:5]))}: correct the file, or give the classes an id in the card"
            )
        ids = np.asarray(resized(image, size_px, Image.Resampling.NEAREST))
        return SideArrays(colours[ids], train_ids[ids])


def classify(pillow_mode: str, role: Role, file: Path) -> Mode:
    """The family of a Pillow mode; label maps may be id-coded (single channel or palette).

    Raises:
        UsageError: for an unsupported mode, with what to do.
    """
    if role == "labels" and pillow_mode in ("P", "L"):
        return "ids"
    mode = _MODES.get(pillow_mode)
    if mode is None or (role == "labels" and mode != "colour"):
        allowed = "RGB colours or single-channel ids" if role == "labels" else "colour, gray or 16-bit gray"
        remedy = _REMEDIES.get(pillow_mode, "convert it")
        raise UsageError(f"expected {allowed}, found mode {pillow_mode} in {file}: {remedy}")
    return mode


def is_side_by_side(file: Path) -> bool:
    """Whether an image is twice as wide as high (reads only the header)."""
    width, height = header(file)[1]
    return width == 2 * height


def _roles(card: DatasetCard, layout: str) -> tuple[Role, ...]:
    return ("photo",) if layout == "photos" else card.roles


def header(file: Path) -> tuple[str, tuple[int, int]]:
    """Pillow mode and (width, height) of an image, upright; its pixels are not read."""
    try:
        with opened(file) as image:
            # Pillow itself swaps the size of a rotated TIFF; a PNG's EXIF may follow the pixels.
            told = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
            turned = told and image.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
            return image.mode, image.size[::-1] if turned else image.size
    except Exception as error:  # Pillow raises nearly anything on damaged files
        raise _unreadable(file, error) from None


def _header_mode(file: Path, role: Role) -> Mode:
    return classify(header(file)[0], role, file)


def decode(file: Path) -> Image.Image:
    """The whole image, upright (EXIF orientation honoured)."""
    try:
        with opened(file) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except Exception as error:  # as above; also Image.DecompressionBombError
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> UsageError:
    if file.is_file() and file.stat().st_size == 0:
        return UsageError(f"expected an image in {file}, found an empty file (0 bytes): get it again")
    said = " ".join(str(error).split()) or type(error).__name__
    return UsageError(
        f"expected a whole image in {file}, found one that cannot be read ({said}): get it again"
    )


def _cut(image: Image.Image, file: Path) -> list[Image.Image]:
    width, height = image.size
    if width != 2 * height:
        raise UsageError(
            f"expected a side-by-side pair twice as wide as high in {file}, found {_size(image)}: "
            "remove it, or keep halves in source/ and target/ (plain photos need --source gray or edges)"
        )
    return [image.crop((0, 0, height, height)), image.crop((height, 0, width, height))]


def resized(image: Image.Image, size_px: Size | None, how: Image.Resampling) -> Image.Image:
    to = size_for(size_px, ImageSize(*image.size))
    wanted = to.width, to.height
    return image if image.size == wanted else image.resize(wanted, how)


def sixteen_bit(image: Image.Image, file: Path, size_px: Size | None) -> NDArray[np.uint16]:
    values = np.asarray(image)
    if values.dtype.kind == "i" and (values.min() < 0 or values.max() > 65535):
        raise UsageError(
            f"expected values of 0 to 65535 in {file}, found {values.min()} to {values.max()}: rescale"
        )
    sixteen = Image.fromarray(values.astype(np.uint16))
    return np.asarray(resized(sixteen, size_px, Image.Resampling.NEAREST)).astype(np.uint16)[..., None]


def _size(image: Image.Image) -> str:
    return f"{image.width}x{image.height}"

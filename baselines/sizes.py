"""Sizes of images: one number for a square, "WIDTHxHEIGHT", or "native" where each image keeps its own.

In documents, hashes and records a square is a whole number (`256`) and everything else is text ("512x256",
"native"): that form is `Size`. Imports no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Size = int | str
NATIVE = "native"
LARGER_NATIVE = "native*286/256"
"""The load size of "native" with jitter: each image enlarged from its own size."""
MIN_SIDE_PX, MAX_SIDE_PX = 32, 2048
_FORM = re.compile(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?")


@dataclass(frozen=True, order=True)
class ImageSize:
    """Width and height of an image in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def document(self) -> Size:
        """The form of documents, hashes and records: a whole number for a square."""
        return self.width if self.width == self.height else str(self)

    @property
    def shorter(self) -> int:
        return min(self.width, self.height)

    @property
    def longer(self) -> int:
        return max(self.width, self.height)

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), as arrays have it."""
        return self.height, self.width

    @property
    def enlarged(self) -> ImageSize:
        """The size that jitter crops this one from: round(side * 286 / 256) on each axis (appendix 6.2)."""
        return ImageSize(round(self.width * 286 / 256), round(self.height * 286 / 256))

    @property
    def before_enlarging(self) -> ImageSize:
        """The size whose `enlarged` this is: exact, because enlarging rounds by less than half a pixel."""
        return ImageSize(round(self.width * 256 / 286), round(self.height * 256 / 286))


def parse_size(text: str) -> Size:
    """ "256", "512x256" (WIDTHxHEIGHT) or "native" as documents have it; "256x256" is 256.

    Raises:
        ValueError: for anything else.
    """
    text = text.strip().lower()
    if text == NATIVE:
        return NATIVE
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a size such as 256, 512x256 (WIDTHxHEIGHT) or native, found '{text}'")
    return ImageSize(int(match[1]), int(match[2] or match[1])).document


def image_size(size: Size) -> ImageSize:
    """Width and height of a size that is the same for all images.

    Raises:
        ValueError: for "native", and for text that is no size.
    """
    if isinstance(size, int):
        return ImageSize(size, size)
    match = _FORM.fullmatch(size)
    if match is None or match[2] is None:
        raise ValueError(f"expected one size for all images, found '{size}'")
    return ImageSize(int(match[1]), int(match[2]))


def is_native(size: Size) -> bool:
    """Whether each image keeps its own size (or is enlarged from it, for jitter)."""
    return size in (NATIVE, LARGER_NATIVE)


def size_for(size: Size | None, own: ImageSize) -> ImageSize:
    """The size that an image of size `own` is resized to; None and "native": its own."""
    if size is None or size == NATIVE:
        return own
    return own.enlarged if size == LARGER_NATIVE else image_size(size)


def size_of(shape: tuple[int, ...]) -> Size:
    """The size of an array (H, W, ...)."""
    return ImageSize(shape[1], shape[0]).document


def size_order(size: Size | None) -> tuple[int, str]:
    """A key that sorts sizes: by area, what is native or unknown last."""
    if size is None or is_native(size):
        return (MAX_SIDE_PX**2 + 1, str(size))
    return image_size(size).pixels, str(size)


def words_of_size(size: Size) -> str:
    """ "256 px", "512x256 px", "each image's own size"."""
    return "each image's own size" if size == NATIVE else f"{size} px"

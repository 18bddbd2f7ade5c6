"""Images in rows under written heads, as one PNG: the gallery where no page can lay them out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

TILE = 96  # pixels at least that an image is wide: smaller ones are enlarged, pixel by pixel
_GAP, _LINE, _LINES, _FONT = 2, 15, 3, 12
_GREY = 128

Pixels = NDArray[np.uint8]


def sheet_png(heads: Sequence[str], rows: Sequence[Sequence[Pixels | None]]) -> bytes:
    """A PNG of images side by side.

    Args:
        heads: what stands above each column.
        rows: (H, W, 3) uint8 images, one a head; None is a grey tile.
    """
    held = [pixels for row in rows for pixels in row if pixels is not None]
    high, wide = (max((pixels.shape[axis] for pixels in held), default=1) for axis in (0, 1))
    times = -(-TILE // wide)
    high, wide = high * times, wide * times
    said = [_lines(head, wide) for head in heads]
    top = _LINE * max(map(len, said)) + 2 * _GAP
    size = ((wide + _GAP) * len(heads) - _GAP, top + (high + _GAP) * len(rows) - _GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for column, lines in enumerate(said):
        left = column * (wide + _GAP)
        for place, line in enumerate(lines):
            at = top - 2 * _GAP - _LINE * (len(lines) - place)
            pen.text((left + wide / 2, at + _LINE / 2), line, "black", _font(), "mm")
        for row, images in enumerate(rows):
            pixels = images[column]
            tile = np.full((1, 1, 3), _GREY, np.uint8) if pixels is None else pixels
            shape = (wide, high) if pixels is None else (tile.shape[1] * times, tile.shape[0] * times)
            image = Image.fromarray(tile).resize(shape, Image.Resampling.NEAREST)
            sheet.paste(image, (left, top + row * (high + _GAP)))
    written = io.BytesIO()
    sheet.save(written, format="PNG")
    return written.getvalue()


@cache
def _font() -> ImageFont.FreeTypeFont:
    """The font of the figures."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), _FONT)


def _lines(head: str, wide: int) -> list[str]:
    """A head in at most `_LINES` lines, broken where it is full; what goes beyond is left out."""
    lines: list[str] = []
    rest = "".join(letter if letter.isprintable() else " " for letter in head).strip()
    while rest and len(lines) < _LINES:
        count = len(rest)
        while count > 1 and _font().getlength(rest[:count]) > wide:
            count -= 1
        spaced = rest.rfind(" ", 1, count + 1) if count < len(rest) else -1
        count = spaced if spaced > 0 else count
        lines.append(rest[:count])
        rest = rest[count:].strip()
    if rest and lines:
        lines[-1] = f"{lines[-1][:-1]}…"
    return lines

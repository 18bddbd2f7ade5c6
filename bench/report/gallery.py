"""The gallery: the same test pictures for every variant, as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.pictures import read_png, to_rgb8
from bench.records import GalleryFiles
from bench.report.frame import Entry, Section

MAX_PICTURES = 24
MAX_VARIANTS = 16
_LOSSLESS_BYTES = 40_000  # label maps and small pictures stay exact; large photos become lossy WebP


@dataclass(frozen=True)
class Picture:
    """One picture of the gallery.

    Attributes:
        caption: "source", a row's label, or "target".
        data_uri: WebP as a data URI; None where the file is missing.
        width, height: in pixels.
    """

    caption: str
    data_uri: str | None
    width: int
    height: int
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures (a test picture each) under common heads.

    Attributes:
        heads: "source", the variants' labels, "target".
        rows: (stem, pictures in the order of `heads`).
        notes: what was left out, in words.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]
    notes: tuple[str, ...] = ()

    def sheet_png(self) -> bytes:
        """All pictures as one PNG without text, rows and columns as here; missing ones are gray."""
        side = max((p.height for _, row in self.rows for p in row), default=1)
        wide = max((p.width for _, row in self.rows for p in row), default=1)
        gap = 2
        sheet = np.full(
            ((side + gap) * len(self.rows) - gap, (wide + gap) * len(self.heads) - gap, 3), 255, np.uint8
        )
        for r, (_, row) in enumerate(self.rows):
            for c, picture in enumerate(row):
                pixels = (
                    picture.pixels if picture.pixels is not None else np.full((side, wide, 3), 128, np.uint8)
                )
                top, left = r * (side + gap), c * (wide + gap)
                sheet[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        held = io.BytesIO()
        Image.fromarray(sheet).save(held, format="PNG")
        return held.getvalue()


def build(section: Section) -> Gallery | None:
    """The section's gallery, first seed of each variant; None where no record has pictures."""
    shown = [(row.label, row.entries[0]) for row in section.rows if row.entries[0].record.gallery]
    notes = []
    if len(shown) > MAX_VARIANTS:
        notes.append(f"The first {MAX_VARIANTS} of {len(shown)} variants are shown.")
    shown = shown[:MAX_VARIANTS]
    if not shown:
        return None
    names = _shared_names([files for _, entry in shown if (files := entry.record.gallery)])
    if len(names) > MAX_PICTURES:
        notes.append(f"The first {MAX_PICTURES} of {len(names)} gallery pictures are shown.")
    rows = []
    first = shown[0][1]
    for name in names[:MAX_PICTURES]:
        pictures = [_picture("source", first, "sources", name)]
        pictures += [_picture(label, entry, "predictions", name) for label, entry in shown]
        pictures.append(_picture("target", first, "targets", name))
        rows.append((name, tuple(pictures)))
    heads = ("source", *(label for label, _ in shown), "target")
    if all(pictures[0].pixels is None for _, pictures in rows):  # pictures of others may have no sources
        heads, rows = heads[1:], [(name, pictures[1:]) for name, pictures in rows]
    return Gallery(heads, tuple(rows), tuple(notes)) if rows else None


def _shared_names(galleries: list[GalleryFiles]) -> list[str]:
    """Stems that every row has, in the first one's order: all rows show the same pictures."""
    return [name for name in galleries[0].names if all(name in other.names for other in galleries)]


def _picture(caption: str, entry: Entry, role: str, name: str) -> Picture:
    files = entry.record.gallery
    folder = getattr(files, role) if files else None
    pixels = None
    if folder is not None and entry.out is not None:
        pixels = _read(entry.out, Path(folder) / f"{name}.png")
    if pixels is None:
        return Picture(caption, None, 1, 1, None)
    height, width = pixels.shape[:2]
    return Picture(caption, _data_uri(pixels), width, height, pixels)


def _read(out: Path, relative: Path) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8; None if the file is missing, no picture, or not inside the output."""
    if relative.is_absolute() or ".." in relative.parts:
        return None
    try:
        return to_rgb8(read_png(out / relative))
    except (OSError, ValueError):
        return None


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    held = io.BytesIO()
    image.save(held, format="WEBP", lossless=True, quality=60, method=3)
    if held.tell() > _LOSSLESS_BYTES:
        held = io.BytesIO()
        image.save(held, format="WEBP", quality=90, method=4)
    return "data:image/webp;base64," + base64.b64encode(held.getvalue()).decode("ascii")

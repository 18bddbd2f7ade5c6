"""Converts colours to classes and back: references may become void, predictions always get a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.types import VOID, ClassInfo, DatasetCard

MAX_DISTANCE = 30.0
"""RGB distance (Euclidean) above which a pixel of a reference is void. JPEG blurs colours at the borders of
regions: in the Cityscapes pairs 9 % of the pixels are above the limit."""
_CHUNK = 1 << 16  # pixels compared with the palette at once, to limit memory


def decode_colours(rgb: NDArray[np.uint8], card: DatasetCard) -> NDArray[np.uint8]:
    """Train ids of a colour-coded reference: the nearest of all palette colours, void beyond the limit.

    Args:
        rgb: (..., 3) uint8.
        card: its palette, void colours included.

    Returns:
        (...) uint8 train ids, 255 = void.
    """
    nearest, squared = _nearest(rgb, card.classes)
    train_ids = np.array([VOID if c.train_id is None else c.train_id for c in card.classes], np.uint8)
    decoded = train_ids[nearest]
    decoded[squared > MAX_DISTANCE**2] = VOID
    return decoded


def nearest_class(rgb: NDArray[np.uint8], card: DatasetCard) -> NDArray[np.uint8]:
    """Train ids of a predicted label image: always the nearest class colour, never void.

    Args:
        rgb: (..., 3) uint8.

    Returns:
        (...) uint8 train ids.
    """
    classes = [c for c in card.classes if c.train_id is not None]
    nearest, _ = _nearest(rgb, classes)
    return np.array([c.train_id for c in classes], np.uint8)[nearest]


def paint(train_ids: NDArray[np.uint8], card: DatasetCard) -> NDArray[np.uint8]:
    """Colours of train ids, void black: (...) uint8 -> (..., 3) uint8."""
    table = np.zeros((256, 3), np.uint8)
    for entry in card.train_classes:
        table[entry.train_id] = entry.colour
    return table[train_ids]


def file_values(card: DatasetCard) -> dict[int, ClassInfo | None]:
    """Meaning of the values of a single-channel label file: value -> class, None = void.

    If no class has an id of its own, files hold train ids with 255 for void.
    """
    by_id: dict[int, ClassInfo | None] = {c.id: c for c in card.classes if c.id is not None}
    return by_id or train_id_values(card)


def train_id_values(card: DatasetCard) -> dict[int, ClassInfo | None]:
    """Meaning of the values of a file of train ids: value -> class, 255 -> None = void."""
    return {**{c.train_id: c for c in card.train_classes if c.train_id is not None}, VOID: None}


def value_tables(
    values: Mapping[int, ClassInfo | None],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Lookup tables for the values of a label file.

    Args:
        values: value -> class, None = void (`file_values`, `train_id_values`).

    Returns:
        train ids (256,) uint8 with 255 = void; colours (256, 3) uint8; known (256,) bool.
    """
    train_ids = np.full(256, VOID, np.uint8)
    colours = np.zeros((256, 3), np.uint8)
    known = np.zeros(256, np.bool_)
    for value, entry in values.items():
        known[value] = True
        if entry is not None:
            colours[value] = entry.colour
            train_ids[value] = VOID if entry.train_id is None else entry.train_id
    return train_ids, colours, known


def _nearest(
    rgb: NDArray[np.uint8], classes: Sequence[ClassInfo]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Index of the nearest colour (the first of equals) and the squared distance to it, both (...)."""
    palette = np.array([c.colour for c in classes], np.float32)
    own = (palette**2).sum(axis=1)
    pixels = rgb.reshape(-1, 3)
    index = np.empty(len(pixels), np.intp)
    squared = np.empty(len(pixels), np.float32)
    for start in range(0, len(pixels), _CHUNK):
        part = pixels[start : start + _CHUNK].astype(np.float32)
        rest = part @ (-2.0 * palette.T) + own  # |p - c|^2 - |p|^2: whole, below 2^24, so exact in float32
        best = rest.argmin(axis=1)
        index[start : start + _CHUNK] = best
        squared[start : start + _CHUNK] = rest[np.arange(len(part)), best] + (part**2).sum(axis=1)
    shape = rgb.shape[:-1]
    return index.reshape(shape), squared.reshape(shape)

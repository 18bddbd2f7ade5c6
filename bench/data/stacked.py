"""Several sources as one: further folders of images, channel after channel behind the source of each pair.

`sources = ["labels", "depth"]` in a card: the images of `depth/`, which lies beside `labels/`, by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import ImageSize, Size
from bench.core.errors import UsageError
from bench.data.layouts import Found, Pair
from bench.data.layouts.listing import below, folded, subfolders
from bench.data.providers import FileImages
from bench.data.readers import Mode, SideArrays
from bench.data.types import DataRange, DatasetCard, Layout

_LAYOUTS = ("folders", "domains")  # whose folders have the names of domains
_WIDER = 257  # 0 to 255 as 0 to 65535


class Stacked:
    """Pairs whose sources have further images behind them (an `Images`).

    Args:
        images: the pairs.
        side: which side of them is the source: 0 or 1.
        others: name -> its images, one for each pair of every split, in the same order.
    """

    def __init__(self, images: FileImages, side: int, others: dict[str, FileImages]) -> None:
        self._images, self._side, self._others = images, side, others
        self.layout: Layout = images.layout
        self.root: Path | None = images.root
        self.modes: tuple[Mode, ...] = images.modes
        self.found: Found | None = images.found
        channels = list(images.channels)
        channels[side] += sum(other.channels[0] for other in others.values())
        self.channels: tuple[int, ...] = tuple(channels)

    @property
    def _all(self) -> list[FileImages]:
        return [self._images, *self._others.values()]

    @property
    def ranges(self) -> tuple[DataRange | None, ...]:
        return self._images.ranges

    @property
    def named_ranges(self) -> dict[str, DataRange]:
        return {name: known for images in self._all for name, known in images.named_ranges.items()}

    @property
    def splits(self) -> dict[str, int]:
        return self._images.splits

    def stems(self, split: str) -> tuple[str, ...]:
        return self._images.stems(split)

    def content(self, split: str, indices: Sequence[int]) -> list[str]:
        each = [images.content(split, indices) for images in self._all]
        return ["+".join(parts) for parts in zip(*each, strict=True)]

    def changes(self, split: str, indices: Sequence[int]) -> dict[str, int]:
        found: dict[str, int] = {}
        for images in self._all:
            for change, files in images.changes(split, indices).items():
                found[change] = found.get(change, 0) + files
        return found

    def left_out(self) -> list[str]:
        return [line for images in self._all for line in images.left_out()]

    def own_sizes(self, split: str, indices: Sequence[int]) -> list[ImageSize]:
        return self._images.own_sizes(split, indices)

    def read(self, split: str, index: int, size_px: Size | None) -> tuple[SideArrays, ...]:
        sides = list(self._images.read(split, index, size_px))
        (wanted,) = self._images.own_sizes(split, [index])
        layers = [sides[self._side].image]
        for name, other in self._others.items():
            (found,) = other.own_sizes(split, [index])
            if found != wanted:
                raise UsageError(
                    f"expected all sources of '{self.stems(split)[index]}' in one size, found {wanted} and "
                    f"{found} in {name}/: resize one"
                )
            layers.append(other.read(split, index, size_px)[0].image)
        sides[self._side] = replace(sides[self._side], image=stack(layers))
        return tuple(sides)


def stack(layers: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """(H, W, C) images as one; beside 16 bits, 8 bits become 16 that networks see as the same values."""
    wide = any(layer.dtype == np.uint16 for layer in layers)
    same = [
        layer.astype(np.uint16) * _WIDER if wide and layer.dtype == np.uint8 else layer for layer in layers
    ]
    return np.concatenate(same, axis=-1)


def stacked(card: DatasetCard, found: Found) -> Stacked:
    """The images of a card with `sources`.

    Raises:
        UsageError: if a folder or an image of them is missing, or the layout has no such folders.
    """
    if found.layout not in _LAYOUTS or found.unpaired:
        raise UsageError(
            f"expected a folder for each of {', '.join(card.sources)} in every split of {card.name}, found "
            f"layout {found.layout} in {found.root}: arrange the images so"
        )
    side = card.domains.index(card.sources[0])
    own = {name: ends for name, ends in card.options.ranges.items() if name not in card.sources[1:]}
    images = FileImages(replace(card, options=replace(card.options, ranges=own)), found)
    others = {name: _beside(card, found, side, name) for name in card.sources[1:]}
    return Stacked(images, side, others)


def _beside(card: DatasetCard, found: Found, side: int, name: str) -> FileImages:
    """The images in the folders `name` beside those of the source."""
    ends = {name: card.options.ranges[name]} if name in card.options.ranges else {}
    as_photos = replace(
        card, domains=("source", name), roles=("image", "image"), classes=(), sources=(), layouts=("photos",),
        options=replace(card.options, mode=None, label_values=None, ranges=ends),
    )  # fmt: skip
    splits = {}
    for split, pairs in found.splits.items():
        files = _files_beside([pair.files[side] for pair in pairs], found, side, name)
        splits[split] = tuple(Pair(pair.stem, (file,)) for pair, file in zip(pairs, files, strict=True))
    return FileImages(as_photos, replace(found, layout="photos", splits=splits, notes=()))


def _files_beside(files: Sequence[Path], found: Found, side: int, name: str) -> list[Path]:
    """For each file below the source's folder the one of equal name below the folder `name` beside it."""
    folder = folded(found.halves[side].rstrip("/"))
    held: dict[Path, tuple[dict[Path, str], dict[str, Path], Path]] = {}
    made = []
    for file in files:
        parts = file.relative_to(found.root).parts
        place = next((i for i, part in enumerate(parts) if folded(part) == folder), None)
        if place is None:
            raise UsageError(
                f"expected the folder {found.halves[side]} of sources in every split, as in the first, found "
                f"{file}: give it one name"
            )
        top = found.root.joinpath(*parts[: place + 1])
        if top not in held:
            beside = subfolders(top.parent).get(folded(name))
            if beside is None:
                raise UsageError(
                    f"expected {name}/ beside {top}, as the card's sources say, found none: add it"
                )
            held[top] = {path: stem for stem, path in below(top).items()}, below(beside), beside
        names, others, beside = held[top]
        stem = names[file]
        if stem not in others:
            raise UsageError(f"expected {stem} in {beside} as in {top}, found none: add it")
        made.append(others[stem])
    return made

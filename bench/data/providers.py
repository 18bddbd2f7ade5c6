"""Sources of a data set's pairs: files, or the generator of toycity."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from baselines.sizes import ImageSize, Size, size_for
from bench.core.resources import cache_dir
from bench.data import palette
from bench.data.cache import FileHashes, digest
from bench.data.image_file import header
from bench.data.layouts import Found, Pair
from bench.data.left_out import left_out
from bench.data.measured import check_ranges, is_float, measured
from bench.data.readers import Mode, PairReader, SideArrays
from bench.data.types import DataRange, DatasetCard, Layout


class Images(Protocol):
    """A source of pairs: files, or the generator of toycity. `found` says how files were recognised."""

    layout: Layout
    root: Path | None
    modes: tuple[Mode, ...]
    channels: tuple[int, ...]
    found: Found | None

    @property
    def ranges(self) -> tuple[DataRange | None, ...]:
        """Of each side whose values become levels (`bench.data.measured`); None: they stay as they are."""
        ...

    @property
    def named_ranges(self) -> dict[str, DataRange]:
        """The same by domain, of those that have one."""
        ...

    @property
    def splits(self) -> dict[str, int]:
        """Number of pairs of each split."""
        ...

    def stems(self, split: str) -> tuple[str, ...]: ...

    def content(self, split: str, indices: Sequence[int]) -> list[str]:
        """A text for each pair that changes when its content does."""
        ...

    def changes(self, split: str, indices: Sequence[int]) -> dict[str, int]:
        """What is converted when these pairs are read, in words -> number of files."""
        ...

    def left_out(self) -> list[str]:
        """What lies beside the pairs and is not read, a line for each reason."""
        ...

    def own_sizes(self, split: str, indices: Sequence[int]) -> list[ImageSize]:
        """The size of these pairs (of one side) before they are resized; reads headers only."""
        ...

    def read(self, split: str, index: int, size_px: Size | None) -> tuple[SideArrays, ...]:
        """Left and right side (or the one side of a plain photo) at `size_px`; None: at their own size."""
        ...


class FileImages:
    """Pairs in files."""

    def __init__(self, card: DatasetCard, found: Found) -> None:
        self.layout = found.layout
        self.found: Found | None = found
        self.root: Path | None = found.root
        self._pairs: dict[str, tuple[Pair, ...]] = found.splits
        others = [pair for split, pairs in found.splits.items() if split != "train" for pair in pairs]
        every = [*found.splits["train"], *others]
        self._reader = PairReader.for_pairs(card, every, found.layout)
        self.modes: tuple[Mode, ...] = self._reader.modes
        self.channels: tuple[int, ...] = self._reader.channels
        self._domains = card.domains if len(self.modes) == 2 else card.domains[1:]
        check_ranges(card.options.ranges, self._domains, self.modes, card.name)
        self._sizes: dict[Path, ImageSize] = {}
        self._hashes = FileHashes(cache_dir() / "hashes" / f"{digest(str(found.root.resolve()))}.json")

    @functools.cached_property
    def ranges(self) -> tuple[DataRange | None, ...]:
        return tuple(self._range(side) for side in range(len(self.modes)))

    def _range(self, side: int) -> DataRange | None:
        domain = self._domains[side]
        if (declared := self._reader.card.options.ranges.get(domain)) is not None:
            return DataRange(*declared, "declared")
        if not is_float(self.modes[side]):
            return None
        pairs = self._pairs["train"]

        def ends(pair: Pair) -> tuple[float, float]:
            values = self._reader.decoded(pair)[side].values
            return float(values.min()), float(values.max())

        def all_ends() -> list[tuple[float, float]]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                return list(pool.map(ends, pairs))

        content = digest([side, self.modes, self.content("train", range(len(pairs)))])
        return measured(cache_dir() / "ranges" / f"{content}.json", all_ends, domain)

    @property
    def named_ranges(self) -> dict[str, DataRange]:
        named = zip(self._domains, self.ranges, strict=True)
        return {domain: known for domain, known in named if known is not None}

    @functools.cached_property
    def _with_ranges(self) -> PairReader:
        return replace(self._reader, ranges=self.ranges)

    @property
    def splits(self) -> dict[str, int]:
        return {split: len(pairs) for split, pairs in self._pairs.items()}

    def stems(self, split: str) -> tuple[str, ...]:
        return tuple(pair.stem for pair in self._pairs[split])

    def content(self, split: str, indices: Sequence[int]) -> list[str]:
        pairs = [self._pairs[split][i] for i in indices]
        hashes = iter(self._hashes.hashes([file for pair in pairs for file in pair.files]))
        return ["+".join(next(hashes) for _ in pair.files) for pair in pairs]

    def changes(self, split: str, indices: Sequence[int]) -> dict[str, int]:
        return self._reader.changes([self._pairs[split][i] for i in indices])

    def left_out(self) -> list[str]:
        return left_out(file for pairs in self._pairs.values() for pair in pairs for file in pair.files)

    def own_sizes(self, split: str, indices: Sequence[int]) -> list[ImageSize]:
        files = [self._pairs[split][i].files[0] for i in indices]
        for file in files:
            if file not in self._sizes:  # asked several times: for the depth, time, memory and aspect
                self._sizes[file] = ImageSize(*header(file, channels=True).size)
        sizes = [self._sizes[file] for file in files]
        if self._reader.side_by_side:
            return [ImageSize(size.width // 2, size.height) for size in sizes]
        return sizes

    def read(self, split: str, index: int, size_px: Size | None) -> tuple[SideArrays, ...]:
        return self._with_ranges.read(self._pairs[split][index], size_px)


class ToyImages:
    """Pairs of toycity, drawn square at the nearest power of two at or above the wanted longer side, then
    resized."""

    layout: Layout = "embedded"
    root: Path | None = None
    found: Found | None = None
    modes: tuple[Mode, ...] = ("colour", "ids")
    channels: tuple[int, ...] = (3, 3)
    ranges: tuple[DataRange | None, ...] = (None, None)

    def __init__(self, card: DatasetCard) -> None:
        self._card = card
        self.named_ranges: dict[str, DataRange] = {}

    @property
    def splits(self) -> dict[str, int]:
        return {split: pairs for split, pairs in self._card.splits.items() if isinstance(pairs, int)}

    def stems(self, split: str) -> tuple[str, ...]:
        return tuple(f"{index:04d}" for index in range(self.splits[split]))

    def content(self, split: str, indices: Sequence[int]) -> list[str]:
        from bench.data.toycity.generator import TOYCITY_VERSION

        return [f"toycity {TOYCITY_VERSION} {split} {index}" for index in indices]

    def changes(self, split: str, indices: Sequence[int]) -> dict[str, int]:
        return {}

    def left_out(self) -> list[str]:
        return []

    def own_sizes(self, split: str, indices: Sequence[int]) -> list[ImageSize]:
        from bench.data.toycity.generator import SIZES_PX

        return [ImageSize(SIZES_PX[-1], SIZES_PX[-1])] * len(indices)

    def read(self, split: str, index: int, size_px: Size | None) -> tuple[SideArrays, ...]:
        from bench.data.toycity.generator import SIZES_PX, sample

        wanted = size_for(size_px, ImageSize(SIZES_PX[-1], SIZES_PX[-1]))
        native = next((size for size in SIZES_PX if size >= wanted.longer), SIZES_PX[-1])
        drawn, train_ids = sample(split, index, native)
        to = (wanted.width, wanted.height)
        photo = np.asarray(Image.fromarray(drawn).resize(to, Image.Resampling.BICUBIC))
        ids = np.asarray(Image.fromarray(train_ids).resize(to, Image.Resampling.NEAREST))
        return SideArrays(photo), SideArrays(palette.paint(ids, self._card), ids)

"""A choice among a data set's pairs, and validation images held out of its training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import ImageSize, Size
from bench.core.errors import UsageError
from bench.data.dataset import Dataset
from bench.data.layouts import Found
from bench.data.providers import Images
from bench.data.readers import Mode, SideArrays
from bench.data.types import DataRange, Layout

_SEED = 0  # one for all runs, so that variants and seeds of a grid share their validation images


class Chosen:
    """Pairs of another provider under split names of their own (an `Images`).

    Args:
        images: where the pairs come from.
        splits: name -> (the provider's split, places in it).
    """

    def __init__(self, images: Images, splits: Mapping[str, tuple[str, Sequence[int]]]) -> None:
        self._images, self._chosen = images, dict(splits)
        self.layout: Layout = images.layout
        self.root: Path | None = images.root
        self.modes: tuple[Mode, ...] = images.modes
        self.channels: tuple[int, ...] = images.channels
        self.found: Found | None = images.found

    @property
    def ranges(self) -> tuple[DataRange | None, ...]:
        return self._images.ranges

    @property
    def named_ranges(self) -> dict[str, DataRange]:
        return self._images.named_ranges

    @property
    def splits(self) -> dict[str, int]:
        return {name: len(places) for name, (_, places) in self._chosen.items()}

    def stems(self, split: str) -> tuple[str, ...]:
        origin, places = self._chosen[split]
        stems = self._images.stems(origin)
        return tuple(stems[place] for place in places)

    def content(self, split: str, indices: Sequence[int]) -> list[str]:
        origin, places = self._chosen[split]
        return self._images.content(origin, [places[index] for index in indices])

    def changes(self, split: str, indices: Sequence[int]) -> dict[str, int]:
        origin, places = self._chosen[split]
        return self._images.changes(origin, [places[index] for index in indices])

    def left_out(self) -> list[str]:
        return self._images.left_out()

    def own_sizes(self, split: str, indices: Sequence[int]) -> list[ImageSize]:
        origin, places = self._chosen[split]
        return self._images.own_sizes(origin, [places[index] for index in indices])

    def read(self, split: str, index: int, size_px: Size | None) -> tuple[SideArrays, ...]:
        origin, places = self._chosen[split]
        return self._images.read(origin, places[index], size_px)


class HeldOut(Chosen):
    """Split "val" is held out of the training images; "train" is what remains."""


def hold_out(dataset: Dataset, used: int, held: int) -> Dataset:
    """`dataset` with `held` validation images, drawn from `used` evenly spaced training images.

    Raises:
        UsageError: if the data set has a `val` split of its own, or one of the two would be empty.
    """
    if "val" in dataset.splits:
        raise UsageError(
            f"expected no --val-share for {dataset.name}, whose own split val has {dataset.splits['val']} "
            "images: leave it out"
        )
    if not 0 < held < used:
        raise UsageError(
            f"expected at least one image to train on and one for validation, found {used - held} and "
            f"{held} of {used}: choose another --val-share, or use more training images"
        )
    there = dataset.splits["train"]
    even = [place * there // used for place in range(used)]
    kept, out = (tuple(even[place] for place in places) for places in drawn(used, held))
    others = {name: (name, range(count)) for name, count in dataset.splits.items() if name != "train"}
    images = HeldOut(dataset.images, {"train": ("train", kept), "val": ("train", out), **others})
    return replace(dataset, images=images)


class SomeOfVal(Chosen):
    """Split "val" is some of the data set's own; the others are whole."""


def limit_val(dataset: Dataset, limit: int) -> Dataset:
    """`dataset` with at most `limit` of its own validation pairs, evenly spaced.

    Raises:
        UsageError: if it has none of its own.
    """
    there = dataset.splits.get("val")
    if there is None or isinstance(dataset.images, HeldOut):
        found = f"{' and '.join(dataset.splits)} only" if there is None else "--val-share"
        raise UsageError(
            f"expected a val split of {dataset.name} itself for --val-limit, found {found}: leave it out "
            "(--val-share says how many training images are held out)"
        )
    if limit >= there:
        return dataset
    splits = {name: (name, range(count)) for name, count in dataset.splits.items() if name != "val"}
    even = [place * there // limit for place in range(limit)]
    return replace(dataset, images=SomeOfVal(dataset.images, {**splits, "val": ("val", even)}))


def drawn(total: int, held: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places 0..total-1 that remain and the `held` ones that are drawn, each rising."""
    order = np.random.Generator(np.random.PCG64(_SEED)).permutation(total)
    return np.sort(order[held:]), np.sort(order[:held])


def some_of(dataset: Dataset, split: str, places: Sequence[int]) -> Dataset:
    """`dataset` with these pairs of a split as its only ones, under the same name."""
    return replace(dataset, images=Chosen(dataset.images, {split: (split, places)}))

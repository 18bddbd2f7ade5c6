"""Data sets: found on disk or generated, read in either direction, cached."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UsageError, unknown_name
from bench.core.progress import Progress
from bench.data import layouts, readers
from bench.data.cache import Sample, digest, load_split
from bench.data.cards import card_names, load_card, make_card, read_card
from bench.data.derived import DERIVED, derive
from bench.data.providers import FileImages, Images, ToyImages
from bench.data.types import DatasetCard, Layout, Role, SplitArrays

_OWN_FOLDER = {
    "version": "as found",
    "licence": "the owner's",
    "homepage": "",
    "domains": ["source", "target"],
    "roles": ["image", "image"],
    "direction": "source2target",
    "size_px": 256,
    "how_to_get": "give its folder with --data-root",
}


@dataclass(frozen=True)
class Dataset:
    """A data set in one direction.

    Attributes:
        card: its card.
        direction: "<source>2<target>"; with a derived source, "gray2<target>" or "edges2<target>".
        source: "paired", or how the source is derived from the target: "gray", "edges".
        target_side: 0 if the target is the card's left domain, 1 if it is the right.
        images: where the pairs come from.
    """

    card: DatasetCard
    direction: str
    source: str
    target_side: int
    images: Images

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def root(self) -> Path | None:
        """The folder of the data; None for the embedded data set."""
        return self.images.root

    @property
    def layout(self) -> Layout:
        return self.images.layout

    @property
    def source_role(self) -> Role:
        return "image" if self.source != "paired" else self.card.roles[1 - self.target_side]

    @property
    def target_role(self) -> Role:
        return self.card.roles[self.target_side]

    @property
    def source_channels(self) -> int:
        return 1 if self.source != "paired" else _channels(self.images.modes[1 - self.target_side])

    @property
    def target_channels(self) -> int:
        return _channels(self._target_mode)

    @functools.cached_property
    def photo_px(self) -> int:
        """The shorter side of the first training target as it is on disk."""
        sides = self.images.read("train", 0, None)
        height, width = sides[self.target_side if len(sides) == 2 else 0].image.shape[:2]
        return int(min(height, width))

    @property
    def sample_type(self) -> str:
        """Type of the samples of targets and predictions: "uint8" or "uint16"."""
        return "uint16" if self._target_mode == "16-bit" else "uint8"

    @property
    def _target_mode(self) -> readers.Mode:
        return self.images.modes[self.target_side if len(self.images.modes) == 2 else 0]

    @property
    def splits(self) -> dict[str, int]:
        """Number of pairs of each split."""
        return self.images.splits

    def names(self, split: str, limit: int | None = None) -> tuple[str, ...]:
        """Stems of a split, in order; with `limit` an evenly spaced subset of that size."""
        indices = self._indices(split, limit)
        stems = self.images.stems(split)
        return tuple(stems[i] for i in indices)

    def fingerprint(self, split: str, limit: int | None = None) -> str:
        """Content hash (16 hexadecimal digits) of a split's pairs, names included."""
        indices = self._indices(split, limit)
        return digest([self.names(split, limit), self.images.content(split, indices)])

    def load(
        self,
        split: str,
        *,
        size_px: int,
        cache: Path,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> SplitArrays:
        """The split at `size_px` x `size_px` as read-only memory maps; decoded on first use.

        Raises:
            UsageError: if an image is damaged or not as expected (the file is named), or the cache cannot be
                written. A split with an error is not cached.
        """
        key, indices = self.key(split, size_px, limit), self._indices(split, limit)
        read = self._sampler(split, indices, size_px)
        return load_split(cache, key, self.names(split, limit), read, progress)

    def key(self, split: str, size_px: int, limit: int | None = None) -> str:
        """The content key of a split at a size; nothing is decoded."""
        return digest(
            {
                "reader": readers.READER_VERSION,
                "content": self.fingerprint(split, limit),
                "layout": self.layout,
                "roles": self.card.roles,
                "classes": [asdict(c) for c in self.card.classes],
                "modes": self.images.modes,
                "target_side": self.target_side,
                "source": self.source,
                "size_px": size_px,
            }
        )

    def _sampler(self, split: str, indices: Sequence[int], size_px: int) -> Callable[[int], Sample]:
        def read(place: int) -> Sample:
            sides = self.images.read(split, indices[place], size_px)
            target = sides[self.target_side if len(sides) == 2 else 0]
            labels = next((side.labels for side in sides if side.labels is not None), None)
            if self.source == "paired":
                return Sample(sides[1 - self.target_side].image, target.image, labels)
            return Sample(derive(self.source, target.image), target.image, labels)

        return read

    def file_labels(self, split: str, limit: int | None = None) -> Callable[[int], NDArray[np.uint8]]:
        """A function that reads the label map of pair i of a split: (h, w) uint8 train ids, as in its file.

        Raises:
            UsageError: when called, if the file is damaged or not a label map.
        """
        indices = self._indices(split, limit)

        def read(place: int) -> NDArray[np.uint8]:
            sides = self.images.read(split, indices[place], None)
            labels = next((side.labels for side in sides if side.labels is not None), None)
            if labels is None:
                raise UsageError(f"expected label maps in {self.name}, found none")
            return labels

        return read

    def _indices(self, split: str, limit: int | None) -> list[int]:
        total = self.splits[split]
        if limit is None or limit >= total:
            return list(range(total))
        return [i * total // limit for i in range(limit)]


def open_dataset(
    name: str, *, root: Path | None = None, direction: str | None = None, source: str = "paired"
) -> Dataset:
    """Find a data set and fix its direction; no image is decoded yet.

    Args:
        name: a card's name, or any name for the user's own folder.
        root: the data set's folder, or one that holds it by name; by default `data/NAME`, where
            `bench data fetch` puts it.
        direction: "<source>2<target>" of the card's domains ("source2target" or "target2source" for own
            folders); the card's default where None.
        source: "paired", or "gray" or "edges" to derive the source from the target.

    Raises:
        UsageError: for an unknown name, direction or source, missing data (the message says where it was
            searched and how to get it), a missing or empty split, or a pair with one half missing.
    """
    if source not in ("paired", *DERIVED):
        raise UsageError(f"expected --source among paired, {', '.join(DERIVED)}, found '{source}'")
    if name in card_names():
        card = load_card(name)
        images: Images = ToyImages(card) if card.layouts == ("embedded",) else _find(card, root)
    else:
        card, images = _own(name, root, source)
    target_side = _target_side(card, direction, source)
    if source != "paired":
        direction = f"{source}2{card.domains[target_side]}"
    else:
        direction = f"{card.domains[1 - target_side]}2{card.domains[target_side]}"
    dataset = Dataset(card, direction, source, target_side, images)
    _check_source(dataset)
    return dataset


def _channels(mode: readers.Mode) -> int:
    return 1 if mode in ("gray", "16-bit") else 3


def _places(name: str, root: Path | None) -> list[Path]:
    if root is not None:
        return [root / name, root]
    return [Path("data") / name]  # where `bench data fetch` puts it


def _find(card: DatasetCard, root: Path | None) -> FileImages:
    places = _places(card.name, root)
    for place in places:
        if place.is_dir() and (found := layouts.find(card, place)) is not None:
            return FileImages(card, found)
    wanted = " or ".join(str(place) for place in places)
    raise UsageError(
        f"expected data set {card.name} (layouts {', '.join(card.layouts)}) in {wanted}, found none; "
        f"how to get it: {card.how_to_get}"
    )


def _own(name: str, root: Path | None, source: str) -> tuple[DatasetCard, FileImages]:
    """A user's own folder, with an optional `card.toml` in it."""
    near = difflib.get_close_matches(name, card_names(), n=1, cutoff=0.8)
    if root is None or (near and not (root / name).is_dir() and root.name != name):
        if root is None and not near:
            raise UsageError(
                f"expected the folder of data set '{name}', found none: give it with --data-root {name}=DIR "
                "(`bench list datasets` shows the data sets that need none or have a card)"
            )
        raise unknown_name("data set", name, card_names(), "bench list datasets")
    places = _places(name, root)
    kinds = ["folders", "pairs"] if source == "paired" else ["folders", "pairs", "photos"]
    for place in (place for place in places if place.is_dir()):
        tests = [split for split in ("test", "val") if (place / split).is_dir()] or ["test"]
        splits = {"train": "train", "test": tests[0], **{split: split for split in tests[1:]}}
        defaults = {**_OWN_FOLDER, "name": name, "title": name, "layouts": kinds, "splits": splits}
        own_card = place / "card.toml"
        card = read_card(own_card, defaults) if own_card.is_file() else make_card(defaults)
        card = replace(card, name=name)
        if source != "paired" and _holds_plain_photos(card, place):
            card = replace(card, layouts=("photos",), domains=("source", "photo"), roles=("image", "photo"))
        if (found := layouts.find(card, place)) is not None:
            return card, FileImages(card, found)
    looked = " or ".join(str(place) for place in places)
    raise UsageError(
        f"expected train/ and test/ in {looked}, with side-by-side pairs or source/ and target/ in each, "
        "found neither: arrange the images so, or name a data set of `bench list datasets`"
    )


def _holds_plain_photos(card: DatasetCard, place: Path) -> bool:
    """Whether the training folder holds single photos: its first image is not twice as wide as high."""
    folder = place / "train"
    if "photos" not in card.layouts or not folder.is_dir() or layouts.halves(card, folder):
        return False
    if card.layouts == ("photos",):
        return True
    images = layouts.images(folder)
    return bool(images) and not readers.is_side_by_side(images[0])


def _target_side(card: DatasetCard, direction: str | None, source: str) -> int:
    left, right = card.domains
    sides = {f"{left}2{right}": 1, f"{right}2{left}": 0}
    if source != "paired":
        sides |= {f"{source}2{right}": 1, f"{source}2{left}": 0}
    chosen = direction or card.direction
    if card.layouts == ("photos",):
        chosen = direction or f"{source}2photo"
        sides = {f"{source}2photo": 1}
    if chosen not in sides:
        raise UsageError(f"expected a direction of {card.name} among {', '.join(sides)}, found '{chosen}'")
    return sides[chosen]


def _check_source(dataset: Dataset) -> None:
    if dataset.source == "paired":
        if len(dataset.images.modes) == 1:
            raise UsageError(f"expected pairs in {dataset.root}, found photos: add --source gray or edges")
        return
    if dataset.target_role == "labels":
        raise UsageError(
            f"expected a photo to derive --source {dataset.source} from, found label maps: turn round"
        )
    if dataset.source == "gray" and dataset.target_channels == 1:
        raise UsageError(f"expected colour images for --source gray, found gray ones in {dataset.root}")

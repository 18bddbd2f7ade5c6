"""One data set in one direction: its splits, its pairs, and what is said of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import ImageSize, Size, is_native
from bench.core.errors import UsageError
from bench.core.progress import Progress
from bench.core.shown_paths import shown
from bench.data import readers
from bench.data.aspect import LOOKED_AT, squeezed
from bench.data.cache import Sample, digest, load_split
from bench.data.derived import derive
from bench.data.providers import Images
from bench.data.repeated import repeated
from bench.data.sides import sides_in_words
from bench.data.types import DataRange, DatasetCard, LabelValues, Layout, Role, SplitArrays
from bench.data.values_used import little_used


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
    def unpaired(self) -> bool:
        """Whether a source and the target beside it have nothing to do with each other."""
        found = self.images.found
        return self.source == "paired" and found is not None and found.unpaired

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
        return 1 if self.source != "paired" else self.images.channels[1 - self.target_side]

    @property
    def target_channels(self) -> int:
        return self.images.channels[self._target_place]

    @functools.cached_property
    def photo_size(self) -> ImageSize:
        """The size of the first training target as it is on disk."""
        sides = self.images.read("train", 0, None)
        height, width = sides[self.target_side if len(sides) == 2 else 0].image.shape[:2]
        return ImageSize(width, height)

    @property
    def sample_type(self) -> str:
        """Type of the samples of targets and predictions: "uint8" or "uint16"."""
        return "uint16" if self.target_mode == "16-bit" or self.target_range is not None else "uint8"

    @property
    def _target_place(self) -> int:
        return self.target_side if len(self.images.modes) == 2 else 0

    @property
    def target_mode(self) -> readers.Mode:
        """What the files of targets hold."""
        return self.images.modes[self._target_place]

    @property
    def source_mode(self) -> readers.Mode:
        """What the files of sources hold; of derived sources, those of their targets."""
        return self.images.modes[1 - self.target_side if self.source == "paired" else self._target_place]

    @property
    def target_range(self) -> DataRange | None:
        """What the levels of targets and predictions stand for; None: they are the files' values."""
        return self.images.ranges[self._target_place]

    @property
    def source_range(self) -> DataRange | None:
        """The same of sources; None for derived ones."""
        return self.images.ranges[1 - self.target_side] if self.source == "paired" else None

    @property
    def ranges(self) -> tuple[tuple[str, float, float, str], ...]:
        """Domain, lowest and highest value, and how that is known, of each side that is read as levels."""
        named = self.images.named_ranges
        return tuple((domain, one.low, one.high, one.how) for domain, one in named.items())

    @property
    def label_values(self) -> LabelValues | None:
        """What gray label files are said to hold; None: nothing is said, it was found out."""
        return self.card.options.label_values

    @property
    def splits(self) -> dict[str, int]:
        """Number of pairs of each split."""
        return self.images.splits

    @property
    def found_line(self) -> str:
        """Where the data is, in which layout, and how that was recognised."""
        found = self.images.found
        if found is None:
            return f"comes with the package (layout {self.layout})"
        return shown(f"{found.root} (layout {self.layout}: {found.why})")

    @property
    def sides_line(self) -> str:
        """Which half on disk is the source and which the target; "" where there are no two halves."""
        found = self.images.found
        if found is None or (self.source != "paired" and len(self.images.modes) == 1):
            return ""
        if self.source != "paired":
            names = found.halves
            return f"{names[self.target_side]} is the target, {names[1 - self.target_side]} is not used"
        return sides_in_words(self.card, found.halves, self.target_side)

    @property
    def notes(self) -> tuple[str, ...]:
        """Rules that were applied to the files, and what was passed over."""
        return tuple(map(shown, self.images.found.notes)) if self.images.found is not None else ()

    @property
    def lines(self) -> list[str]:
        """What a command says of files before it reads them; nothing of the embedded data set."""
        if self.images.found is None:
            return []
        sides = f"; {self.sides_line}" if self.sides_line else ""
        return [f"data: {self.name} in {self.found_line}{sides}", *(f"data: {note}" for note in self.notes)]

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
        size_px: Size,
        cache: Path,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> SplitArrays:
        """The split at `size_px` (`baselines.sizes`) as read-only memory maps; decoded on first use.

        Raises:
            UsageError: if an image is damaged or not as expected (the file is named), or the cache cannot be
                written. A split with an error is not cached.
        """
        key, indices = self.key(split, size_px, limit), self._indices(split, limit)
        read = self._sampler(split, indices, size_px)
        return load_split(cache, key, self.names(split, limit), read, progress, mixed=is_native(size_px))

    def key(self, split: str, size_px: Size, limit: int | None = None) -> str:
        """The content key of a split at a size; nothing is decoded."""
        changes = self.images.changes(split, self._indices(split, limit))
        return digest(
            {
                **({"changes": sorted(changes)} if changes else {}),  # equal files gave other pixels before
                **({"ranges": self.ranges} if self.ranges else {}),
                "reader": readers.READER_VERSION,
                "content": self.fingerprint(split, limit),
                "layout": self.layout,
                "roles": self.card.roles,
                **({"labels_of": "target"} if self.card.roles == ("labels", "labels") else {}),
                "classes": [asdict(c) for c in self.card.classes],
                "modes": self.images.modes,
                "target_side": self.target_side,
                "source": self.source,
                "size_px": size_px,
            }
        )

    def file_notes(self) -> list[str]:
        """What is left out, what is converted on reading, and pairs that are in two splits, a line each."""
        said = [f"left out: {line}" for line in self.images.left_out()]
        for split, count in self.splits.items():
            for change, files in self.images.changes(split, range(count)).items():
                said.append(f"{files} files of split {split} are {change}")
        said += [
            f"{domain}: networks see {low:g} to {high:g} ({how}); values outside are cut to it there, and "
            "compared as they are"
            for domain, low, high, how in self.ranges
        ]
        if self.source_channels not in (1, 3):
            seen = "the first" if self.source_channels == 2 else "the first three"
            said.append(f"sources have {self.source_channels} channels: figures show {seen}")
        said += little_used(self.card.domains, self.images)
        said += repeated(self.images.found.splits) if self.images.found is not None else []
        return [shown(line) for line in said]

    def own_sizes(self, split: str, limit: int | None = None) -> list[ImageSize]:
        """The size of each pair (of one side) before it is resized; reads headers only."""
        return self.images.own_sizes(split, self._indices(split, limit))

    def squeezed(self, size_px: Size, split: str, limit: int | None = None) -> str | None:
        """What happens to the aspect of a split's images at `size_px`, in words; None where it stays."""
        used = self._indices(split, limit)
        looked_at = used[:: -(-len(used) // LOOKED_AT)] if used else []
        return squeezed(self.images.own_sizes(split, looked_at), size_px, len(used))

    def _sampler(self, split: str, indices: Sequence[int], size_px: Size) -> Callable[[int], Sample]:
        def read(place: int) -> Sample:
            sides = self.images.read(split, indices[place], size_px)
            target, labels = sides[self.target_side if len(sides) == 2 else 0], self._labels(sides)
            if self.unpaired:
                return Sample(sides[1 - self.target_side].image, target.image, None, target.values)
            if self.source == "paired":
                return Sample(sides[1 - self.target_side].image, target.image, labels, target.values)
            return Sample(derive(self.source, target.image), target.image, labels, target.values)

        return read

    def _labels(self, sides: Sequence[readers.SideArrays]) -> NDArray[np.uint8] | None:
        """The label map that predictions are held against: the target's if it is one, else the source's."""
        first = sides[self.target_side if len(sides) == 2 else 0]
        return next((side.labels for side in (first, *sides) if side.labels is not None), None)

    def file_labels(self, split: str, limit: int | None = None) -> Callable[[int], NDArray[np.uint8]]:
        """A function that reads the label map of pair i of a split: (h, w) uint8 train ids, as in its file.

        Raises:
            UsageError: when called, if the file is damaged or not a label map.
        """
        indices = self._indices(split, limit)

        def read(place: int) -> NDArray[np.uint8]:
            labels = self._labels(self.images.read(split, indices[place], None))
            if labels is None:
                raise UsageError(f"expected label maps in {self.name}, found none")
            return labels

        return read

    def _indices(self, split: str, limit: int | None) -> list[int]:
        total = self.splits[split]
        if limit is None or limit >= total:
            return list(range(total))
        return [i * total // limit for i in range(limit)]

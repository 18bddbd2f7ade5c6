"""A test split of foreign images: `gather` has matched and checked them, they are read here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import Size, is_native, size_of
from bench.core.errors import UsageError
from bench.core.images import in_eight_bits
from bench.core.progress import Progress
from bench.data import readers
from bench.data.cache import FileHashes, Sample, digest, load_split
from bench.data.image_file import decode
from bench.data.types import VOID, DataRange, DatasetCard, Role, SplitArrays
from bench.spec.pairs_used import even_indices
from bench.spec.run_spec import DataSpec
from bench.stages.imported.match import Matched, Part

AsMode = Literal["colour", "gray"]
_NO_SOURCE = np.zeros((1, 1, 1), np.uint8)
_FEW = 16  # predicted label maps in which void is counted beforehand
_SHOWN_IN_8_BITS: tuple[readers.Mode, ...] = ("16-bit colour", "float", "float colour")


@dataclass(frozen=True)
class ForeignImages:
    """Matched and checked images, ready to read.

    Attributes:
        card: palette, classes and roles.
        data: what records say about the test images.
        rows: (name, folder) of the predictions.
        size_px: size of the images; "native": each its own.
        matched: files by stem.
        modes: expected mode of each part ("prediction" first).
        resized_from: size of the predictions if `--size` changes it, such as "512x256"; else None.
        train_targets: real training targets, or ().
        aspect_changed: what `--size` does to the aspect of images, in words; None where it stays.
        as_mode: what gray and colour images are converted to, or None.
        data_range: of 16-bit and float values; None for 8-bit images.
        changes: what is converted on reading, and palettes read by colour: equal files have given other
            pixels.
        notes: what is left out, converted or read in a special way, a line each.
    """

    card: DatasetCard
    data: DataSpec
    rows: tuple[tuple[str, Path], ...]
    size_px: Size
    matched: Matched
    modes: dict[Part, readers.Mode]
    resized_from: str | None
    train_targets: tuple[Path, ...]
    hashes: FileHashes = field(repr=False)
    aspect_changed: str | None = None
    as_mode: AsMode | None = None
    data_range: DataRange | None = None
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def target_role(self) -> Role:
        return roles_of(self.card, self.data.direction)[1]

    @property
    def mixed(self) -> bool:
        """Whether each image has its own size."""
        return is_native(self.size_px)

    @property
    def has_sources(self) -> bool:
        return "source" in self.matched.parts

    def test(self, cache: Path, progress: Progress | None = None) -> SplitArrays:
        """Targets, labels and sources as a split; missing sources are one black pixel each."""
        parts = self.matched.parts
        content = {part: self.hashes.hashes(files) for part, files in parts.items()}
        key = digest([readers.READER_VERSION, self.matched.names, content, self._reading])

        def read(index: int) -> Sample:
            target = self._read("target", parts["target"][index])
            source = self._read("source", parts["source"][index]) if self.has_sources else None
            values = target.image if self.modes["target"] in _SHOWN_IN_8_BITS else None
            size = size_of(target.image.shape) if self.mixed else self.size_px
            labels = self._side("labels", parts["labels"][index], size).labels if "labels" in parts else None
            if labels is None:
                labels = target.labels if source is None or target.labels is not None else source.labels
            shown = _NO_SOURCE if source is None else self._shown("source", source.image)
            return Sample(shown, self._shown("target", target.image), labels, values)

        return load_split(cache, key, self.matched.names, read, progress, mixed=self.mixed)

    def train(self, cache: Path, progress: Progress | None = None) -> NDArray[np.uint8] | None:
        """(N, S, S, C) training targets, or None if no folder was named."""
        if not self.train_targets:
            return None
        files = self.train_targets
        key = digest([readers.READER_VERSION, "train", self.hashes.hashes(files), self._reading])

        def read(index: int) -> Sample:
            return Sample(_NO_SOURCE, self._shown("target", self._read("target", files[index]).image), None)

        names = tuple(file.stem for file in files)
        return load_split(cache, key, names, read, progress, mixed=self.mixed).target

    def labels_at(self, size_px: Size | None) -> Callable[[int], NDArray[np.uint8]] | None:
        """Index in the test split -> (h, w) train ids; None without label maps.

        Args:
            size_px: size that they are resized to (nearest); None: as large as in their file.
        """
        part: Part = "labels" if "labels" in self.matched.parts else "source"
        files = self.matched.parts.get(part)
        if files is None or (part == "source" and roles_of(self.card, self.data.direction)[0] != "labels"):
            return None

        def read(index: int) -> NDArray[np.uint8]:
            labels = self._side(part, files[index], size_px).labels
            assert labels is not None
            return labels

        return read

    def prediction(self, row: int) -> Callable[[int], NDArray[Any]]:
        """Index in the test split -> (S, S, C) image of one folder, with the values of its file."""
        files = self.matched.predictions[row]
        return lambda index: self._read("prediction", files[index]).image

    def predicted_void(self, row: int) -> float | None:
        """Share of void in a few of one folder's predicted label maps; None if they hold no values."""
        if self.target_role != "labels" or self.modes["prediction"] not in ("ids", "train ids"):
            return None
        files = self.matched.predictions[row]
        few = [files[i] for i in even_indices(len(files), min(_FEW, len(files)))]
        labels = [self._read("prediction", file).labels for file in few]
        return float(np.mean([(one == VOID).mean() for one in labels if one is not None]))

    def source(self) -> Callable[[int], NDArray[Any]]:
        """Index in the test split -> (S, S, C) source, with its file's values if targets have such values."""
        exact = self.modes["source"] == self.modes["target"]
        files = self.matched.parts["source"]

        def read(index: int) -> NDArray[Any]:
            image = self._read("source", files[index]).image
            return image if exact else self._shown("source", image)

        return read

    def shown(self, images: Callable[[int], NDArray[Any]]) -> Callable[[int], NDArray[Any]]:
        """`images` in 8 bits where a PNG cannot hold their values, for people to look at."""
        return lambda index: self._shown("target", images(index))

    def _shown(self, part: Part, image: NDArray[Any]) -> NDArray[Any]:
        if image.dtype == np.uint8 or self.modes[part] not in _SHOWN_IN_8_BITS or self.data_range is None:
            return image
        return in_eight_bits(image, self.data_range.low, self.data_range.high)

    def fingerprint(self, row: int) -> str:
        """Content hash of one folder's predictions."""
        return digest(self.hashes.hashes(self.matched.predictions[row]))

    @property
    def _reading(self) -> list[Any]:
        classes = [asdict(entry) for entry in self.card.classes]
        about = [classes, self.card.roles, self.data.direction, sorted(self.modes.items()), self.size_px]
        return about + [str(one) for one in (self.as_mode, self.data_range, *self.changes) if one is not None]

    def _read(self, part: Part, file: Path) -> readers.SideArrays:
        return self._side(part, file, self.size_px)

    def _side(self, part: Part, file: Path, size_px: Size | None) -> readers.SideArrays:
        source_role, target_role = roles_of(self.card, self.data.direction)
        as_role: dict[Part, Role] = {"source": source_role, "labels": "labels"}
        role = as_role.get(part, target_role)
        reader = readers.PairReader(self.card, False, (), (f"the other {part} images",))
        image = decode(file)
        if self.as_mode is not None and role != "labels":
            image = image.as_mode(self.as_mode)
        if self.modes[part] == "float":
            image = image.as_floats()
        return reader.side(image, file, role, self.modes[part], size_px)


def roles_of(card: DatasetCard, direction: str) -> tuple[Role, Role]:
    """Roles of source and target in `direction`."""
    (left, right), (left_role, right_role) = card.domains, card.roles
    known = {f"{left}2{right}": (left_role, right_role), f"{right}2{left}": (right_role, left_role)}
    if direction not in known:
        raise UsageError(
            f"expected a --direction of {card.name} among {', '.join(known)}, found '{direction}'"
        )
    return known[direction]

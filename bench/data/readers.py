"""Reads one pair: decode, check, split, resize.

Photos are resized bicubic (Pillow, antialiased) to the size asked for, and squeezed where it has another
aspect. Label maps are resized nearest, as colours and as ids alike. So are palette images, and images of 16
bits or floats: they hold measurements (depth), where a mean of foreground and background, or of a distance
and 0 for "none", has no meaning. `bench.data.image_file` says how a file's values are read. Colours are
taken to sRGB from their profile (ICC), those of label maps are codes and stay.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from baselines.sizes import ImageSize, Size, size_for
from bench.core.errors import UsageError
from bench.data.image_file import Header, ImageFile, Kind, decode, header
from bench.data.label_maps import (
    LabelMode,
    check_values,
    colours_decide,
    is_by_colour,
    label_mode,
    lossy_labels,
    tables,
)
from bench.data.layouts import Pair
from bench.data.measured import in_levels
from bench.data.palette import decode_colours
from bench.data.side_by_side import NOT_SQUARE, Shape, cut, usual_shape
from bench.data.types import DataRange, DatasetCard, Role

READER_VERSION = "1"  # raise it when the same files give other pixels
Mode = LabelMode | Literal[
    "gray", "16-bit", "16-bit colour", "float", "float colour",
    "channels", "16-bit channels", "float channels",
]  # fmt: skip


@dataclass(frozen=True)
class SideArrays:
    """One side of a pair, read and resized.

    Attributes:
        image: (H, W, C) uint8, uint16 or float32; label maps in colours; measurements in levels.
        labels: (H, W) uint8 train ids with 255 = void, for label maps only.
        values: (H, W, C) of the files, where `image` holds levels (`bench.data.measured`).
    """

    image: NDArray[Any]
    labels: NDArray[np.uint8] | None = None
    values: NDArray[Any] | None = None


@dataclass(frozen=True)
class PairReader:
    """Reads pairs of one data set. All must have the image mode of its first pair (or of its card).

    Attributes:
        card: roles, palette.
        side_by_side: one file holds both halves.
        modes: expected mode of the left and the right side; one entry for plain photos.
        references: for messages, the file, half or card that sets the expected mode of each side.
        halves: the shape of most halves of side-by-side files.
        channels: of each side's images, as networks see them.
        ranges: of each side whose values become levels; None: they stay as they are.
    """

    card: DatasetCard
    side_by_side: bool
    modes: tuple[Mode, ...]
    references: tuple[str, ...]
    halves: Shape = "square"
    channels: tuple[int, ...] = (3, 3)
    ranges: tuple[DataRange | None, ...] = (None, None)

    @classmethod
    def for_pairs(cls, card: DatasetCard, pairs: Sequence[Pair], layout: str) -> PairReader:
        """A reader that expects the modes of the first of `pairs`, all of the data set (reads only its
        headers).

        Raises:
            UsageError: if they are not those of the card.
        """
        first = pairs[0]
        side_by_side = len(first.files) == 1 and layout != "photos"
        roles = _roles(card, layout)
        files = first.files * 2 if len(first.files) == 1 else first.files
        headers = [header(file, channels=True) for file in files]
        modes = [
            classify(about.kind, role, file) for about, role, file in zip(headers, roles, files, strict=False)
        ]
        wanted = card.options.mode
        for side, (mode, role) in enumerate(zip(tuple(modes), roles, strict=False)):
            if role == "labels":
                if mode == "ids":
                    modes[side] = label_mode(
                        card, [pair.files[min(side, len(pair.files) - 1)] for pair in pairs]
                    )
            elif wanted and mode != wanted:
                raise UsageError(
                    f"expected {wanted} images in {card.name}, found {files[side]} ({mode}): convert it"
                )
        halves = usual_shape(pairs) if side_by_side else "square"
        channels = tuple(
            about.channels or _channels(mode, role)
            for about, mode, role in zip(headers, modes, roles, strict=False)
        )
        references = tuple(_half(file, side if side_by_side else None) for side, file in enumerate(files))
        return cls(card, side_by_side, tuple(modes), references, halves, channels)

    @cached_property
    def _tables(self) -> dict[Mode, tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]]:
        return {"ids": tables(self.card, "ids"), "train ids": tables(self.card, "train ids")}

    def read(self, pair: Pair, size_px: Size | None) -> tuple[SideArrays, ...]:
        """Left and right side of `pair` at `size_px` (None: its own size); one side for a plain photo.

        Raises:
            UsageError: naming a file that is damaged, has an unexpected mode or size, or holds label values
                outside the classes.
        """
        images = self.decoded(pair)
        files = pair.files * 2 if self.side_by_side else pair.files
        if len(images) == 2 and images[0].size != images[1].size:
            raise UsageError(
                f"expected both halves of a pair in one size, found {_size(images[0])} in {files[0]} and "
                f"{_size(images[1])} in {files[1]}: resize one"
            )
        roles = _roles(self.card, "pairs" if len(images) == 2 else "photos")
        sides = enumerate(zip(images, files, roles, self.modes, strict=True))
        return tuple(
            self.side(*of_side, size_px, place, self.channels[place], self.ranges[place])
            for place, of_side in sides
        )

    def decoded(self, pair: Pair) -> list[ImageFile]:
        """The images of a pair as they are stored: left and right, or one plain photo."""
        images = [decode(file, channels=True) for file in pair.files]
        return cut(images[0], pair.files[0], self.halves) if self.side_by_side else images

    def changes(self, pairs: Sequence[Pair]) -> dict[str, int]:
        """What is converted when `pairs` are read (`facts`), in words -> number of files; reads headers.

        Raises:
            UsageError: naming a file that is damaged, or that holds label values and does not keep them.
        """
        files = sorted({file for pair in pairs for file in pair.files})
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            headers = dict(zip(files, pool.map(partial(header, channels=True), files), strict=True))
        found: dict[str, int] = {}
        roles = _roles(self.card, "photos" if len(self.modes) == 1 else "pairs")
        for side, (role, mode) in enumerate(zip(roles, self.modes, strict=False)):
            of_side = [pair.files[min(side, len(pair.files) - 1)] for pair in pairs]
            named = facts([(headers[file], file) for file in of_side], role, mode, self.card)
            found |= {change: found.get(change, 0) + len(who) for change, who in named.items()}
        if self.side_by_side and self.halves != "square":
            found[NOT_SQUARE] = len(files)
        return found

    def side(
        self,
        image: ImageFile,
        file: Path,
        role: Role,
        mode: Mode,
        size_px: Size | None,
        place: int = 0,
        channels: int | None = None,
        known: DataRange | None = None,
    ) -> SideArrays:
        """One decoded image as `role` at `size_px`; it must have `mode`, and `channels` if those are told.

        `place`: 0 left, 1 right side. With a range its values become levels.
        """
        found = classify(image.kind, role, file)
        if found != mode and not (found == "ids" and mode in ("train ids", "gray colours")):
            here = _half(file, place if self.side_by_side else None)
            raise UsageError(
                f"expected a {mode} image as in {self.references[place]}, found {here} ({found}): convert it"
            )
        if role == "labels":
            return self._labels(image, file, mode, size_px)
        smooth = mode in ("colour", "gray") and image.palette is None
        how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        values = resized(image.coloured().in_srgb().values, size_px, how)
        if channels is not None and values.shape[-1] != channels:
            raise UsageError(
                f"expected {channels} channels as in {self.references[place]}, found {values.shape[-1]} in "
                f"{file}: save all with the same"
            )
        return SideArrays(values) if known is None else SideArrays(in_levels(values, known), None, values)

    def _labels(self, image: ImageFile, file: Path, mode: Mode, size_px: Size | None) -> SideArrays:
        values_mean: LabelMode = "train ids" if mode == "train ids" else "ids"
        by_colour = mode == "colour" or is_by_colour(image, file, self.card, values_mean)
        if image.palette is not None and mode == "gray colours":
            mode = "ids"  # indices, not levels
        if not by_colour and mode != "gray colours":
            check_values(image, file, self.card, "train ids" if mode == "train ids" else "ids")
        nearest = Image.Resampling.NEAREST
        if by_colour:
            colours = resized(image.coloured().values, size_px, nearest)
            return SideArrays(colours, decode_colours(colours, self.card))
        values = resized(image.values, size_px, nearest)
        if mode == "gray colours":
            colours = np.repeat(values, 3, axis=-1)
            return SideArrays(colours, decode_colours(colours, self.card))
        train_ids, by_value, _ = self._tables[mode]
        return SideArrays(by_value[values[..., 0]], train_ids[values[..., 0]])


def classify(kind: Kind, role: Role, file: Path) -> Mode:
    """How a file of `kind` is read as `role`; label maps may be id-coded (single channel or palette).

    Raises:
        UsageError: for a label map in 16 bits or floats.
    """
    if role == "labels":
        if kind in ("palette", "gray"):
            return "ids"
        if kind != "colour":
            raise UsageError(
                f"expected RGB colours or single-channel ids, found {kind} values in {file}: save ids with "
                "8 bits"
            )
    return "colour" if kind == "palette" else kind


def facts(
    headers: Iterable[tuple[Header, Path]], role: Role, mode: Mode, card: DatasetCard | None
) -> dict[str, list[Path]]:
    """What is converted on reading, in words -> files.

    Raises:
        UsageError: if label values are in files that do not keep them.
    """
    found: dict[str, list[Path]] = {}
    for about, file in headers:
        said = None
        if role == "labels":
            if about.lossy and mode in ("ids", "train ids"):
                raise lossy_labels(file)
            by_colour = about.kind == "palette" and card and colours_decide(about.palette, card, mode)
            said = "read by their palette's colours" if by_colour else None
        elif about.cmyk:
            said = f"converted from CMYK ({about.profile or 'no profile'}) to sRGB"
        elif about.profile is not None and about.kind == "colour":
            said = f"converted from the colour profile {about.profile} to sRGB"
        if said:
            found.setdefault(said, []).append(file)
    return found


def _channels(mode: Mode, role: Role) -> int:
    return 3 if role == "labels" or mode.endswith("colour") else 1


def _roles(card: DatasetCard, layout: str) -> tuple[Role, ...]:
    return ("photo",) if layout == "photos" else card.roles


def resized(values: NDArray[Any], size_px: Size | None, how: Image.Resampling) -> NDArray[Any]:
    """(H, W, C) values at `size_px`; None: as they are."""
    height, width = values.shape[:2]
    to = size_for(size_px, ImageSize(width, height))
    if (to.width, to.height) == (width, height):
        return np.ascontiguousarray(values)
    if values.dtype != np.uint8 and values.shape[-1] > 1:  # Pillow has no such image
        planes = [resized(values[..., [channel]], size_px, how) for channel in range(values.shape[-1])]
        return np.concatenate(planes, axis=-1)
    plane = values[..., 0] if values.shape[-1] == 1 else values
    made = np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize((to.width, to.height), how))
    return made.astype(values.dtype)[..., None] if made.ndim == 2 else made


def _half(file: Path, side: int | None) -> str:
    """A file, or the half of it that is `side`, in words."""
    return str(file) if side is None else f"the {('left', 'right')[side]} half of {file}"


def _size(image: ImageFile) -> str:
    return f"{image.size[0]}x{image.size[1]}"

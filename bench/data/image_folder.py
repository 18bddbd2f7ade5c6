"""Reads single images from any folder, as sources for a trained generator: no pairs, no card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from baselines.sizes import Size
from baselines.translate import Units
from bench.core.errors import UsageError
from bench.data.image_file import Kind, decode, header
from bench.data.label_maps import label_mode
from bench.data.layouts import images
from bench.data.left_out import left_out
from bench.data.measured import in_levels
from bench.data.names import normal, told_apart
from bench.data.readers import PairReader, classify, facts, resized
from bench.data.types import DataRange, DatasetCard, LabelValues


def list_images(folder: Path) -> list[Path]:
    """The images of `folder`, in natural order, their stems unique.

    Raises:
        UsageError: if the folder does not exist, holds no image, or holds two with the same stem.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of images at {folder}, found none: check --images")
    files = images(folder)
    if not files:
        raise UsageError(f"expected images in {folder}, found none: check --images")
    stems: dict[str, Path] = {}
    for file in files:
        if (stem := normal(file.stem)) in stems:
            raise UsageError(f"expected each stem once, found {told_apart(stems[stem], file)}: rename one")
        stems[stem] = file
    return files


def notes_on(files: list[Path]) -> list[str]:
    """What lies beside `files` and is left out, and what is converted on reading, a line each."""
    said = [f"left out: {line}" for line in left_out(files)]
    found = facts(((header(file, channels=True), file) for file in files), "image", "colour", None)
    return said + [f"{len(who)} images are {change}, such as {who[0]}" for change, who in found.items()]


def read_images(
    files: list[Path],
    *,
    size_px: Size,
    channels: int,
    sample_type: str,
    nearest: bool,
    card: DatasetCard | None = None,
    label_values: LabelValues | None = None,
    units: Units | None = None,
) -> Iterator[tuple[str, NDArray[Any]]]:
    """(stem, (H, W, channels) image at `size_px`) of each file, one at a time, as training reads sources.

    Images are converted to colour or gray as `channels` asks. Palette images are read in their palette's
    colours and resized with nearest neighbour; with `nearest` (label maps) all images are.

    Args:
        card: the card of label maps: their ids become its colours. Without one, only colours are taken.
        label_values: what their single-channel files hold; None: as `bench.data.label_maps` finds it.
        units: what levels stand for, where training read such sources; None: values stay as they are.

    Raises:
        UsageError: naming a file that cannot be read, that has 16 bits instead of 8 or 8 instead of 16, or
            that holds ids where no card says their colours.
    """
    if nearest and channels == 3 and sample_type == "uint8":
        yield from _read_labels(files, size_px, card, label_values)
        return
    if units is not None or channels not in (1, 3) or (channels, sample_type) == (3, "uint16"):
        yield from _read_measured(files, size_px, channels, sample_type, units)
        return
    for file in files:
        image = decode(file)
        smooth = not nearest and image.palette is None
        if image.kind not in _TYPES or _TYPES[image.kind] != sample_type:
            raise UsageError(
                f"expected {sample_type} images, as in this checkpoint's training, found {file} "
                f"({_words(image.kind)}): convert it"
            )
        if sample_type == "uint16":
            yield normal(file.stem), resized(image.values, size_px, Image.Resampling.NEAREST)
            continue
        how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        yield (
            normal(file.stem),
            resized(image.as_mode("colour" if channels == 3 else "gray").values, size_px, how),
        )


_TYPES: dict[Kind, str] = {"colour": "uint8", "gray": "uint8", "palette": "uint8", "16-bit": "uint16"}


def _words(kind: Kind) -> str:
    return "8-bit" if _TYPES.get(kind) == "uint8" else kind


def _read_measured(
    files: list[Path], size_px: Size, channels: int, sample_type: str, units: Units | None
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Measurements, or images of many channels: they must be of the kind that training saw."""
    for file in files:
        image = decode(file, channels=True)
        found, there = image.kind, image.values.shape[-1]
        fits = found == units.kind if units is not None else image.values.dtype == sample_type
        if not fits or there != channels:
            kind = units.kind if units is not None else sample_type
            raise UsageError(
                f"expected {kind} images of {channels} channels, as in this checkpoint's training, found "
                f"{file} ({found}, {there} channels): convert it"
            )
        values = resized(image.values, size_px, Image.Resampling.NEAREST)
        known = None if units is None else DataRange(units.low, units.high, "of training")
        yield normal(file.stem), values if known is None else in_levels(values, known)


def _read_labels(
    files: list[Path], size_px: Size, card: DatasetCard | None, chosen: LabelValues | None
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Label maps in the card's colours: by their values where they are gray, else as they are coloured."""
    gray = [file for file in files if header(file).kind == "gray"]
    if card is None and gray:
        raise UsageError(
            f"expected label maps in colours, as in this checkpoint's training, found {gray[0]} (gray "
            "values): name the "
            "card that says their colours by --dataset"
        )
    values = label_mode(card, gray, chosen) if card is not None and gray else "ids"
    for file in files:
        image = decode(file)
        mode = classify(image.kind, "labels", file)
        if card is None or mode == "colour":
            yield normal(file.stem), resized(image.coloured().values, size_px, Image.Resampling.NEAREST)
            continue
        reader = PairReader(card, False, (), (f"card {card.name}",))
        yield normal(file.stem), reader.side(image, file, "labels", values, size_px).image

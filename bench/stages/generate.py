"""From a checkpoint to images: the whole test split of a run, or any folder of new sources."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.engine import resolve_device
from baselines.geometry import check_sides
from baselines.settings import TestSettings
from baselines.sizes import ImageSize, Size, size_for
from baselines.translate import Checkpoint, load_checkpoint, translations
from bench.core.errors import UsageError
from bench.core.files import whole_folder
from bench.core.progress import Advance
from bench.data.aspect import squeezed
from bench.data.image_file import header
from bench.data.image_folder import list_images, read_images
from bench.data.measured import in_units, is_float
from bench.data.names import normal
from bench.data.types import DataRange, DatasetCard, LabelValues, SplitArrays
from bench.records.output_folder import RunFiles
from bench.stages.write_ahead import Writer, writing_threads


def image_seed(seed: int, name: str) -> int:
    """Seed of one image's dropout at test time: a function of the run's seed and the image's stem."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:7], "big")


def run_checkpoint(files: RunFiles, device: str) -> Checkpoint:
    """The generator of a run, on a torch device.

    Raises:
        UsageError: if it is damaged.
    """
    try:
        return load_checkpoint(files.checkpoint, resolve_device(device))
    except ValueError as error:
        raise UsageError(f"{error}: delete it to train this run again") from None


def generate_split(
    checkpoint: Checkpoint,
    split: SplitArrays,
    test: TestSettings,
    seed: int,
    destination: Path,
    advance: Advance,
) -> None:
    """Write `destination/<stem>.png` for every pair of `split`; the folder appears whole or not at all."""
    write_predictions(
        partial(translations, checkpoint, test=test),
        split.names,
        split.source,
        seed,
        destination,
        _device_of(checkpoint),
        lambda done: advance(done, ""),
    )


def _device_of(checkpoint: Checkpoint) -> torch.device:
    return next(checkpoint.generator.parameters()).device


Translate = Callable[[Iterable[tuple[NDArray[Any], int]]], Iterator[NDArray[Any]]]
"""Sources, each with the seed of what is random -> their predictions, in order."""


def write_predictions(
    translate: Translate,
    names: Sequence[str],
    images: Iterable[NDArray[Any]],
    seed: int,
    folder: Path,
    device: torch.device,
    progress: Callable[[int], None],
) -> None:
    """Write `folder/<name>.png` (floats: `.tif`) for every image; the folder appears whole or not at all.

    Args:
        seed: of the row; each image gets one of its own from it.
        device: where `translate` computes.
        progress: called with how many are done.
    """
    sources = zip(images, (image_seed(seed, name) for name in names), strict=True)
    with whole_folder(folder) as unfinished, Writer(writing_threads(device)) as writer:
        made = zip(names, translate(sources), strict=True)
        for done, (name, image) in enumerate(made, start=1):
            ending = "tif" if image.dtype == np.float32 else "png"
            writer.put(unfinished / f"{name}.{ending}", image)
            progress(done)


def translate_folder(
    checkpoint: Checkpoint,
    images: Path,
    out: Path,
    test: TestSettings,
    seed: int,
    progress: Callable[[int, int], None],
    size_px: Size | None = None,
    card: DatasetCard | None = None,
    label_values: LabelValues | None = None,
) -> tuple[int, str | None]:
    """Translate every image of the folder `images` into `out/<stem>.png`, floats into `out/<stem>.tif`.

    Images are read as the checkpoint's training read its sources: resized to its size (or to `size_px`) in
    the same way, gray or colour by its channels, ids of label maps in the colours of `card`.

    Returns: how many, and what happened to their aspect, in words; None where it stayed.

    Raises:
        UsageError: for a missing or empty folder, an image that cannot be read (it is named), ids without a
            card, or an `out` that exists; nothing is written then.
    """
    if checkpoint.stacked:
        raise UsageError(
            f"expected a checkpoint that takes one image, found one for {', '.join(checkpoint.stacked)} "
            "together: make a data set with the new images as its test split, and generate OUT of its run"
        )
    if out.exists():
        raise UsageError(f"expected a new folder for --to {out}, found one: choose another")
    files = list_images(images)
    size_px = checkpoint.settings.size_px if size_px is None else size_px
    sizes = [ImageSize(*header(file, channels=True).size) for file in files]
    _check_sizes(files, sizes, size_px)
    aspect = squeezed(sizes, size_px)
    read = read_images(
        files,
        size_px=size_px,
        channels=checkpoint.source_channels,
        sample_type=checkpoint.source_dtype,
        nearest=checkpoint.source_resize == "nearest",
        card=card,
        label_values=label_values,
        units=checkpoint.source_units,
    )
    names, sources = [normal(file.stem) for file in files], (image for _, image in read)
    write_predictions(
        partial(_in_units, checkpoint, test),
        names,
        sources,
        seed,
        out,
        _device_of(checkpoint),
        lambda done: progress(done, len(files)),
    )
    return len(files), aspect


def _in_units(
    checkpoint: Checkpoint, test: TestSettings, asked: Iterable[tuple[NDArray[Any], int]]
) -> Iterator[NDArray[Any]]:
    """Translations in the units of the training's targets: floats as floats, 16 bits rounded."""
    units = checkpoint.target_units
    for image in translations(checkpoint, asked, test):
        if units is None:
            yield image
            continue
        made = in_units(image, DataRange(units.low, units.high, "of training"))
        yield made if is_float(units.kind) else np.rint(made).astype(np.uint16)


def _check_sizes(files: list[Path], sizes: list[ImageSize], size_px: Size) -> None:
    """Refuse images that are translated at a size that no generator is built for, naming the first."""
    for file, size in zip(files, sizes, strict=True):
        try:
            check_sides(size_for(size_px, size))
        except ValueError as error:
            raise UsageError(f"{error} for {file} ({size}): give one --size for all images") from None

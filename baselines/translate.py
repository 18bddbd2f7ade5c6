"""Saves and loads trained generators and applies them to new images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.build import build_generator
from baselines.checksummed import DamagedFileError, load_checked, save_checked
from baselines.documents import stated
from baselines.engine import arithmetic, autocast
from baselines.layers import BatchNorm, Dropout
from baselines.pairs import to_image, to_tensor
from baselines.settings import TestSettings, TrainingSettings
from baselines.variants import Variant

_FORMAT = "pix2pix-bench generator 2"
_UNITS = ("source_units", "target_units")


@dataclass(frozen=True)
class Units:
    """What the levels 0 to 65,535 of a side stand for.

    Attributes:
        low, high: the values of the lowest and the highest level.
        kind: what the files of training held ("float", "16-bit channels", ...).
    """

    low: float
    high: float
    kind: str


@dataclass(frozen=True)
class Checkpoint:
    """A generator and everything needed to use it.

    Attributes:
        generator: in train mode, on its device.
        variant, settings: what it is and how it was trained.
        source_channels: channels it expects.
        source_dtype: "uint8" or "uint16": sample type of its training sources.
        source_resize: "bicubic" or "nearest" (label maps): how these were resized.
        target_dtype: sample type of the images it makes.
        identity: id of the run that made it.
        source_units, target_units: of sides that were read as levels of a range; None: as they are.
        stacked: names of the sources whose channels it takes together; empty: one image.
    """

    generator: nn.Module
    variant: Variant
    settings: TrainingSettings
    source_channels: int
    source_dtype: str
    source_resize: str
    target_dtype: str
    identity: str
    source_units: Units | None = None
    target_units: Units | None = None
    stacked: tuple[str, ...] = ()


def target_channels(generator: nn.Module) -> int:
    """Channels of the images that a generator of `build_generator` makes."""
    return int(generator.target_channels)  # type: ignore[arg-type]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write weights and description to `path` (`baselines.checksummed`)."""
    about = {
        "format": _FORMAT,
        "variant": stated(checkpoint.variant),
        "settings": stated(checkpoint.settings),
        "source_channels": checkpoint.source_channels,
        "source_dtype": checkpoint.source_dtype,
        "source_resize": checkpoint.source_resize,
        "target_channels": target_channels(checkpoint.generator),
        "target_dtype": checkpoint.target_dtype,
        "identity": checkpoint.identity,
    }
    for name in _UNITS:
        if (units := getattr(checkpoint, name)) is not None:
            about[name] = asdict(units)
    if checkpoint.stacked:
        about["stacked"] = list(checkpoint.stacked)
    save_checked(path, checkpoint.generator.state_dict(), about)


def load_checkpoint(path: Path, device: torch.device) -> Checkpoint:
    """Read a checkpoint written by `save_checkpoint`.

    Raises:
        ValueError: if the file is not a checkpoint, or is damaged.
    """
    try:
        weights, about = load_checked(path)
    except DamagedFileError as error:
        raise ValueError(f"expected a generator checkpoint (safetensors) in {path}: {error}") from error
    if about.get("format") != _FORMAT:
        raise ValueError(
            f"expected a generator checkpoint of format '{_FORMAT}' in {path}, found another file"
        )
    try:
        variant, settings = Variant.from_document(about["variant"]), TrainingSettings(**about["settings"])
        channels = about["source_channels"], about["target_channels"]
        _check_shapes(variant, settings, channels, weights)
        generator = build_generator(variant, settings, *channels)
        generator.load_state_dict(weights)
        return Checkpoint(
            generator.to(device).train(),
            variant,
            settings,
            about["source_channels"],
            about["source_dtype"],
            about["source_resize"],
            about["target_dtype"],
            about["identity"],
            **{name: Units(**about[name]) for name in _UNITS if name in about},
            stacked=tuple(about.get("stacked", ())),
        )
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, AttributeError) as error:
        said = str(error).partition("\n")[0]  # torch lists every weight that does not fit
        raise ValueError(f"generator checkpoint {path} is damaged: {said}") from error


def _check_shapes(
    variant: Variant, settings: TrainingSettings, channels: tuple[int, int], weights: Mapping[str, Tensor]
) -> None:
    """Refuse, before it takes memory, a network whose weights are not those in the file."""
    with torch.device("meta"):
        described = build_generator(variant, settings, *channels).state_dict()
    if {name: value.shape for name, value in described.items()} != {
        name: value.shape for name, value in weights.items()
    }:
        raise ValueError("its weights are not those of the network it describes")


BATCH_ON_GPU = 16
"""Images at once on a GPU. On a CPU it is one: there, rounding in convolutions depends on the batch size, so
the last bits of an image would depend on the other images of its batch."""


def translations(
    checkpoint: Checkpoint,
    sources: Iterable[tuple[NDArray[Any], int]],
    test: TestSettings,
    batch_size: int | None = None,
    *,
    truncated: bool = False,
) -> Iterator[NDArray[Any]]:
    """Yield the predictions for images in order. Each image is given with its dropout seed.

    An image has its own statistics and dropout seed, regardless of the training's batch size and of the other
    images in its batch: the prediction depends only on the source, the seed and the weights. `batch_size`:
    images at once; the default suits the device. `truncated`: see `to_image`.

    Shapes: (H, W, C) uint8 or uint16 of any size -> (H, W, C') of the checkpoint's `target_dtype`. Images
    that follow each other with one size go through the network together.
    """
    device = next(checkpoint.generator.parameters()).device
    batch_size = batch_size or (BATCH_ON_GPU if device.type == "cuda" else 1)
    remaining = iter(sources)
    while batch := list(islice(remaining, batch_size)):
        for _, alike in groupby(batch, key=lambda asked: asked[0].shape):
            yield from _translated(checkpoint, list(alike), test, device, truncated)


def _translated(
    checkpoint: Checkpoint,
    batch: Sequence[tuple[NDArray[Any], int]],
    test: TestSettings,
    device: torch.device,
    truncated: bool,
) -> NDArray[Any]:
    """(N, H, W, C') predictions for N images."""
    images = to_tensor(np.stack([source for source, _ in batch]), device)
    streams = [torch.Generator(device).manual_seed(seed) for _, seed in batch]
    precision = checkpoint.settings.precision
    mode = test_mode(checkpoint.generator, test, streams)
    with mode, torch.inference_mode(), arithmetic(precision), autocast(precision, device):
        prediction = checkpoint.generator(images)
    return to_image(prediction, np.dtype(checkpoint.target_dtype), truncated=truncated)


@contextmanager
def test_mode(generator: nn.Module, test: TestSettings, streams: Sequence[torch.Generator]) -> Iterator[None]:
    """Set dropout (off, or on with a stream for each image) and normalisation (by an image's own statistics,
    or by the running ones, which do not change)."""
    norms = [layer for layer in generator.modules() if isinstance(layer, BatchNorm)]
    dropouts = [layer for layer in generator.modules() if isinstance(layer, Dropout)]
    for dropout in dropouts:
        dropout.train(test.dropout)
        dropout.streams = streams
    for norm in norms:
        norm.train(test.norm == "batch")
        norm.each = True
    try:
        yield
    finally:
        generator.train()
        for dropout in dropouts:
            dropout.streams = None
        for norm in norms:
            norm.each = False

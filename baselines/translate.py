"""A trained generator as a file, and its application to new pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.checked import DamagedFileError, NoChecksumError, load_checked, save_checked
from baselines.engine import autocast
from baselines.generators import Generator
from baselines.geometry import depth
from baselines.pairs import to_picture, to_tensor
from baselines.settings import TestSettings, TrainingSettings
from baselines.trainer import build_generator
from baselines.variants import Variant

_FORMAT = "pix2pix-bench generator 2"  # 2: with a checksum
_OLDER = "pix2pix-bench generator 1"


class OlderFormatError(ValueError):
    """A generator of an older version: not damaged, but not read any more."""


@dataclass(frozen=True)
class Checkpoint:
    """A generator and all that is needed to use it.

    Attributes:
        generator: in train mode, on its device.
        variant, settings: what it is and how it was trained.
        source_channels: channels it expects.
        source_dtype: "uint8" or "uint16": sample type of the sources it was trained on.
        source_resize: "bicubic" or "nearest" (label maps): how those were resized.
        target_dtype: sample type of the pictures it makes.
        identity: id of the run that made it.
    """

    generator: Generator
    variant: Variant
    settings: TrainingSettings
    source_channels: int
    source_dtype: str
    source_resize: str
    target_dtype: str
    identity: str


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write weights and description to `path` (`baselines.checked`)."""
    about = {
        "format": _FORMAT,
        "variant": asdict(checkpoint.variant),
        "settings": asdict(checkpoint.settings),
        "source_channels": checkpoint.source_channels,
        "source_dtype": checkpoint.source_dtype,
        "source_resize": checkpoint.source_resize,
        "target_channels": checkpoint.generator.target_channels,
        "target_dtype": checkpoint.target_dtype,
        "identity": checkpoint.identity,
    }
    save_checked(path, checkpoint.generator.state_dict(), about)


def load_checkpoint(path: Path, device: torch.device) -> Checkpoint:
    """Read a checkpoint written by `save_checkpoint`.

    Raises:
        OlderFormatError: if an older version wrote the file.
        ValueError: if the file is none, or is damaged.
    """
    try:
        weights, about = load_checked(path)
    except NoChecksumError as error:
        if isinstance(error.about, dict) and error.about.get("format") == _OLDER:
            raise OlderFormatError(
                f"expected a generator of format '{_FORMAT}' in {path}, found '{_OLDER}' of an older one: "
                "use it with that version, or move it away and train again"
            ) from error
        raise ValueError(f"expected a generator checkpoint (safetensors) in {path}: {error}") from error
    except DamagedFileError as error:
        raise ValueError(f"expected a generator checkpoint (safetensors) in {path}: {error}") from error
    if about.get("format") != _FORMAT:
        raise ValueError(
            f"expected a generator checkpoint of format '{_FORMAT}' in {path}, found another file"
        )
    try:
        variant, settings = Variant(**about["variant"]), TrainingSettings(**about["settings"])
        channels = about["source_channels"], about["target_channels"]
        _check_widths(settings, channels, weights)
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
        )
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, AttributeError) as error:
        said = str(error).partition("\n")[0]  # torch lists every weight that does not fit
        raise ValueError(f"generator checkpoint {path} is damaged: {said}") from error


def _check_widths(
    settings: TrainingSettings, channels: tuple[int, int], weights: Mapping[str, Tensor]
) -> None:
    """Refuse, before it is built, a network that is wider than the weights that are there."""
    levels = depth(settings.size_px)
    names = "down.0.0.weight", f"down.{levels - 1}.1.weight", f"up.{levels - 1}.1.weight"
    first, deepest, last = (tuple(weights[name].shape) for name in names)
    if (first[1:2], deepest[:1], last[1:2]) != (channels[:1], (8 * settings.base_filters,), channels[1:]):
        raise ValueError("its weights are not those of the network it describes")


def translate(
    checkpoint: Checkpoint, source: NDArray[Any], test: TestSettings, image_seed: int
) -> NDArray[Any]:
    """The prediction for one picture.

    The picture has its own statistics and its own dropout seed, whatever the training's batch size
    was, so the prediction depends on nothing but the source, the seed and the weights.

    Shapes: (H, W, C) uint8 or uint16 -> (H, W, C') of the checkpoint's `target_dtype`.
    """
    device = next(checkpoint.generator.parameters()).device
    devices = [device] if device.type == "cuda" else []
    with _test_mode(checkpoint.generator, test), torch.inference_mode(), torch.random.fork_rng(devices):
        torch.manual_seed(image_seed)
        with autocast(checkpoint.settings.precision, device):
            prediction = checkpoint.generator(to_tensor(source[None], device))
    picture: NDArray[Any] = to_picture(prediction, np.dtype(checkpoint.target_dtype))[0]
    return picture


@contextmanager
def _test_mode(generator: Generator, test: TestSettings) -> Iterator[None]:
    """Dropout on or off; normalisation by the picture's own statistics, leaving the running ones alone."""
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    kept = [(layer.momentum, layer.num_batches_tracked) for layer in norms]
    for layer in generator.modules():
        if isinstance(layer, nn.Dropout):
            layer.train(test.dropout)
    for layer in norms:
        layer.train(test.norm == "batch")
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        generator.train()
        for layer, (momentum, batches) in zip(norms, kept, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, batches

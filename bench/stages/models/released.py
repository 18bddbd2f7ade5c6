"""`--model NAME=released:FILE`: generators of the released PyTorch code (`latest_net_G.pth`)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from baselines import released
from baselines.layers import parameter_count
from baselines.settings import TestSettings
from baselines.sizes import image_size
from baselines.translate import Checkpoint, translations
from bench.core.errors import UsageError
from bench.core.state_dict import WeightsError, read_state_dict
from bench.spec.models import Model
from bench.stages.models.opened import Images, Opened

_BYTES = ("truncated", "rounded")


def open_released(model: Model, images: Images, test: TestSettings, device: str) -> Opened:
    """The generator of `FILE[,netG=NET][,norm=NORM][,dropout=0|1][,ngf=N][,bytes=rounded]`.

    Test-time dropout and statistics are those of the grid; by default both as in the paper and in the
    released test.py. Floats become bytes by truncation, as `tensor2im` there does it, or by rounding, as
    here.

    Raises:
        UsageError: if the file holds no such generator, or it does not fit the images.
    """
    option = dict(model.options)
    to_bytes = option.pop("bytes", _BYTES[0])
    if to_bytes not in _BYTES:
        raise UsageError(f"model {model.name}: expected bytes={' or '.join(_BYTES)}, found '{to_bytes}'")
    if not option.get("ngf", "1").isdecimal():
        raise UsageError(f"model {model.name}: expected ngf to be a whole number, found '{option['ngf']}'")
    path = Path(model.where)
    try:
        weights = read_state_dict(path)
        architecture = released.recognised(weights, option)
        generator = released.load(weights, architecture)
    except (WeightsError, ValueError) as error:
        raise UsageError(f"model {model.name}, {path.name}: {error}") from None
    _check_fits(model, architecture, images)
    checkpoint = Checkpoint(
        generator.to(torch.device(device)),
        architecture.variant,
        architecture.settings,
        architecture.source_channels,
        "uint8",
        "bicubic",
        "uint8",
        model.name,
    )
    about = {
        "architecture": architecture.words,
        "parameters": parameter_count(generator),
        "bytes": to_bytes,
        "assumed": _assumed(architecture, option),
    }
    translate = partial(translations, checkpoint, test=test, truncated=to_bytes == "truncated")
    return Opened(translate, {name: value for name, value in about.items() if value})


def _assumed(architecture: released.Architecture, option: dict[str, str]) -> str:
    """What the weights do not tell and no option says, in words."""
    if architecture.net.startswith("unet") and "dropout" not in option:
        return "trained with dropout (the default there; a U-Net's weights do not tell: dropout=0 if not)"
    return ""


def _check_fits(model: Model, architecture: released.Architecture, images: Images) -> None:
    found = images.source_channels, images.target_channels
    wanted = architecture.source_channels, architecture.target_channels
    if found != wanted:
        raise UsageError(
            f"model {model.name}: expected images of {wanted[0]} to {wanted[1]} channels, as its weights, "
            f"found {found[0]} to {found[1]}"
        )
    side, multiple = image_size(images.size_px), 2**architecture.levels
    if side.width % multiple or side.height % multiple:
        raise UsageError(
            f"model {model.name}: expected sides that are multiples of {multiple} px for {architecture.net}, "
            f"found {images.size_px}: give another --size"
        )

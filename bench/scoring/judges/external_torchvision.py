"""`--judge torchvision:NAME` or `torchvision:NAME=FILE`: a segmentation model of torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.models import get_model, get_model_weights, list_models, segmentation

from bench.core.errors import UsageError, unknown_name
from bench.core.state_dict import WeightsError, read_state_dict
from bench.data.types import DatasetCard
from bench.scoring.judges.external import split_options
from bench.scoring.judges.external_base import (
    OPTIONS,
    ForeignJudge,
    check_options,
    existing_file,
    make_judge,
    preparation,
)
from bench.scoring.metrics.lite0_features import weights_hash
from bench.scoring.outside_networks import standard

_LAST = ("classifier.4.weight", "classifier.low_classifier.weight")  # FCN and DeepLab; LR-ASPP
_SIZE = (520, 520)  # of all of torchvision's segmentation presets
Weights = dict[str, Tensor]


def check(rest: str) -> None:
    """Refuse unknown models, a missing file, and unusable options.

    Raises:
        UsageError: saying what is wrong.
    """
    name, file, options = _parts(rest)
    known = list_models(module=segmentation)
    if name not in known:
        raise unknown_name("segmentation model of torchvision", name, known, "docs/judges.md")
    if file is not None:
        existing_file(file, "a state dict")
    check_options(options)


def open_judge(rest: str, card: DatasetCard, device: str) -> ForeignJudge:
    """The model of `NAME[=FILE][,classes=MAP][,input=imagenet][,size=520]` as a judge.

    Raises:
        UsageError: if the weights cannot be downloaded or read, or do not fit.
    """
    check(rest)
    name, file, options = _parts(rest)
    names = None
    if file is None:
        weights, names = _released(name)
    else:
        weights = _read(existing_file(file, "a state dict"))
    weights = {key: value for key, value in weights.items() if not key.startswith("aux_classifier.")}
    network = _network(name, weights, file).to(device).eval()
    return make_judge(
        f"torchvision:{name}",
        weights_hash(network.state_dict(), {}),
        lambda images: network(images)["out"],
        preparation(options, standard("imagenet", _SIZE)),
        card,
        options=options,
        device=device,
        names=names,
    )


def _parts(rest: str) -> tuple[str, str | None, dict[str, str]]:
    """Model, file and options."""
    name, options = split_options(rest, OPTIONS)
    model, _, file = name.partition("=")
    return model, file or None, options


def _released(name: str) -> tuple[Weights, list[str]]:
    """The weights that torchvision recommends, loaded by torchvision, and their class names."""
    from urllib.error import URLError

    entry: Any = get_model_weights(name).DEFAULT
    try:
        weights = entry.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UsageError(
            f"cannot get torchvision's weights of {name} ({error}): put {entry.url} into {folder}, or name a "
            f"state dict of your own: torchvision:{name}=FILE"
        ) from None
    return dict(weights), list(entry.meta["categories"])


def _read(path: Path) -> Weights:
    try:
        return read_state_dict(path)
    except WeightsError as error:
        raise UsageError(f"expected a state dict at {path}: {error}") from None


def _network(name: str, weights: Weights, file: str | None) -> torch.nn.Module:
    """The model with its weights; the weights give the number of classes."""
    last = next((key for key in _LAST if key in weights and weights[key].ndim == 4), None)
    where = f"state dict {file}" if file else f"the weights of {name}"
    if last is None:
        raise UsageError(f"expected the weights of {name} in {where}, found no classifier among them")
    network: torch.nn.Module = get_model(
        name, weights=None, weights_backbone=None, num_classes=len(weights[last]), aux_loss=False
    )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"{where} does not fit {name}: {said}") from None
    return network

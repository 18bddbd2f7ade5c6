"""`--judge hf:DIR_OR_ID`: semantic segmentation by transformers, such as SegFormer (the extra `hf`).

Weights are read from safetensors only. Code that comes with a model is never run.
"""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.core.documents import read_json
from bench.core.errors import UsageError
from bench.core.files import named_path
from bench.data.types import DatasetCard
from bench.scoring.judges.external import split_options
from bench.scoring.judges.external_base import (
    OPTIONS,
    ForeignJudge,
    check_options,
    make_judge,
    needed_package,
    preparation,
)
from bench.scoring.metrics.lite0_features import weights_hash
from bench.scoring.outside_networks import Preparation, standard


def check(rest: str) -> None:
    """Refuse a missing package or folder, and unusable options.

    Raises:
        UsageError: saying what is wrong.
    """
    name, options = split_options(rest, OPTIONS)
    check_options(options)
    folder = named_path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise UsageError(f"expected a model saved by transformers in {folder}, found no config.json there")
    if not folder.is_dir() and (name.count("/") > 1 or name.startswith((".", "~", "/"))):
        raise UsageError(f"expected a model's folder at {folder}, or an id such as owner/name; found neither")
    needed_package("transformers", "hf", "hf")


def open_judge(rest: str, card: DatasetCard, device: str) -> ForeignJudge:
    """The model of `DIR_OR_ID[,classes=MAP][,input=...][,size=...]` as a judge.

    Input size and normalisation come from its `preprocessor_config.json`; without one, the image's own size
    and ImageNet's normalisation are used.

    Raises:
        UsageError: if it cannot be loaded, is not a semantic segmentation model, or does not fit.
    """
    check(rest)
    name, options = split_options(rest, OPTIONS)
    folder = named_path(name)
    where, local = (str(folder), True) if folder.is_dir() else (name, False)
    network = _network(where, local).to(device).eval()
    labels: dict[int, str] = network.config.id2label

    def logits(images: Tensor) -> Tensor:
        found: Tensor = network(pixel_values=images).logits
        return found

    return make_judge(
        f"hf:{network.config.model_type}",
        weights_hash(network.state_dict(), {"config": network.config.model_type}),
        logits,
        preparation(options, _preparation(where, local)),
        card,
        options=options,
        device=device,
        names=[labels[index] for index in sorted(labels)],
    )


def _network(where: str, local: bool) -> Any:
    transformers: Any = import_module("transformers")
    import_module("transformers.utils.logging").disable_progress_bar()
    try:
        network, found = transformers.AutoModelForSemanticSegmentation.from_pretrained(
            where,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=local,
            output_loading_info=True,
        )
    except Exception as error:  # the hub, the configuration and safetensors have their own errors
        said = " ".join(str(error).split())[:200]
        raise UsageError(
            f"expected a semantic segmentation model in safetensors at {where} (offline: its folder): {said}"
        ) from None
    if missing := sorted(found["missing_keys"]):
        raise UsageError(
            f"expected all weights of a segmentation model at {where}, found none for {missing[0]} "
            f"({len(missing)} missing): name a model that was trained to segment"
        )
    return network.to(torch.float32)


def _preparation(where: str, local: bool) -> Preparation:
    """The preparation in the model's own `preprocessor_config.json`."""
    try:
        path = import_module("transformers.utils").cached_file(
            where, "preprocessor_config.json", local_files_only=local
        )
    except OSError:
        return standard("imagenet")
    try:
        raw: dict[str, Any] = read_json(Path(path))
        scale = float(raw.get("rescale_factor", 1 / 255)) if raw.get("do_rescale", True) else 1.0
        usual = standard("imagenet" if raw.get("do_normalize", True) else "bytes")
        given = raw if raw.get("do_normalize", True) else {}
        mean = tuple(float(value) for value in given.get("image_mean", usual.mean))
        std = tuple(float(value) for value in given.get("image_std", usual.std))
        if len(mean) != 3 or len(std) != 3:
            raise ValueError(f"{len(mean)} means and {len(std)} deviations for 3 channels")
        if not all(map(math.isfinite, (scale, *mean, *std))) or min(std) <= 0:
            raise ValueError("expected finite numbers, and deviations above 0")
        size = _size(raw.get("size")) if raw.get("do_resize", True) else None
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise UsageError(f"preprocessor_config.json of {where} cannot be used: {error}") from None
    if size is not None and not all(8 <= side <= 8192 for side in size):
        raise UsageError(f"expected 8 to 8192 px in preprocessor_config.json of {where}, found {size}")
    return Preparation(scale, mean, std, size)


def _size(given: Any) -> tuple[int, int] | None:
    """A size as transformers writes it: a number, {"height", "width"} or, for a square, {"shortest_edge"}."""
    if given is None:
        return None
    if isinstance(given, dict):
        side = given.get("shortest_edge")
        return (int(side), int(side)) if side else (int(given["height"]), int(given["width"]))
    return int(given), int(given)

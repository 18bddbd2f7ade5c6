"""Trained judges in the cache, keyed by their training data and recipe; missing ones are trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from baselines.sizes import Size, size_of
from bench.core.documents import read_json
from bench.core.files import atomic_path, write_text
from bench.core.lock import locked
from bench.core.progress import Progress
from bench.data.types import DatasetCard, SplitArrays
from bench.scoring.judges.base import in_batches
from bench.scoring.judges.train_network import (
    SEED,
    Recipe,
    TrainedNetwork,
    build_network,
    default_recipe,
    recipe_at_own_size,
    segment,
    train_judge,
)
from bench.scoring.metrics.lite0_features import weights_hash

TRAINING_VERSION = 1  # raise it when the same recipe gives another network
_PREPROCESSING = {"input": "uint8 RGB / 255 at the picture's own size", "output": "argmax at that size"}


@dataclass(frozen=True)
class TrainedJudge:
    """A judge trained by this project; implements `bench.scoring.judges.base.Judge`.

    Attributes:
        name, hash, num_classes, protocol: see `Judge`.
        meta: how it was trained and how well it labels the held-out photos.
        network: in eval mode on `device`, folded if it can be (`FCNLite0.folded`).
    """

    name: str
    hash: str
    num_classes: int
    protocol: dict[str, Any]
    meta: dict[str, Any]
    network: nn.Module = field(repr=False)
    device: str = "cpu"

    def segment(self, images: Tensor) -> Tensor:
        """Train ids (N, H, W) int64 on the CPU for (N, 3, H, W) uint8 RGB, at the images' own size."""
        parts = [torch.empty(0, *images.shape[-2:], dtype=torch.int64)]
        batches = in_batches(images, images.shape[-2:])
        parts += [segment(self.network, batch, self.device).cpu() for batch in batches]
        return torch.cat(parts)


def default_judge_name(size_px: int, device: str) -> str:
    """The network with the best quality for its cost: see docs/judges.md."""
    return "fcn-lite0" if size_px >= 128 or device != "cpu" else "fcn-small"


def _identity(network_name: str, data_key: str, size_px: Size, classes: Sequence[str], recipe: Recipe) -> str:
    """Hash (16 hexadecimal digits) of everything that a trained judge depends on."""
    identity = {
        "network": network_name,
        "classes": list(classes),
        "data_key": data_key,
        "size_px": size_px,
        "seed": SEED,
        "recipe": recipe.to_dict(),
        "version": TRAINING_VERSION,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def recipe_of(network_name: str, n: int, judge_px: Size | None) -> Recipe:
    """How a judge is trained on n photos; `judge_px`: its own resolution, or None."""
    if judge_px is None:
        return default_recipe(network_name, n)
    return recipe_at_own_size(network_name, n, judge_px)


def _folder(
    cache: Path, network_name: str, data_key: str, size_px: Size, classes: Sequence[str], recipe: Recipe
) -> Path:
    return cache / "judges" / f"{network_name}-{_identity(network_name, data_key, size_px, classes, recipe)}"


def is_trained(
    network_name: str, data_key: str, size_px: Size, card: DatasetCard, recipe: Recipe, cache: Path
) -> bool:
    """Whether the cache has the judge; `data_key` and `size_px` are those of its training split."""
    classes = [info.name for info in card.train_classes]
    return (_folder(cache, network_name, data_key, size_px, classes, recipe) / "meta.json").is_file()


def get_judge(
    network_name: str,
    split: SplitArrays,
    card: DatasetCard,
    *,
    cache: Path,
    device: str,
    budget: int | None = None,
    own_size: bool = False,
    progress: Progress | None = None,
) -> TrainedJudge:
    """The judge for a training split: from the cache, else trained and stored there.

    Args:
        network_name: entry point or plug-in of the group "judges".
        split: real photos as targets, and their labels.
        card: for the classes.
        cache: `cache/judges/<name>-<hash>/` holds `weights.safetensors` and `meta.json`.
        device: torch device string.
        budget: optimiser steps, by default the recipe's.
        own_size: whether it is a judge with a resolution of its own, that of the split.
        progress: called with (steps done, steps in all) while training; never if it is cached.

    Raises:
        UsageError: for an unknown network, or photos that cannot be trained on.
    """
    classes = [info.name for info in card.train_classes]
    size_px = size_of(split.target.shape[1:])
    recipe = recipe_of(network_name, len(split), size_px if own_size else None)
    recipe = replace(recipe, steps=budget) if budget is not None else recipe
    folder = _folder(cache, network_name, split.key, size_px, classes, recipe)
    if (cached := _load(folder, network_name, len(classes), device)) is not None:
        return cached
    with locked(cache / "locks" / f"{folder.name}.lock"):  # one process trains it, others wait
        if (cached := _load(folder, network_name, len(classes), device)) is not None:
            return cached
        trained = train_judge(network_name, split, classes, device=device, recipe=recipe, progress=progress)
        meta = _keep(folder, trained, split.key)
    return _judge(trained.network, meta, device)


def _keep(folder: Path, trained: TrainedNetwork, data_key: str) -> dict[str, Any]:
    """Write weights and meta; returns the meta."""
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in trained.network.state_dict().items()
    }
    meta = {**trained.meta, "hash": weights_hash(weights, _PREPROCESSING), "data_key": data_key}
    with atomic_path(folder / "weights.safetensors") as temporary:
        save_file(weights, temporary)
    write_text(
        folder / "meta.json", json.dumps(meta, indent=1) + "\n"
    )  # written last: if it exists, both exist
    return meta


def _load(folder: Path, network_name: str, num_classes: int, device: str) -> TrainedJudge | None:
    """The judge in `folder`; None if it is missing or damaged (then it is trained again)."""
    try:
        meta = read_json(folder / "meta.json")
        weights = load_file(folder / "weights.safetensors")
        if weights_hash(weights, _PREPROCESSING) != meta["hash"]:
            return None
        network = build_network(network_name, num_classes)
        network.load_state_dict(weights)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return _judge(network.eval(), meta, device)
    except Exception:  # safetensors raises its own kinds of errors
        return None


def _judge(network: nn.Module, meta: dict[str, Any], device: str) -> TrainedJudge:
    protocol = {
        "judge": meta["network"],
        "judge_hash": meta["hash"],
        "judge_size_px": meta["size_px"],
        "judge_trained_on": meta["data_key"],
        "judge_steps": meta["recipe"]["steps"],
        "judge_seed": meta["seed"],
    }
    folded = getattr(network, "folded", None)
    ready: nn.Module = network if folded is None else folded().to(memory_format=torch.channels_last)
    return TrainedJudge(meta["network"], meta["hash"], len(meta["classes"]), protocol, meta, ready, device)

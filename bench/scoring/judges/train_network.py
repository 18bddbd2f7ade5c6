"""Trains a segmentation network on the real photos of a training split.

The judge sees real training photos only, never a test photo or a generated one. A tenth of the training
photos, evenly spaced, is held out to measure how well it labels.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from baselines.sizes import Size, image_size, size_of
from bench.core import plugins
from bench.core.errors import RunFailedError, UsageError
from bench.core.progress import Progress
from bench.data.types import VOID, SplitArrays
from bench.scoring.judges.augment import augment
from bench.scoring.metrics.confusion import (
    ABSENT_LEFT_OUT,
    class_scores,
    confusion_matrix,
    scores_from_confusion,
)

HELD_OUT_SHARE = 0.1
_FIELD_OF_VIEW = 404 / 2048  # of FCN-8s (VGG-16, fc6), of the photos it was trained on
_LEAST_CROP_PX = 32
SEED = 0  # for initial weights, order and augmentation


@dataclass(frozen=True)
class Recipe:
    """How a judge is trained: AdamW, one cosine cycle with warm-up, weighted cross-entropy.

    Attributes:
        steps: optimiser steps.
        batch_size: images a step.
        lr: peak learning rate; weight decay is 0.01.
        max_zoom: images are enlarged by 1 to `max_zoom` and cropped back to their size.
        brightness: images are multiplied by 1 - b to 1 + b, and their contrast likewise.
        balance: class weights are frequency ** -balance, mean 1 over pixels: 0 is no balance, 1 is full.
        crop_px: side of the crops that it is trained on; None: whole images.
        colour: how much the colour channels change, each by itself (`augment`).
    """

    steps: int
    batch_size: int = 8
    lr: float = 1e-3
    max_zoom: float = 1.2
    brightness: float = 0.2
    balance: float = 0.25
    crop_px: int | None = None
    colour: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For hashes and records; a judge of whole images has no `crop_px` and no `colour`."""
        unused = (("crop_px", None), ("colour", 0.0))
        return {name: value for name, value in asdict(self).items() if (name, value) not in unused}


def default_recipe(network_name: str, n: int) -> Recipe:
    """The recipe of a built-in network for n photos; a plug-in gets the small network's.

    Ten passes, within limits that keep training on two CPU cores to minutes (see docs/judges.md).
    """
    passes = 10 * n // Recipe.batch_size
    if network_name == "fcn8s":  # a random start needs more steps, and a GPU
        return Recipe(steps=min(max(4 * passes, 1000), 20000), lr=1e-4)
    if network_name == "fcn-lite0":
        return Recipe(steps=min(max(passes, 200), 900), lr=1e-3)
    return Recipe(steps=min(max(passes, 200), 1200), lr=6e-3)


def recipe_at_own_size(network_name: str, n: int, judge_px: Size) -> Recipe:
    """The recipe of a judge with a resolution of its own: small crops of photos as they are.

    No enlargement: the paper's judge saw none. Its receptive field was a fifth as wide as the photo, so that
    it could not go by the place in the scene: the crops are as wide. Such a judge lives by texture, and minds
    its loss. Light and colour change at random, or it would mind a slight tint as much (docs/judges.md).
    """
    whole, size = default_recipe(network_name, n), image_size(judge_px)
    return replace(
        whole,
        steps=2 * whole.steps,
        batch_size=3 * whole.batch_size,
        max_zoom=1.0,
        brightness=0.3,
        colour=0.15,
        crop_px=min(size.shorter, max(_LEAST_CROP_PX, 16 * round(size.width * _FIELD_OF_VIEW / 16))),
    )


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in eval mode, and facts about it (JSON-able)."""

    network: nn.Module
    meta: dict[str, Any]


def held_out_indices(n: int) -> NDArray[np.int64]:
    """Evenly spaced indices of about a tenth of n images; at least one is held out and one remains."""
    count = min(max(1, round(n * HELD_OUT_SHARE)), n - 1)
    return ((np.arange(count) + 0.5) * n / count).astype(np.int64)


def build_network(network_name: str, num_classes: int) -> nn.Module:
    """A judge network by name, with seeded initial weights.

    Raises:
        UsageError: for an unknown name.
    """
    network_class = plugins.load("judges", network_name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network: nn.Module = network_class(num_classes)
    return network


def train_judge(
    network_name: str,
    split: SplitArrays,
    class_names: Sequence[str],
    *,
    device: str,
    recipe: Recipe,
    progress: Progress | None = None,
) -> TrainedNetwork:
    """Train a network to label real photos. On a CPU, equal numbers of threads give equal weights.

    Args:
        network_name: entry point or plug-in of the group "judges".
        split: the training split: real photos as targets, and their labels.
        class_names: K names in the order of the train ids.
        device: torch device string.
        recipe: how it is trained.
        progress: called with (steps done, steps in all).

    Raises:
        UsageError: for an unknown network, or too few labelled photos.
    """
    photos, labels = split.target, split.labels
    assert labels is not None
    photos = photos if photos.shape[-1] == 3 else np.repeat(photos, 3, axis=-1)
    held = held_out_indices(len(photos)) if len(photos) > 1 else np.zeros(0, np.int64)
    kept = np.setdiff1d(np.arange(len(photos)), held)
    counts = _class_counts(labels, kept, len(class_names))
    if not counts.any() or not len(held):
        raise UsageError(
            f"expected at least two photos with labelled pixels to train judge {network_name}, found "
            f"{len(photos)} photos with {int(counts.sum())} labelled pixels: check the labels, or take more"
        )
    recipe = replace(recipe, batch_size=min(recipe.batch_size, len(kept)))
    network = build_network(network_name, len(class_names))
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    started = time.perf_counter()
    with _seeded(device):
        weights = _class_weights(counts, recipe.balance).to(device)
        _fit(network, photos, labels, _batches(kept, recipe.batch_size), weights, recipe, progress)
    seconds = time.perf_counter() - started
    network.eval()
    meta = {
        "network": network_name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "classes": list(class_names),
        "size_px": size_of(photos.shape[1:]),
        "seed": SEED,
        "recipe": recipe.to_dict(),
        "train_n": len(kept),
        "held_out_n": len(held),
        "held_out": held_out_report(network, photos, labels, held, class_names, device),
        "seconds": round(seconds, 1),
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    return TrainedNetwork(network, meta)


def held_out_report(
    network: nn.Module,
    photos: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    indices: NDArray[np.int64],
    class_names: Sequence[str],
    device: str,
) -> dict[str, Any]:
    """How well a network labels photos: three scores (without absent classes), and IoU by class."""
    size = len(class_names)
    conf = np.zeros((size, size), np.int64)
    for index in np.array_split(indices, -(-len(indices) // 16)):
        predicted = segment(network, to_images(photos[index]), device).cpu().numpy()
        conf += confusion_matrix(labels[index], predicted, size)
    pixel, class_acc, class_iou = scores_from_confusion(conf, ABSENT_LEFT_OUT)
    accuracies, ious = class_scores(conf, ABSENT_LEFT_OUT)
    return {
        "pixel_acc": _number(pixel),
        "class_acc": _number(class_acc),
        "class_iou": _number(class_iou),
        "per_class_acc": dict(zip(class_names, map(_number, accuracies), strict=True)),
        "per_class_iou": dict(zip(class_names, map(_number, ious), strict=True)),
    }


def to_images(photos: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) uint8 array -> (N, 3, H, W) uint8 tensor with its own memory."""
    return torch.from_numpy(np.array(photos)).permute(0, 3, 1, 2)


@torch.no_grad()
def segment(network: nn.Module, images: Tensor, device: str) -> Tensor:
    """Most likely class (N, H, W) int64 for (N, 3, H, W) uint8 images; the network is in eval mode."""
    pixels = (images.to(device).float() / 255.0).contiguous(memory_format=torch.channels_last)
    predicted: Tensor = network(pixels).argmax(dim=1)
    return predicted


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


@contextmanager
def _seeded(device: str) -> Iterator[None]:
    """Seed torch's global generator, from which dropout draws, and restore it afterwards."""
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(SEED)
        yield


def _class_counts(labels: NDArray[np.uint8], indices: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for index in indices:
        counts += np.bincount(labels[index].ravel(), minlength=256)
    return counts[:size]


def _class_weights(counts: NDArray[np.int64], balance: float) -> Tensor:
    """(K,) float32: frequency ** -balance, scaled so that the mean over labelled pixels is 1."""
    frequency = counts / counts.sum()
    weights = np.where(counts > 0, np.maximum(frequency, 1e-4) ** -balance, 0.0)
    return torch.tensor(weights / (weights * frequency).sum(), dtype=torch.float32)


def _batches(indices: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Endless shuffled batches; a pass drops a last incomplete batch."""
    order = np.random.default_rng(SEED)
    while True:
        shuffled = order.permutation(indices)
        for start in range(0, len(shuffled) - batch_size + 1, batch_size):
            yield np.sort(shuffled[start : start + batch_size])


def _fit(
    network: nn.Module,
    photos: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    batches: Iterator[NDArray[np.int64]],
    weights: Tensor,
    recipe: Recipe,
    progress: Progress | None,
) -> None:
    """Train in place, on the device that `weights` (K,) are on."""
    device = weights.device
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.lr, total_steps=recipe.steps + 1, pct_start=0.15, cycle_momentum=False
    )
    generator = torch.Generator().manual_seed(SEED)
    network.train()
    for step in range(recipe.steps):
        chosen = next(batches)
        images, truth = augment(
            photos[chosen],
            labels[chosen],
            recipe.max_zoom,
            recipe.brightness,
            generator,
            recipe.crop_px,
            recipe.colour,
        )
        if bool((truth != VOID).any()):  # a batch that is all void has no loss
            logits = network(images.to(device, memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits, truth.to(device), weights, ignore_index=VOID)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, recipe.steps)
    if not all(bool(torch.isfinite(p).all()) for p in network.parameters()):
        raise RunFailedError(f"training of a judge diverged (lr {recipe.lr}): give it a smaller budget")

"""What a grid will cost, before it runs: parameters by construction, time by a short measured probe."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.engine import resolve_device
from baselines.layers import parameter_count
from baselines.trainer import Trainer, build_discriminator, build_generator
from bench.data.datasets import Dataset
from bench.specs import RunSpec

_WARM_UP_STEPS, _TIMED_STEPS = 2, 3
_ADAM_COPIES = 3  # weights and two moments, as the saved training state holds them


class Parameters(NamedTuple):
    """Trainable parameters of both networks; `discriminator` is 0 where there is none."""

    generator: int
    discriminator: int


@dataclass(frozen=True)
class _RandomPairs:
    source: NDArray[np.uint8]
    target: NDArray[np.uint8]


def parameters(spec: RunSpec, dataset: Dataset) -> Parameters:
    """Parameters of a run's networks; no weights are allocated."""
    channels = dataset.source_channels, dataset.target_channels
    with torch.device("meta"):
        generator = build_generator(spec.variant, spec.training, *channels)
        discriminator = build_discriminator(spec.variant, spec.training, *channels)
    return Parameters(
        parameter_count(generator), 0 if discriminator is None else parameter_count(discriminator)
    )


def seconds_per_step(spec: RunSpec, dataset: Dataset, device: str) -> float:
    """Median of a few training steps on random pictures."""
    settings = replace(spec.training, steps=_WARM_UP_STEPS + _TIMED_STEPS)
    rng, side = np.random.default_rng(0), settings.load_size_px
    pictures = [
        rng.integers(0, 256, (2, side, side, channels), dtype=np.uint8)
        for channels in (dataset.source_channels, dataset.target_channels)
    ]
    where = resolve_device(device)
    trainer = Trainer(spec.variant, settings, _RandomPairs(*pictures), 0, where)
    seconds = []
    for _ in range(settings.steps):
        started = time.perf_counter()
        trainer.step()
        if where.type == "cuda":
            torch.cuda.synchronize(where)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[_WARM_UP_STEPS:]))


def grid_seconds_per_step(specs: list[RunSpec], dataset: Dataset, device: str) -> dict[str, float]:
    """Run hash -> seconds a step; runs that differ in seed or steps alone are measured once."""
    measured: dict[str, float] = {}
    result = {}
    for spec in specs:
        alike = replace(spec, seed=0, training=replace(spec.training, steps=1)).hash
        if alike not in measured:
            measured[alike] = seconds_per_step(spec, dataset, device)
        result[spec.hash] = measured[alike]
    return result


def bytes_needed(spec: RunSpec, dataset: Dataset, test_n: int) -> int:
    """Room that a run takes in the output at most: checkpoint, one training state, uncompressed pictures."""
    weights = 4 * parameters(spec, dataset).generator
    state = 4 * _ADAM_COPIES * sum(parameters(spec, dataset))
    pictures: int = test_n * spec.training.size_px**2 * dataset.target_channels
    return weights + state + pictures

"""One step captured against the same step eagerly, from shared states of a training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant
from bench.launch.cost.step_worker import random_pairs

BETWEEN = 5  # steps from one shared state to the next


@dataclass(frozen=True)
class Distance:
    """How far two results of one step are apart, relative to the step's own size.

    Attributes:
        loss: the largest relative difference of a loss.
        gradient: |difference| / |size| of Adam's first moments, which hold the gradients.
        update: the same of the changes of all weights.
    """

    loss: float
    gradient: float
    update: float


@dataclass(frozen=True)
class Agreement:
    """The largest distances over all shared states.

    Attributes:
        engine: what executed the steps that were to be captured.
        captured: between captured and eager.
        eager: between eager and eager again: what the order of summation alone does on this device.
    """

    engine: str
    captured: Distance
    eager: Distance


@dataclass(frozen=True)
class _Outcome:
    losses: dict[str, float]
    tensors: dict[str, Tensor]


def compare_engines(
    variant: str, settings: TrainingSettings, device: torch.device, states: int = 10
) -> Agreement:
    """Take a captured training, and at `states` points of it a step of each engine."""
    data = random_pairs(settings.load_size_px, (3, 3))
    captured, eager = (
        Trainer(parse_variant(variant), replace(settings, engine=engine), data, 0, device)
        for engine in ("captured", "eager")
    )
    apart: list[Distance] = []
    control: list[Distance] = []
    for _ in range(states):
        for _ in range(BETWEEN):
            captured.step()
        before = _copied(captured._tensors())
        progress = {**captured._progress(), "sums": {}, "summed": 0}
        there = []
        for _ in range(2):
            eager._load(_copied(before), dict(progress))
            there.append(_one_step(eager))
        captured._forget_sums()
        apart.append(_distance(there[0], _one_step(captured), before))
        control.append(_distance(*there, before))
    return Agreement(captured.engine_used, _largest(apart), _largest(control))


def _one_step(trainer: Trainer) -> _Outcome:
    trainer.step()
    losses = {name: total for name, total in trainer._totals().items() if name.startswith("loss")}
    return _Outcome(losses, _copied(trainer._tensors()))


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}


def _distance(one: _Outcome, other: _Outcome, before: dict[str, Tensor]) -> Distance:
    loss = max(abs(one.losses[name] - value) / abs(value) for name, value in other.losses.items())
    moments = [name for name in one.tensors if name.endswith(".exp_avg")]
    weights = [name for name in before if name.endswith((".weight", ".bias"))]
    nothing = dict.fromkeys(moments, torch.zeros((), device=before[weights[0]].device))
    return Distance(loss, _relative(one, other, nothing, moments), _relative(one, other, before, weights))


def _relative(one: _Outcome, other: _Outcome, start: dict[str, Tensor], names: Iterable[str]) -> float:
    difference = size = 0.0
    for name in names:
        difference += (one.tensors[name] - other.tensors[name]).double().square().sum().item()
        size += (one.tensors[name] - start[name]).double().square().sum().item()
    return float((difference / size) ** 0.5)


def _largest(found: list[Distance]) -> Distance:
    return Distance(*(max(getattr(one, part) for one in found) for part in ("loss", "gradient", "update")))

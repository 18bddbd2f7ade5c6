"""The least work of a training step: floating-point operations and bytes, by counting."""

from __future__ import annotations

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from baselines.layers import parameter_count
from baselines.objectives.scheme import scheme_of
from baselines.trainer import Trainer

_FLOAT = 4  # bytes: weights, gradients and moments are float32 in every precision
_ADAM = 7  # weight, gradient and two moments are read; weight and moments are written
_PASSES = 3  # weights are read forward and backward, gradients are written


class _Whole:
    """Stands for torch's tracker of modules, which breaks a step that takes the gradient of a gradient."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def step_flops(trainer: Trainer) -> int:
    """Take a step of each kind and count the operations of one: a multiplication and an addition are two.

    Counts convolutions and matrix products, forward and backward; all else is small.

    Returns: the mean over the steps after which the kinds come again.
    """
    period = scheme_of(trainer.variant).period
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _Whole()  # type: ignore[assignment]
    with counter:
        for _ in range(period):
            trainer.step()
    return int(counter.get_total_flops()) // period


def step_bytes(generator: nn.Module, discriminator: nn.Module | None) -> int:
    """Bytes that one step moves between memory and chip, counted from the parameters alone.

    Counts Adam's reads and writes; each network's weights once forward and once backward, and its gradients
    written once, in its own update; D's weights forward and backward once more in the update of G.
    Activations are left out: at batch size 1 they are small, and partly stay in the cache.
    """
    total = (_ADAM + _PASSES) * parameter_count(generator)
    if discriminator is not None:
        total += (_ADAM + _PASSES + 2) * sum(weight.numel() for weight in discriminator.parameters())
    return _FLOAT * total

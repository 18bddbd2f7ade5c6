"""Tensors of a training state by their names: the optimiser's part, and where two networks differ."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def unlike(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> tuple[str, str, str] | None:
    """The first layer whose shapes differ, and both in words ("shape (8, 3)" or "none"); None if alike."""
    for name in [*wanted, *found]:
        shapes = [tuple(held[name].shape) if name in held else None for held in (wanted, found)]
        if shapes[0] != shapes[1]:
            said = ["none" if shape is None else f"shape {shape}" for shape in shapes]
            return name, said[0], said[1]
    return None


def adam_tensors(network: str, adam: torch.optim.Adam) -> dict[str, Tensor]:
    """Adam's state as flat tensors: "adam.generator.<parameter>.<exp_avg|exp_avg_sq|step>"."""
    state = adam.state_dict()["state"]
    return {
        f"adam.{network}.{index}.{name}": value
        for index, entry in state.items()
        for name, value in entry.items()
    }


def load_adam(network: str, adam: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Restore the result of `adam_tensors`.

    Moments get the memory order of their weights, because a fused Adam ignores strides.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in part(tensors, f"adam.{network}.").items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    adam.load_state_dict({**adam.state_dict(), "state": state})
    for weight, entry in adam.state.items():
        for name, value in entry.items():
            if value.shape == weight.shape and value.stride() != weight.stride():
                entry[name] = torch.empty_like(weight).copy_(value)

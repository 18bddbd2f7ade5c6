"""The optimiser's part of a training state, as flat tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


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

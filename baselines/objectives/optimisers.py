"""Optimisers (Isola et al. 2017, appendix 6.2), and the moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from baselines.settings import TrainingSettings


class Setting:
    """A number that changes from step to step; on a GPU a tensor there, so that a captured step reads it."""

    def __init__(self, value: float, device: torch.device) -> None:
        self._held = torch.tensor(value, device=device) if device.type == "cuda" else None
        self._value = value

    def set(self, value: float) -> None:
        """The value from now on."""
        if self._held is not None and value != self._value:
            self._held.fill_(value)
        self._value = value

    @property
    def now(self) -> float | Tensor:
        """The value as operations take it."""
        return self._value if self._held is None else self._held


class Optimisers:
    """Adam for each network.

    Attributes:
        adams: by the name of the network.
    """

    def __init__(
        self, settings: TrainingSettings, networks: Mapping[str, nn.Module], device: torch.device
    ) -> None:
        self._settings = settings
        self._lr = Setting(settings.lr, device)
        betas = settings.beta1, settings.beta2
        self.adams = {
            name: torch.optim.Adam(
                network.parameters(), settings.lr, betas, weight_decay=settings.weight_decay, fused=True
            )
            for name, network in networks.items()
        }

    def prepare(self, step: int) -> None:
        """Set the learning rate of a step."""
        self._lr.set(self._settings.lr_at(step))
        for adam in self.adams.values():
            adam.param_groups[0]["lr"] = self._lr.now

    @contextmanager
    def capturable(self) -> Iterator[None]:
        """In this context, the optimisers' steps may be captured; fused, they give the same result.

        Old gradients are dropped first, because those of a captured step are in the graph's own memory.
        """
        for adam in self.adams.values():
            adam.zero_grad(set_to_none=True)
            adam.param_groups[0]["capturable"] = True
        try:
            yield
        finally:
            for adam in self.adams.values():
                adam.param_groups[0]["capturable"] = False


class Average:
    """The exponential moving average of a network's weights; its running statistics are copied.

    Args:
        network: what is averaged.
        alike: another one like it, which takes its state and then the averages.

    Attributes:
        network: `alike`.
    """

    def __init__(
        self, settings: TrainingSettings, network: nn.Module, alike: nn.Module, device: torch.device
    ) -> None:
        self._settings = settings
        alike.load_state_dict(network.state_dict())
        self.network = alike.requires_grad_(False)
        self._share = Setting(settings.average_share_at(0), device)
        self._weights: list[list[Tensor]] = [list(one.parameters()) for one in (self.network, network)]
        self._buffers = [list(one.buffers()) for one in (self.network, network)]

    def prepare(self, step: int) -> None:
        """Set the share of a step's new weights."""
        self._share.set(self._settings.average_share_at(step))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        averages, weights = self._weights
        share = self._share.now
        if isinstance(share, Tensor):
            torch._foreach_lerp_(averages, weights, weights=[share] * len(averages))
        else:
            torch._foreach_lerp_(averages, weights, share)
        copies, buffers = self._buffers
        if copies:
            torch._foreach_copy_(copies, buffers)

"""What the trainer needs of an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from baselines.parallel import Ranks
from baselines.settings import TrainingSettings
from baselines.variants import Variant


class Objective(Protocol):
    """Networks that are trained together, with their optimisers and their update.

    The trainer feeds it, executes its steps eagerly or captured, logs its losses, saves and resumes it.

    Attributes:
        networks: by name, all that have a state; saved with a training state.
        adams: the optimisers, by the name of the network that each one updates.
        generator: the network that is saved as the run's checkpoint, sampled and tested.
    """

    @property
    def networks(self) -> Mapping[str, nn.Module]: ...

    @property
    def adams(self) -> Mapping[str, torch.optim.Adam]: ...

    @property
    def generator(self) -> nn.Module: ...

    def prepare(self, step: int) -> None:
        """Set what changes from step to step; not part of a captured step."""
        ...

    def step(
        self, source: Tensor, target: Tensor, streams: Sequence[torch.Generator] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One update; returns the prediction and the losses, without gradients.

        It must do the same to the same tensors in every step and must not wait for the device.
        `streams`: of dropout, as `baselines.layers.one_batch` takes them.
        """
        ...

    def capturable(self) -> AbstractContextManager[None]:
        """In this context, the step may be captured."""
        ...


Networks = Callable[[Variant, TrainingSettings, tuple[int, int]], dict[str, nn.Module]]
"""Makes an objective's networks from variant, settings, and channels of source and target."""
Start = Callable[[Variant, TrainingSettings, tuple[int, int], torch.device, Ranks, int], Objective]
"""Makes the objective from variant, settings, channels, device, ranks and seed."""


@dataclass(frozen=True)
class Scheme:
    """What a part of the kind "objectives" builds.

    Attributes:
        networks: those that are updated, by name, with fresh weights from torch's global random state. The
            one called "generator" translates sources. Raises ValueError for a variant, a size or channels
            that do not fit.
        start: the objective; it updates these networks.
        paired: whether a step's targets belong to its sources; if not, each side is drawn by itself.
        passes: how often a generator's and a discriminator's forward pass is kept at once for backward.
        images: generated images of each side that a training state holds.
        shared: whether several processes may train it together.
    """

    networks: Networks
    start: Start
    paired: bool = True
    passes: tuple[int, int] = (1, 2)
    images: int = 0
    shared: bool = True

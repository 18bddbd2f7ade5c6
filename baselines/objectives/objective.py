"""What the trainer needs of an objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor, nn


class Objective(Protocol):
    """Networks that are trained together, with their optimisers and their update.

    The trainer feeds it, executes its steps eagerly or captured, logs its losses, saves and resumes it.

    Attributes:
        networks: by name, all that have a state; saved with a training state.
        adams: the optimisers, by the name of the network that each one updates.
        generator: the network that is saved as the run's checkpoint, sampled and tested.

    One of both ways (`Scheme.both_ways`) also has `back`, the same for targets to sources.
    """

    @property
    def networks(self) -> Mapping[str, nn.Module]: ...

    @property
    def adams(self) -> Mapping[str, torch.optim.Adam]: ...

    @property
    def generator(self) -> nn.Module: ...

    def prepare(self, step: int) -> str | None:
        """Set what changes from step to step; not part of a captured step.

        Returns: the kind of the step, where there are several; None where all steps are of one.
        """
        ...

    def step(
        self, source: Tensor, target: Tensor, streams: Sequence[torch.Generator] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One update; returns the prediction and the losses, without gradients.

        It must do the same to the same tensors in every step of a kind and must not wait for the device; all
        kinds have the same losses.
        `streams`: of dropout, as `baselines.layers.one_batch` takes them.
        """
        ...

    def capturable(self) -> AbstractContextManager[None]:
        """In this context, the step may be captured."""
        ...

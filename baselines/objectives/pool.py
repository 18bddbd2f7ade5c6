"""The pool of generated images that a discriminator is shown (Zhu et al. 2017, section 4)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.pairs import pool_stream


class Pool(nn.Module):
    """Gives each image back until it is full; then, half of the time, an older one that the new one replaces.

    What it does in a step follows from (seed, step) alone, so its images are its whole state; and it is told
    before the step, so that the step does the same to the same tensors every time and can be captured.

    Args:
        images: how many it holds.
        shape: (C, H, W) of one.
        batch_size: images a step.
        seed, number: of the training, and of this pool in it.
        device: where the images stay.

    Attributes:
        images: (N, C, H, W) float32 in [-1, 1]; 0 where none is yet.
    """

    images: Tensor
    told: Tensor

    def __init__(
        self,
        images: int,
        shape: tuple[int, int, int],
        batch_size: int,
        seed: int,
        number: int,
        device: torch.device,
    ) -> None:
        super().__init__()
        self._asked = images, batch_size, seed, number
        self.register_buffer("images", torch.zeros(images, *shape, device=device))
        told = torch.zeros(batch_size, 3, dtype=torch.int64, device=device)
        self.register_buffer("told", told, persistent=False)

    def prepare(self, step: int) -> None:
        """Tell it what to do in a step."""
        if len(self.images):
            self.told.copy_(torch.from_numpy(choices(step, *self._asked)))

    @torch.no_grad()
    def forward(self, generated: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> the same shape, without gradient: what D is shown."""
        fresh = generated.detach().to(self.images.dtype)
        if not len(self.images):
            return fresh
        shown = []
        for image, (slot, gives, keeps) in zip(fresh.unbind(), self._places(), strict=True):
            held = self.images.index_select(0, slot)
            shown.append(torch.where(gives, held, image[None]))
            self.images.index_copy_(0, slot, torch.where(keeps, image[None], held))
        return torch.cat(shown)

    def _places(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """By image: slot (1) int64, gives and keeps (1) bool."""
        return [(row[:1], row[1:2] > 0, row[2:] > 0) for row in self.told.unbind()]


def choices(step: int, images: int, batch_size: int, seed: int, number: int) -> NDArray[np.int64]:
    """What the pool does with each image of a step.

    Shapes: (batch_size, 3): its slot, and 1 if it gives the image there, 1 if it keeps the new one there.
    """
    stream = pool_stream(seed, step, number)
    chosen = []
    for place in range(step * batch_size, (step + 1) * batch_size):
        swaps, slot = int(stream.random() > 0.5), int(stream.integers(images))
        chosen.append((place, 0, 1) if place < images else (slot, swaps, swaps))
    return np.array(chosen, np.int64)

"""Weights of Inception that are none of the released ones."""

from __future__ import annotations

from pathlib import Path

import torch


def write_inception(path: Path) -> Path:
    """A state dict in the released format: seeded weights that keep activations near unit size."""
    from bench.scoring.metrics.inception import InceptionFeatures

    generator = torch.Generator().manual_seed(0)
    state = InceptionFeatures().state_dict()
    for key, tensor in state.items():
        if key.endswith("conv.weight"):
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif key.endswith(("bn.weight", "running_var")):
            tensor.uniform_(0.8, 1.2, generator=generator)
        elif key.endswith(("bn.bias", "running_mean")):
            tensor.normal_(0, 0.1, generator=generator)
    torch.save(state, path)
    return path

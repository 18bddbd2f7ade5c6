"""Perceptual loss (Johnson et al. 2016, arXiv:1603.08155): distance in the features of a fixed classifier."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.components import registry
from baselines.components.described import Perceptual
from baselines.components.registry import Part
from baselines.components.site import Seen, Site, Term


class PerceptualLoss(nn.Module):
    """The loss; the network is fixed.

    Args:
        network: (N, 3, H, W) float32 in [0, 1] -> maps.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, seen: Seen) -> Tensor:
        """Scalar, >= 0: the mean over layers of the mean absolute difference of the maps."""
        with torch.no_grad():
            wanted = self.network(_prepared(seen.target))
        made = self.network(_prepared(seen.prediction.float()))
        return torch.stack([functional.l1_loss(*both) for both in zip(made, wanted, strict=True)]).mean()


def _prepared(images: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) in [-1, 1] -> (N, 3, H, W) in [0, 1]."""
    return ((images + 1) / 2).expand(-1, 3, -1, -1)


def _perceptual(fields: Perceptual, site: Site) -> Term:
    if site.target_channels not in (1, 3):
        raise ValueError(f"lambda_perceptual needs targets of 1 or 3 channels, found {site.target_channels}")
    if fields.perceptual_file:
        _check_content(Path(fields.perceptual_file), fields.perceptual_sha256)
    part = registry.get("features", fields.perceptual)
    network: nn.Module = part.build(part.fields(), fields.perceptual_file)
    return PerceptualLoss(network).to(site.device)


def _check_content(path: Path, wanted: str) -> None:
    """Refuse a file that changed since the run was planned."""
    if not path.is_file():
        raise ValueError(f"expected the weights of the perceptual loss in {path}, found no file")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if wanted and found != wanted:
        raise ValueError(f"expected weights with sha256 {wanted[:12]} in {path}, found {found[:12]}")


PERCEPTUAL = Part(Perceptual, _perceptual)

"""Structural similarity as a loss (Wang et al. 2004; Zhao et al. 2017, arXiv:1511.08861)."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from baselines.components.described import Ssim
from baselines.components.registry import Part
from baselines.components.site import Seen, Site, Term


def dissimilarity(seen: Seen) -> Tensor:
    """Scalar in [0, 2]."""
    found = structural_similarity_index_measure(seen.prediction.float(), seen.target, data_range=2.0)
    assert isinstance(found, Tensor)
    return 1.0 - found


def _ssim(fields: Ssim, site: Site) -> Term:
    return dissimilarity


SSIM = Part(Ssim, _ssim)

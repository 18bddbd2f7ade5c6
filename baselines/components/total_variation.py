"""Total variation of the prediction (Rudin et al. 1992; anisotropic)."""

from __future__ import annotations

from torch import Tensor

from baselines.components.described import TotalVariation
from baselines.components.registry import Part
from baselines.components.site import Seen, Site, Term


def total_variation(seen: Seen) -> Tensor:
    """Scalar, >= 0, of images in [-1, 1]."""
    image = seen.prediction.float()
    across = (image[..., 1:] - image[..., :-1]).abs().sum()
    down = (image[..., 1:, :] - image[..., :-1, :]).abs().sum()
    return (across + down) / image.numel()


def _total_variation(fields: TotalVariation, site: Site) -> Term:
    return total_variation


TOTAL_VARIATION = Part(TotalVariation, _total_variation)

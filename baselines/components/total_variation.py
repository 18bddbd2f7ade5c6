"""Total variation of the prediction (Rudin et al. 1992; anisotropic)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from baselines.components.registry import Part
from baselines.components.site import Seen, Site, Term


@dataclass(frozen=True)
class TotalVariation:
    """Differences of neighbouring pixels of the prediction: smooths it.

    Attributes:
        lambda_tv: its weight; 0 = none. The sum of absolute differences to the right and lower neighbour,
            divided by the number of values.
    """

    lambda_tv: float = 0.0


def total_variation(seen: Seen) -> Tensor:
    """Scalar, >= 0, of images in [-1, 1]."""
    image = seen.prediction.float()
    across = (image[..., 1:] - image[..., :-1]).abs().sum()
    down = (image[..., 1:, :] - image[..., :-1, :]).abs().sum()
    return (across + down) / image.numel()


def _total_variation(fields: TotalVariation, site: Site) -> Term:
    return total_variation


TOTAL_VARIATION = Part(TotalVariation, _total_variation)

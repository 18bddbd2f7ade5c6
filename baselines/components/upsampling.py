"""How a generator doubles the sides of its features."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.components.registry import Part
from baselines.components.site import Upsampling
from baselines.layers import resized, transposed


@dataclass(frozen=True)
class Transposed:
    """Transposed convolution of stride 2 (Isola et al. 2017, appendix 6.1), 4x4 in the U-Net."""


@dataclass(frozen=True)
class Resize:
    """Nearest neighbour, then a 3x3 convolution (Odena et al. 2016, doi:10.23915/distill.00003)."""


def _transposed(fields: Transposed) -> Upsampling:
    return transposed


def _resize(fields: Resize) -> Upsampling:
    return resized


TRANSPOSED = Part(Transposed, _transposed)
RESIZE = Part(Resize, _resize)

"""How a generator doubles the sides of its features."""

from __future__ import annotations

from baselines.components.described import Resize, Transposed
from baselines.components.registry import Part
from baselines.components.site import Upsampling
from baselines.layers import resized, transposed


def _transposed(fields: Transposed) -> Upsampling:
    return transposed


def _resize(fields: Resize) -> Upsampling:
    return resized


TRANSPOSED = Part(Transposed, _transposed)
RESIZE = Part(Resize, _resize)

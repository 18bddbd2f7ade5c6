"""EfficientNet-Lite0's features for the perceptual loss of a variant (`baselines.components.perceptual`).

They are those behind `fd_lite0`, `precision` and `recall`: what is trained on them is not ranked by these.
Imports no torch before they are used: `bench list parts` describes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from baselines.components.registry import Part

if TYPE_CHECKING:
    from bench.scoring.metrics.lite0 import Lite0Stages


@dataclass(frozen=True)
class Lite0:
    """EfficientNet-Lite0 with ImageNet weights: the last block at strides 4, 8, 16 and 32."""


def _lite0(fields: Lite0, file: str) -> Lite0Stages:
    from bench.scoring.metrics.lite0 import Lite0Stages, pretrained_lite0

    if file:
        raise ValueError("perceptual=lite0 takes no perceptual_file: its weights come with this package")
    return Lite0Stages(pretrained_lite0())


LITE0 = Part(Lite0, _lite0)

"""EfficientNet-Lite0's features for the perceptual loss of a variant (`baselines.components.perceptual`).

They are those behind `fd_lite0`, `precision` and `recall`: what is trained on them is not ranked by these.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from baselines.components.registry import Part
from bench.scoring.metrics.lite0 import EfficientNetLite0, pretrained_lite0


class Lite0Stages(nn.Module):
    """The maps at strides 4, 8, 16 and 32: (N, 3, H, W) float32 in [0, 1] -> four maps."""

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.network.stages(images)


@dataclass(frozen=True)
class Lite0:
    """EfficientNet-Lite0 with ImageNet weights: the last block at strides 4, 8, 16 and 32."""


def _lite0(fields: Lite0, file: str) -> Lite0Stages:
    if file:
        raise ValueError("perceptual=lite0 takes no perceptual_file: its weights come with this package")
    return Lite0Stages(pretrained_lite0())


LITE0 = Part(Lite0, _lite0)

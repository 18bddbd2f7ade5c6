"""An FCN on the ImageNet-trained EfficientNet-Lite0: the judge for 128 px and above."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from bench.scoring.judges.fcn_small import conv_block, resize_to
from bench.scoring.metrics.lite0 import fold_norm, folded_lite0, pretrained_lite0


class FCNLite0(nn.Module):
    """Skips from strides 4, 8, 16 and 32, summed from coarse to fine; all weights are fine-tuned.

    The published FCN stops at stride 8: at 256 px and below its maps have 32 x 32 pixels or fewer. The
    stride 4 skip separates poles and persons there.
    """

    _CHANNELS = (24, 40, 112, 320)
    _DECODER = 96

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.backbone = pretrained_lite0()
        self.laterals = nn.ModuleList([nn.Conv2d(c, self._DECODER, 1) for c in self._CHANNELS])
        self.smooth = nn.ModuleList([conv_block(self._DECODER, self._DECODER) for _ in self._CHANNELS[1:]])
        self.score = nn.Conv2d(self._DECODER, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K, H, W) for (N, 3, H, W) float32 in [0, 1], H and W at least 32."""
        maps = self.backbone.stages(images)
        x: Tensor = self.laterals[-1](maps[-1])
        for level in (2, 1, 0):
            x = self.smooth[level](resize_to(x, maps[level]) + self.laterals[level](maps[level]))
        return resize_to(self.score(x), images)

    def folded(self) -> FCNLite0:
        """A copy for inference alone; the network is in eval mode."""
        ready = copy.deepcopy(self)
        ready.backbone = folded_lite0(self.backbone)
        for block in ready.smooth:
            assert isinstance(block, nn.Sequential)
            conv, norm = block[0], block[1]
            assert isinstance(conv, nn.Conv2d)
            block[0], block[1] = fold_norm(conv, norm), nn.Identity()
        return ready

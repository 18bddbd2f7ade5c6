"""A compact fully convolutional network for 32 to 128 px: trains from scratch in a minute on a CPU."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def conv_block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, BatchNorm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def resize_to(maps: Tensor, like: Tensor) -> Tensor:
    """Bilinear resize of (N, C, h, w) to the height and width of `like`."""
    return functional.interpolate(maps, like.shape[-2:], mode="bilinear", align_corners=False)


class FCNSmall(nn.Module):
    """Four levels (strides 2, 4, 8, 16), context from the pooled last one, a skip from each to the next.

    Skips are summed after a 1x1 convolution, as in Long et al. 2015; classes are scored at stride 2.
    """

    _CHANNELS = (32, 64, 128, 192)
    _DECODER = 48

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        inputs, levels = 3, []
        for channels in self._CHANNELS:
            levels.append(nn.Sequential(conv_block(inputs, channels, 2), conv_block(channels, channels)))
            inputs = channels
        self.levels = nn.ModuleList(levels)
        self.context = nn.Conv2d(inputs, self._DECODER, 1)
        self.laterals = nn.ModuleList([nn.Conv2d(c, self._DECODER, 1, bias=False) for c in self._CHANNELS])
        self.smooth = nn.ModuleList([conv_block(self._DECODER, self._DECODER) for _ in self._CHANNELS])
        self.score = nn.Conv2d(self._DECODER, num_classes, 1)

    def _encode(self, images: Tensor) -> list[Tensor]:
        x = (images - 0.5) / 0.25
        maps = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K, H, W) for (N, 3, H, W) float32 in [0, 1], H and W at least 16."""
        maps = self._encode(images)
        x: Tensor = self.context(maps[-1].mean(dim=(2, 3), keepdim=True))
        for encoded, lateral, smooth in zip(
            reversed(maps), reversed(self.laterals), reversed(self.smooth), strict=True
        ):
            x = smooth(resize_to(x, encoded) + lateral(encoded))
        return resize_to(self.score(x), images)

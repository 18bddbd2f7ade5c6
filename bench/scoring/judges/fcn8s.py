"""FCN-8s on VGG-16, layer for layer as deployed for the paper's FCN score (Long et al. 2015)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

_PAD = 100  # of conv1_1, so that an image of any size reaches fc6's 7x7 window
BLOCKS = (2, 2, 3, 3, 3)  # 3x3 convolutions before each pooling
_WIDTHS, _HIDDEN = (64, 128, 256, 512, 512), 4096
CROPS = {"score_pool4": 5, "score_pool3": 9, "score": 31}


def bilinear_kernel(channels: int, size: int) -> Tensor:
    """Weights (C, C, size, size) of a deconvolution that enlarges each channel bilinearly."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    ramp = 1 - (torch.arange(size) - centre).abs() / factor
    weights = torch.zeros(channels, channels, size, size)
    weights[range(channels), range(channels)] = torch.outer(ramp, ramp)
    return weights


def _deconvolution(channels: int, size: int, stride: int) -> nn.ConvTranspose2d:
    layer = nn.ConvTranspose2d(channels, channels, size, stride, bias=False)
    with torch.no_grad():
        layer.weight.copy_(bilinear_kernel(channels, size))
    return layer


def _crop(maps: Tensor, which: str, like: Tensor) -> Tensor:
    (height, width), offset = like.shape[-2:], CROPS[which]
    return maps[..., offset : offset + height, offset : offset + width]


def _vgg_blocks(widths: Sequence[int]) -> nn.ModuleDict:
    inputs, blocks = 3, nn.ModuleDict()
    for index, (convolutions, channels) in enumerate(zip(BLOCKS, widths, strict=True), start=1):
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for part in range(1, convolutions + 1):
            padding = _PAD if (index, part) == (1, 1) else 1
            layers[f"conv{index}_{part}"] = nn.Conv2d(inputs, channels, 3, padding=padding)
            layers[f"relu{index}_{part}"] = nn.ReLU(inplace=True)
            inputs = channels
        layers[f"pool{index}"] = nn.MaxPool2d(2, 2, ceil_mode=True)
        blocks[f"block{index}"] = nn.Sequential(layers)
    return blocks


class FCN8s(nn.Module):
    """VGG-16 with skips from pool3 and pool4; 134 M parameters, random start: needs a GPU.

    conv1_1 is padded by 100 and skips are cropped at offsets 5 and 9, the output at 31, as in the
    released network. VGG's ImageNet weights are not available offline, so training starts from He et al.'s
    initialisation; scores start at zero and deconvolutions bilinear, as in Long et al.

    Args:
        num_classes: channels of the score maps.
        widths: channels of VGG's five blocks.
        hidden: channels of fc6 and fc7.
    """

    def __init__(self, num_classes: int, widths: Sequence[int] = _WIDTHS, hidden: int = _HIDDEN) -> None:
        super().__init__()
        self.sizes = num_classes, tuple(widths), hidden
        self.blocks = _vgg_blocks(widths)
        self.fc6, self.fc7 = nn.Conv2d(widths[4], hidden, 7), nn.Conv2d(hidden, hidden, 1)
        self.dropout = nn.Dropout(0.5)
        self.score_fr = nn.Conv2d(hidden, num_classes, 1)
        self.score_pool4 = nn.Conv2d(widths[3], num_classes, 1)
        self.score_pool3 = nn.Conv2d(widths[2], num_classes, 1)
        self.upscore2 = _deconvolution(num_classes, 4, 2)
        self.upscore_pool4 = _deconvolution(num_classes, 4, 2)
        self.upscore8 = _deconvolution(num_classes, 16, 8)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias) if layer.bias is not None else None
        for score in (self.score_fr, self.score_pool4, self.score_pool3):
            nn.init.zeros_(score.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K, H, W) for (N, 3, H, W) float32 in [0, 1]."""
        return self.score_maps((images - 0.5) / 0.25)

    def score_maps(self, pixels: Tensor) -> Tensor:
        """(N, K, H, W) float32 for (N, 3, H, W) float32, in the range that the weights were trained for."""
        x, pools = pixels, []
        for block in self.blocks.values():
            x = block(x)
            pools.append(x)
        _, _, pool3, pool4, pool5 = pools
        x = self.dropout(torch.relu(self.fc6(pool5)))
        x = self.dropout(torch.relu(self.fc7(x)))
        upscore2 = self.upscore2(self.score_fr(x))
        fused4 = upscore2 + _crop(self.score_pool4(pool4), "score_pool4", upscore2)
        upscore4 = self.upscore_pool4(fused4)
        fused3 = upscore4 + _crop(self.score_pool3(pool3), "score_pool3", upscore4)
        return _crop(self.upscore8(fused3), "score", pixels)

    def flops(self, height: int, width: int) -> int:
        """Floating point operations (a multiplication and an addition are two) for one image."""
        from torch.utils.flop_counter import FlopCounterMode

        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            FCN8s(*self.sizes).score_maps(torch.empty(1, 3, height, width))
        return int(counter.get_total_flops())

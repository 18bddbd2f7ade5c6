"""U-Net and encoder-decoder generators (Isola et al. 2017, section 3.2 and appendix 6.1.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.convolutions import Conv, ConvTranspose
from baselines.geometry import depth, dropout_layers
from baselines.layers import Dropout, init_weights, norm_layer
from baselines.padding import cropped, padded
from baselines.sizes import Size


class Generator(nn.Module):
    """Down to 1x1 by 4x4 stride-2 convolutions and up again, with or without skips.

    The image's shorter side sets the depth: 8 layers each way at 256 px and at 512x256 px. Sides that are no
    multiples of 2^depth are padded by reflection, and the output is cropped back. There is no normalisation
    on the first layer and at the bottleneck, where batch statistics of its one value (of a square) would zero
    it (erratum; the released code does the same).

    Args:
        source_channels, target_channels: channels of input and output.
        size_px: size of the images (`baselines.sizes`); counts only where `levels` is None.
        base_filters: width of the first layer; widths are 1, 2, 4, 8, 8, ... times this.
        skips: True for the U-Net, False for the encoder-decoder.
        dropout: probability; active in train mode only, and kept active at test time by the callers.
        norm: "batch", "instance" or "none".
        levels: layers each way; None: those that `size_px` bears.

    Shapes: (N, source_channels, H, W) float32 in [-1, 1] -> (N, target_channels, H, W) float32 in [-1, 1].
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        size_px: Size,
        *,
        base_filters: int = 64,
        skips: bool = True,
        dropout: float = 0.5,
        norm: str = "batch",
        levels: int | None = None,
    ) -> None:
        super().__init__()
        levels = depth(size_px) if levels is None else levels
        widths = [base_filters * min(2**level, 8) for level in range(levels)]
        self.skips, self.target_channels = skips, target_channels
        self.down = nn.ModuleList(
            _down(source_channels if level == 0 else widths[level - 1], widths[level], level, levels, norm)
            for level in range(levels)
        )
        dropped = dropout_layers(levels)
        self.up = nn.ModuleList()
        for step in range(levels):  # step 0 leaves the bottleneck, the last one makes the image
            level = levels - 1 - step
            inputs = widths[level] * (2 if skips and step > 0 else 1)
            if level == 0:
                self.up.append(_last(inputs, target_channels))
            else:
                self.up.append(_up(inputs, widths[level - 1], dropout if step < dropped else 0.0, norm))
        init_weights(self)

    def forward(self, source: Tensor) -> Tensor:
        """Translate `source`; see the class for shapes."""
        whole, window = padded(source, 2 ** len(self.down))
        features = [whole]
        for down in self.down:
            features.append(down(features[-1]))
        out: Tensor = features.pop()
        for step, up in enumerate(self.up):
            if self.skips and step > 0:
                out = torch.cat([features.pop(), out], dim=1)
            out = up(out)
        return cropped(out, window)


def _down(inputs: int, outputs: int, level: int, levels: int, norm: str) -> nn.Sequential:
    layers: list[nn.Module] = [] if level == 0 else [nn.LeakyReLU(0.2)]
    layers.append(Conv(inputs, outputs, 4, stride=2, padding=1, bias=norm != "batch"))
    if 0 < level < levels - 1:
        layers.append(norm_layer(norm, outputs))
    return nn.Sequential(*layers)


def _up(inputs: int, outputs: int, dropout: float, norm: str) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.ReLU(),
        ConvTranspose(inputs, outputs, 4, stride=2, padding=1, bias=norm != "batch"),
        norm_layer(norm, outputs),
    ]
    if dropout > 0:
        layers.append(Dropout(dropout))
    return nn.Sequential(*layers)


def _last(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), ConvTranspose(inputs, outputs, 4, stride=2, padding=1), nn.Tanh())

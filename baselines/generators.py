"""U-Net and encoder-decoder generators (Isola et al. 2017, section 3.2 and appendix 6.1.1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from baselines.convolutions import Conv
from baselines.geometry import depth, dropout_steps
from baselines.layers import NORMS, Dropout, Norm, init_weights, transposed
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
        dropout_at: which decoder layers have it (`geometry.dropout_steps`).
        norm: a name in `layers.NORMS`, or another normalisation.
        upsample: makes the layers that double the sides (`components.site.Upsampling`).
        start: gives the network its fresh weights.
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
        dropout_at: str = "paper",
        norm: str | Norm = "batch",
        upsample: Callable[..., nn.Module] = transposed,
        start: Callable[[nn.Module], None] = init_weights,
        levels: int | None = None,
    ) -> None:
        super().__init__()
        norm = NORMS[norm] if isinstance(norm, str) else norm
        levels = depth(size_px) if levels is None else levels
        widths = [base_filters * min(2**level, 8) for level in range(levels)]
        self.skips, self.target_channels = skips, target_channels
        self.down = nn.ModuleList(
            _down(source_channels if level == 0 else widths[level - 1], widths[level], level, levels, norm)
            for level in range(levels)
        )
        dropped = dropout_steps(levels, dropout_at)
        self.up = nn.ModuleList()
        for step in range(levels):  # step 0 leaves the bottleneck, the last one makes the image
            level = levels - 1 - step
            inputs = widths[level] * (2 if skips and step > 0 else 1)
            if level == 0:
                self.up.append(
                    nn.Sequential(nn.ReLU(), upsample(inputs, target_channels, 4, bias=True), nn.Tanh())
                )
            else:
                doubled = upsample(inputs, widths[level - 1], 4, bias=norm.biased)
                layers = [nn.ReLU(), doubled, norm.layer(widths[level - 1])]
                if dropout > 0 and step in dropped:
                    layers.append(Dropout(dropout))
                self.up.append(nn.Sequential(*layers))
        start(self)

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


def _down(inputs: int, outputs: int, level: int, levels: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = [] if level == 0 else [nn.LeakyReLU(0.2)]
    layers.append(Conv(inputs, outputs, 4, stride=2, padding=1, bias=norm.biased))
    if 0 < level < levels - 1:
        layers.append(norm.layer(outputs))
    return nn.Sequential(*layers)

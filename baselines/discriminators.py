"""Pixel, patch and full-image discriminators (Isola et al. 2017, section 3.3 and appendix 6.1.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.convolutions import Conv
from baselines.geometry import STRIDED_LAYERS, fitting
from baselines.layers import init_weights, norm_layer
from baselines.sizes import Size


class Discriminator(nn.Module):
    """A map of logits, each of which sees `receptive_field` px of the image.

    4x4 convolutions, all except the last two with stride 2, leaky ReLU 0.2, no normalisation on the first;
    1x1 convolutions for a receptive field of 1. No sigmoid: the loss takes logits.

    Args:
        channels: channels of its input: source + target if conditional, else target.
        receptive_field: 1, 16, 34, 70, 142 or 286 px.
        base_filters: width of the first layer; widths are 1, 2, 4, 8, 8, ... times this.
        norm: "batch", "instance" or "none".

    Shapes: (N, channels, H, W) float32 in [-1, 1] -> (N, 1, h, w) logits (30 x 30 for 70 px at 256 px).
    """

    def __init__(
        self, channels: int, receptive_field: int, *, base_filters: int = 64, norm: str = "batch"
    ) -> None:
        super().__init__()
        self.receptive_field = receptive_field
        strided = STRIDED_LAYERS[receptive_field]
        pixel = receptive_field == 1
        widths = [base_filters * min(2**level, 8) for level in range(max(strided, 1) + 1)]
        self.layers = nn.Sequential(
            *_conv(channels, widths[0], 1 if pixel else 4, 1 if pixel else 2, "none", bias=True)
        )
        for level in range(1, len(widths)):
            stride = 2 if level < strided else 1
            bias = norm != "batch"
            self.layers.extend(
                _conv(widths[level - 1], widths[level], 1 if pixel else 4, stride, norm, bias=bias)
            )
        last = Conv(widths[-1], 1, 1, bias=norm != "batch") if pixel else Conv(widths[-1], 1, 4, padding=1)
        self.layers.append(last)
        init_weights(self)

    def forward(self, source: Tensor | None, image: Tensor) -> Tensor:
        """Logits for `image`; `source` is given if this discriminator is conditional (eq. 1), else None."""
        seen = image if source is None else torch.cat([source, image], dim=1)
        logits: Tensor = self.layers(seen)
        return logits


def check_fits(receptive_field: int, size_px: Size) -> None:
    """Refuse a discriminator that shrinks an image of this size to nothing, along its shorter side.

    Raises:
        ValueError: naming the receptive fields that can be built.
    """
    possible = fitting(size_px)
    if receptive_field not in possible:
        names = ", ".join(map(str, possible))
        raise ValueError(
            f"a {receptive_field} px receptive field cannot be built at {size_px} px: "
            f"use one of {names}, or a larger size"
        )


def _conv(inputs: int, outputs: int, kernel: int, stride: int, norm: str, *, bias: bool) -> list[nn.Module]:
    padding = 0 if kernel == 1 else 1
    layers: list[nn.Module] = [Conv(inputs, outputs, kernel, stride=stride, padding=padding, bias=bias)]
    if norm != "none":
        layers.append(norm_layer(norm, outputs))
    layers.append(nn.LeakyReLU(0.2))
    return layers

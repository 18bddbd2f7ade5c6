"""Pixel, patch and full-image discriminators (Isola et al. 2017, section 3.3 and appendix 6.1.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from baselines.convolutions import Conv
from baselines.geometry import STRIDED_LAYERS, fitting
from baselines.layers import NORMS, Norm, init_weights
from baselines.sizes import Size


class Discriminator(nn.Module):
    """A map of logits, each of which sees `receptive_field` px of the image.

    4x4 convolutions, all except the last two with stride 2, leaky ReLU 0.2, no normalisation on the first;
    1x1 convolutions for a receptive field of 1. No sigmoid: the loss takes logits.

    Args:
        channels: channels of its input: source + target if conditional, else target.
        receptive_field: 1, 16, 34, 70, 142 or 286 px.
        base_filters: width of the first layer; widths are 1, 2, 4, 8, 8, ... times this.
        norm: a name in `layers.NORMS`, or another normalisation.
        start: gives the network its fresh weights.
        spectral_norm: divide the weight of each convolution by its largest singular value.

    Shapes: (N, channels, H, W) float32 in [-1, 1] -> (N, 1, h, w) logits (30 x 30 for 70 px at 256 px).
    """

    def __init__(
        self,
        channels: int,
        receptive_field: int,
        *,
        base_filters: int = 64,
        norm: str | Norm = "batch",
        start: Callable[[nn.Module], None] = init_weights,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        norm = NORMS[norm] if isinstance(norm, str) else norm
        self.receptive_field = receptive_field
        strided = STRIDED_LAYERS[receptive_field]
        pixel = receptive_field == 1
        widths = [base_filters * min(2**level, 8) for level in range(max(strided, 1) + 1)]
        self.layers = nn.Sequential(
            *_conv(channels, widths[0], 1 if pixel else 4, 1 if pixel else 2, NORMS["none"])
        )
        for level in range(1, len(widths)):
            stride = 2 if level < strided else 1
            self.layers.extend(_conv(widths[level - 1], widths[level], 1 if pixel else 4, stride, norm))
        last = Conv(widths[-1], 1, 1, bias=norm.biased) if pixel else Conv(widths[-1], 1, 4, padding=1)
        self.layers.append(last)
        start(self)
        if spectral_norm:
            for layer in [one for one in self.layers if isinstance(one, Conv)]:
                parametrizations.spectral_norm(layer)

    def forward(self, source: Tensor | None, image: Tensor) -> Tensor:
        """Logits for `image`; `source` is given if this discriminator is conditional (eq. 1), else None."""
        seen = image if source is None else torch.cat([source, image], dim=1)
        logits: Tensor = self.layers(seen)
        return logits

    def features(self, source: Tensor | None, image: Tensor) -> list[Tensor]:
        """What each layer passes on, after its activation, the logits last; arguments as for `forward`."""
        seen = image if source is None else torch.cat([source, image], dim=1)
        passed: list[Tensor] = []
        for layer in self.layers:
            seen = layer(seen)
            if isinstance(layer, nn.LeakyReLU):
                passed.append(seen)
        return [*passed, seen]


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


def _conv(inputs: int, outputs: int, kernel: int, stride: int, norm: Norm) -> list[nn.Module]:
    padding = 0 if kernel == 1 else 1
    layers: list[nn.Module] = [
        Conv(inputs, outputs, kernel, stride=stride, padding=padding, bias=norm.biased)
    ]
    if not norm.is_none:
        layers.append(norm.layer(outputs))
    layers.append(nn.LeakyReLU(0.2))
    return layers

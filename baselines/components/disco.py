"""DiscoGAN's two networks, layer by layer as in the authors' `model.py` (Kim et al. 2017, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.components.described import DiscoDiscriminator, DiscoGenerator
from baselines.components.registry import Part
from baselines.components.site import Site
from baselines.convolutions import Conv
from baselines.layers import Norm
from baselines.padding import cropped, padded
from baselines.sizes import image_size

_HALVINGS = 4
_LEAST_PX = 4 * 2**_HALVINGS  # the last layer of D covers 4 x 4 values of a sixteenth of the size


class Generator(nn.Module):
    """Four halvings and four doublings by 4x4 convolutions, without skips and without dropout.

    The authors' makes values in [0, 1] by a sigmoid and takes such; here images are in [-1, 1] on both sides.

    Shapes: (N, source_channels, H, W) float32 in [-1, 1] -> (N, target_channels, H, W) float32 in [-1, 1];
        sides that are no multiples of 16 are padded by reflection, and the output is cropped back.
    """

    def __init__(self, site: Site) -> None:
        super().__init__()
        norm, widths = site.norm, [site.base_filters * 2**level for level in range(_HALVINGS)]
        layers: list[nn.Module] = []
        for inputs, width in zip([site.source_channels, *widths], widths, strict=False):
            layers += _down(inputs, width, norm, is_first=not layers)
        for width, narrower in zip(widths[:0:-1], widths[-2::-1], strict=True):
            layers += [site.upsample(width, narrower, 4, bias=norm.biased), norm.layer(narrower), nn.ReLU()]
        layers += [site.upsample(widths[0], site.target_channels, 4, bias=False), nn.Sigmoid()]
        self.main = nn.Sequential(*layers)
        site.start(self)

    def forward(self, source: Tensor) -> Tensor:
        """Translate `source`; see the class for shapes."""
        whole, window = padded(to_unit(source), 2**_HALVINGS)
        return cropped(2 * self.main(whole) - 1, window)


class Discriminator(nn.Module):
    """Four halvings by 4x4 convolutions, then a 4x4 convolution without padding: one logit at 64 px.

    A larger image gives a map of logits, each of which sees 94 px. No sigmoid: the loss takes logits.

    Shapes: (N, channels, H, W) float32 in [-1, 1] -> (N, 1, H/16 - 3, W/16 - 3) logits.
    """

    def __init__(self, site: Site) -> None:
        super().__init__()
        inputs = site.target_channels + (site.source_channels if site.conditional else 0)
        self.layers = nn.Sequential()
        for level in range(_HALVINGS):
            width = site.base_filters * 2**level
            self.layers.extend(_down(inputs, width, site.norm, is_first=level == 0))
            inputs = width
        self.layers.append(Conv(inputs, 1, 4, bias=False))
        site.start(self)

    def forward(self, source: Tensor | None, image: Tensor) -> Tensor:
        """Logits for `image`; `source` is given if this discriminator is conditional, else None."""
        return self.features(source, image)[-1]

    def features(self, source: Tensor | None, image: Tensor) -> list[Tensor]:
        """What each layer passes on, after its activation, the logits last; arguments as for `forward`."""
        seen = to_unit(image if source is None else torch.cat([source, image], dim=1))
        passed: list[Tensor] = []
        for layer in self.layers:
            seen = layer(seen)
            if isinstance(layer, nn.LeakyReLU):
                passed.append(seen)
        return [*passed, seen]


def to_unit(image: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1], the range of the authors' images."""
    return (image + 1) / 2


def _down(inputs: int, outputs: int, norm: Norm, *, is_first: bool) -> list[nn.Module]:
    biased = norm.biased and not is_first
    conv = Conv(inputs, outputs, 4, stride=2, padding=1, bias=biased)
    return [conv, *([] if is_first else [norm.layer(outputs)]), nn.LeakyReLU(0.2)]


def _generator(fields: DiscoGenerator, site: Site) -> Generator:
    return Generator(site)


def _discriminator(fields: DiscoDiscriminator, site: Site) -> Discriminator:
    least = image_size(site.least_size)
    if least.shorter < _LEAST_PX:
        raise ValueError(
            f"the discriminator 'disco' needs {_LEAST_PX} px or more on each side, found {least.document}"
        )
    return Discriminator(site)


GENERATOR = Part(DiscoGenerator, _generator, halvings=_HALVINGS)
DISCRIMINATOR = Part(DiscoDiscriminator, _discriminator)

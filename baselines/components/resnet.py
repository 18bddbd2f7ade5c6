"""ResNet generators (Johnson et al. 2016, as in the released PyTorch code and in CycleGAN)."""

from __future__ import annotations

from torch import Tensor, nn

from baselines.components.described import ResNet
from baselines.components.registry import Part
from baselines.components.site import Site
from baselines.convolutions import Conv
from baselines.layers import Dropout, Norm
from baselines.padding import cropped, padded

_HALVINGS = 2


class ResNetGenerator(nn.Module):
    """7x7 convolution, two halvings, residual blocks, two doublings, 7x7 convolution.

    Padding by reflection, except where the size changes. Layers have the order and names of the released
    `ResnetGenerator`. Dropout sits between the two convolutions of each block.

    Args:
        blocks: number of residual blocks: 6 or 9 in the released code.

    Shapes: (N, source_channels, H, W) float32 in [-1, 1] -> (N, target_channels, H, W) float32 in [-1, 1];
        sides that are no multiples of 4 are padded by reflection, and the output is cropped back.
    """

    def __init__(self, site: Site, blocks: int) -> None:
        super().__init__()
        norm, width = site.norm, site.base_filters
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            Conv(site.source_channels, width, 7, bias=norm.biased),
        ]
        layers += [norm.layer(width), nn.ReLU()]
        for _ in range(_HALVINGS):
            layers.append(Conv(width, 2 * width, 3, stride=2, padding=1, bias=norm.biased))
            width *= 2
            layers += [norm.layer(width), nn.ReLU()]
        layers += [_Block(width, norm, site.dropout) for _ in range(blocks)]
        for _ in range(_HALVINGS):
            layers.append(site.upsample(width, width // 2, 3, bias=norm.biased))
            width //= 2
            layers += [norm.layer(width), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), Conv(width, site.target_channels, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)
        site.start(self)

    def forward(self, source: Tensor) -> Tensor:
        """Translate `source`; see the class for shapes."""
        whole, window = padded(source, 2**_HALVINGS)
        return cropped(self.model(whole), window)


class _Block(nn.Module):
    """Its input plus two 3x3 convolutions of it."""

    def __init__(self, width: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(1), Conv(width, width, 3, bias=norm.biased)]
        layers += [norm.layer(width), nn.ReLU()]
        if dropout > 0:
            layers.append(Dropout(dropout))
        layers += [nn.ReflectionPad2d(1), Conv(width, width, 3, bias=norm.biased), norm.layer(width)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = features + self.conv_block(features)
        return out


def _resnet6(fields: ResNet, site: Site) -> ResNetGenerator:
    return ResNetGenerator(site, 6)


def _resnet9(fields: ResNet, site: Site) -> ResNetGenerator:
    return ResNetGenerator(site, 9)


RESNET6 = Part(ResNet, _resnet6, halvings=_HALVINGS)
RESNET9 = Part(ResNet, _resnet9, halvings=_HALVINGS)

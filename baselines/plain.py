"""A generator as a graph of standard layers, from bytes to bytes: what other programs can run."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from baselines.convolutions import Conv, ConvTranspose
from baselines.layers import BatchNorm, Dropout


class FromBytes(nn.Module):
    """A generator between bytes: scales to [-1, 1], translates, rounds to nearest.

    Shapes: (N, C, H, W) uint8 -> (N, C', H, W) uint8.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, images: Tensor) -> Tensor:
        """Translate `images`; see the class for shapes."""
        made: Tensor = self.generator(images.to(torch.float32) * (2.0 / 255.0) - 1.0)
        return ((made + 1.0) * 127.5).round().clamp(0.0, 255.0).to(torch.uint8)


class ActiveDropout(nn.Module):
    """Dropout that is always active, of operations that no runtime takes away as unused.

    onnxruntime removes the operation `Dropout` from a graph. Shapes: (N, ...) -> the same.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.keep = 1.0 - p

    def forward(self, features: Tensor) -> Tensor:
        """Each value is 0 with probability p, else divided by 1 - p."""
        return features * (torch.rand_like(features) < self.keep).to(features.dtype) / self.keep


def plain(generator: nn.Module, *, dropout: bool, running: bool) -> FromBytes:
    """The generator as at test time, of torch's own layers only, on the CPU.

    Args:
        dropout: whether dropout is active; otherwise its layers are gone.
        running: whether batch norm uses the statistics of training; otherwise each image's own, which is
            an instance norm with the same scale and shift.

    Returns:
        a copy; `generator` does not change.
    """
    made = copy.deepcopy(generator).cpu()
    _replace(made, dropout, running)
    return FromBytes(made).eval()


def _replace(module: nn.Module, dropout: bool, running: bool) -> None:
    for name, layer in module.named_children():
        if isinstance(layer, BatchNorm):
            setattr(module, name, _norm(layer, running))
        elif isinstance(layer, Dropout):
            setattr(module, name, ActiveDropout(layer.p) if dropout else nn.Identity())
        elif isinstance(layer, Conv):
            layer.__class__ = nn.Conv2d  # type: ignore[assignment]
        elif isinstance(layer, ConvTranspose):
            layer.__class__ = nn.ConvTranspose2d  # type: ignore[assignment]
        else:
            _replace(layer, dropout, running)


def _norm(layer: BatchNorm, running: bool) -> nn.Module:
    if running:
        found: nn.Module = nn.BatchNorm2d(layer.num_features, layer.eps)
        found.load_state_dict(layer.state_dict())
        return found
    found = nn.InstanceNorm2d(layer.num_features, layer.eps, affine=True)
    found.load_state_dict({name: getattr(layer, name) for name in ("weight", "bias")})
    return found

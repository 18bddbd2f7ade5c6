"""Reads trained weights from a `.caffemodel`, without Caffe or protobuf.

Of `NetParameter` (caffe.proto) it reads layer names and blobs, in today's `layer` field and in the older
`layers`; of a blob its data (float or double, packed or not) and its shape (`shape`, or num, channels,
height and width). It skips everything else. Every length is checked against its enclosing message before use,
and values stay views of the mapped file, so a damaged file costs neither memory nor time.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UsageError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LAYERS = {100: (1, 7), 2: (4, 6)}  # field of NetParameter -> fields of the layer's name and blobs
_DATA = {5: "<f4", 8: "<f8"}  # fields of BlobProto
_LEGACY_SHAPE = (1, 2, 3, 4)  # num, channels, height, width
_SHAPE = 7
_MOST_AXES = 32  # Caffe's own limit
_MOST_FIELDS = 100_000  # FCN-8s has about 1000; a file full of tiny fields would take forever
_UNPACKED_WINDOW = 1 << 16
Value = int | memoryview


@dataclass
class Blob:
    """One array of a layer.

    Attributes:
        shape: as written; empty if the file gives none.
        parts: the values in order, as views of the file, float32 or float64.
    """

    shape: list[int] = field(default_factory=list)
    parts: list[NDArray[Any]] = field(default_factory=list)

    def array(self) -> NDArray[np.float32]:
        """The values in their shape, as a float32 copy.

        Raises:
            ValueError: if there are more or fewer values than the shape says.
        """
        found = sum(len(part) for part in self.parts)
        if found == 0 or prod(self.shape) != found:
            raise ValueError(f"expected {'x'.join(map(str, self.shape)) or 'some'} values, found {found}")
        with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite; the caller refuses it
            flat = np.concatenate([part.astype(np.float32) for part in self.parts])
        return flat.reshape(self.shape)


def read_layers(path: Path) -> dict[str, list[Blob]]:
    """Blobs of every layer that has any, by layer name; the last of equal names counts, as in Caffe.

    Raises:
        UsageError: if the file cannot be read, is not such a protobuf, or has no layer with blobs.
    """
    try:
        with path.open("rb") as handle:
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        layers = _net(_Message(memoryview(mapped), [_MOST_FIELDS]))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"expected a network of Caffe (a binary .caffemodel) in {path}: {error}; get the file again"
        ) from None
    if not layers:
        raise UsageError(f"expected layers with weights in {path}, found none: is it a .caffemodel?")
    return layers


@dataclass
class _Message:
    """An encoded message, and how many more fields its file may have (one list for all its messages)."""

    data: memoryview
    budget: list[int]

    def fields(self) -> Iterator[tuple[int, int, Value]]:
        """(field number, wire type, value) in order; a run of unpacked floats comes as one `memoryview`.

        The wire type of such a run is `_FIXED32` or `_FIXED64`. Its value is the bytes of all its numbers
        with their tags, which `_numbers` parses.
        """
        data, at, end = self.data, 0, len(self.data)
        while at < end:
            self.budget[0] -= 1
            if self.budget[0] < 0:
                raise ValueError(f"more than {_MOST_FIELDS} fields")
            start = at
            tag, at = _varint(data, at)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise ValueError(f"a field without number at byte {start} of a message")
            if wire == _VARINT:
                value, at = _varint(data, at)
                yield number, wire, value
            elif wire == _BYTES:
                length, at = _varint(data, at)
                if length > end - at:
                    raise ValueError(f"a field of {length} bytes where {end - at} are left")
                yield number, wire, data[at : at + length]
                at += length
            elif wire in (_FIXED32, _FIXED64):
                step = at - start + (4 if wire == _FIXED32 else 8)
                count = _run_length(data[start:], at - start, step)
                yield number, wire, data[start : start + count * step]
                at = start + count * step
            else:
                raise ValueError(f"wire type {wire} at byte {start} of a message")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """An unsigned number of 7 bits a byte, and the position of the next field."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ValueError("a number of more than 64 bits")


def _run_length(data: memoryview, tag_bytes: int, step: int) -> int:
    """Number of consecutive fields of `step` bytes that have the same tag as the first one of `data`."""
    tag = np.frombuffer(data[:tag_bytes], np.uint8)
    whole, count = len(data) // step, 0
    if whole == 0:
        raise ValueError("it ends in the middle of a number")
    window = 16
    while count < whole:
        rows = min(window, whole - count)
        there = np.frombuffer(data[count * step : (count + rows) * step], np.uint8).reshape(rows, step)
        other = np.flatnonzero((there[:, :tag_bytes] != tag).any(1))
        if other.size:
            return count + int(other[0])
        count += rows
        window = min(4 * window, _UNPACKED_WINDOW)
    return count


def _net(message: _Message) -> dict[str, list[Blob]]:
    layers: dict[str, list[Blob]] = {}
    for number, wire, value in message.fields():
        if number in _LAYERS and wire == _BYTES and isinstance(value, memoryview):
            name, blobs = _layer(_Message(value, message.budget), *_LAYERS[number])
            if blobs:
                layers[name] = blobs
    return layers


def _layer(message: _Message, name_field: int, blob_field: int) -> tuple[str, list[Blob]]:
    name, blobs = "", []
    for number, wire, value in message.fields():
        if wire == _BYTES and isinstance(value, memoryview):
            if number == name_field:
                name = bytes(value[:256]).decode("utf-8", "replace")
            elif number == blob_field:
                blobs.append(_blob(_Message(value, message.budget)))
    return name, blobs


def _blob(message: _Message) -> Blob:
    blob, legacy = Blob(), dict.fromkeys(_LEGACY_SHAPE, 0)
    for number, wire, value in message.fields():
        if number in _DATA and isinstance(value, memoryview):
            blob.parts.append(_numbers(value, wire, np.dtype(_DATA[number])))
        elif number == _SHAPE and isinstance(value, memoryview):
            blob.shape += _dims(_Message(value, message.budget))
        elif number in legacy and isinstance(value, int):
            legacy[number] = value
    if len(blob.shape) > _MOST_AXES:
        raise ValueError(f"a blob of {len(blob.shape)} axes")
    if not blob.shape and any(legacy.values()):
        blob.shape = list(legacy.values())
    return blob


def _numbers(value: memoryview, wire: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Packed numbers, or a run of unpacked ones, as a flat array."""
    size = dtype.itemsize
    if wire == _BYTES:
        if len(value) % size:
            raise ValueError(f"{len(value)} bytes of numbers of {size} bytes each")
        return np.frombuffer(value, dtype)
    if wire != (_FIXED32 if size == 4 else _FIXED64):
        raise ValueError("numbers of another size than their field has")
    rows = np.frombuffer(value, np.uint8).reshape(-1, 1 + size)  # tags of fields below 16 take one byte
    return rows[:, 1:].copy().view(dtype)[:, 0]


def _dims(message: _Message) -> list[int]:
    """Dimensions of a `BlobShape`, packed or not."""
    dims: list[int] = []
    for number, wire, value in message.fields():
        if number != 1:
            continue
        if isinstance(value, int):
            dims.append(value)
        elif wire == _BYTES:
            at = 0
            while at < len(value) and len(dims) <= _MOST_AXES:
                dim, at = _varint(value, at)
                dims.append(dim)
        if len(dims) > _MOST_AXES:
            raise ValueError(f"a blob of more than {_MOST_AXES} axes")
    return dims

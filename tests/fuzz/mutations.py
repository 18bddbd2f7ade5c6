"""Hypothesis strategies for what is nearly right: bytes, parts of containers, fields and words changed."""

from __future__ import annotations

import copy
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

Pack = Callable[[list[bytes]], bytes]
Unpack = Callable[[bytes], list[bytes]]
_LENGTHS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]


# --- bytes -------------------------------------------------------------------------------------------


@st.composite
def changed_bytes(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after one to six changes, or (rarely) bytes that never were one."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        at = _place(draw, len(data))
        match draw(st.sampled_from(["flip", "set", "number", "cut", "drop", "add", "repeat", "splice"])):
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if data:
                data[at] = draw(st.sampled_from([0, 1, 0x20, 0x7F, 0x80, 0xFF]))
            case "number":
                code = draw(st.sampled_from(["<I", ">I", "<H", ">H", "<Q", ">Q"]))
                value = draw(st.sampled_from(_LENGTHS)) % (1 << (8 * struct.calcsize(code)))
                data[at : at + struct.calcsize(code)] = struct.pack(code, value)
            case "cut":
                del data[at:]
            case "drop":
                del data[at : at + draw(st.integers(1, 64))]
            case "add":
                data[at:at] = draw(st.binary(min_size=1, max_size=32))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 64))] * draw(st.sampled_from([1, 2, 50]))
            case "splice":
                other = draw(st.sampled_from(seeds))
                data[at:] = other[_place(draw, len(other)) :]
    return bytes(data)


def _place(draw: st.DrawFn, length: int) -> int:
    """A place in `length` bytes: half of the time near the beginning, where the headers are."""
    near = draw(st.booleans())
    return draw(st.integers(0, 255 if near else 1 << 20)) % max(1, length)


@st.composite
def changed_parts(draw: st.DrawFn, seeds: Sequence[bytes], unpack: Unpack, pack: Pack) -> bytes:
    """One of the seeds with a part of its container changed, and what guards the part made right again."""
    parts = unpack(draw(st.sampled_from(seeds)))
    at = draw(st.integers(0, len(parts) - 1))
    parts[at] = draw(changed_bytes([parts[at]]))
    if draw(st.integers(0, 3)) == 0:
        other = draw(st.integers(0, len(parts) - 1))
        parts[at], parts[other] = parts[other], parts[at]
    return pack(parts)


def unpack_png(content: bytes) -> list[bytes]:
    """Type and data of each chunk; the image data unpacked."""
    parts, at = [], 8
    while at < len(content):
        length = struct.unpack(">I", content[at : at + 4])[0]
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        parts.append(kind + (zlib.decompress(data) if kind == b"IDAT" else data))
        at += length + 12
    return parts


def pack_png(parts: list[bytes]) -> bytes:
    """A PNG with right lengths and checksums."""
    out = [b"\x89PNG\r\n\x1a\n"]
    for part in parts:
        kind, data = part[:4].ljust(4, b"x"), part[4:]
        data = zlib.compress(data, 1) if kind == b"IDAT" else data
        out.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(out)


def zip_of(names: Sequence[str], method: int = zipfile.ZIP_STORED) -> tuple[Unpack, Pack]:
    """Content of the members `names`, and back."""

    def unpack(content: bytes) -> list[bytes]:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [archive.read(name) for name in names]

    def pack(parts: list[bytes]) -> bytes:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", method) as archive:
            for name, part in zip(names, parts, strict=True):
                archive.writestr(name, part)
        return held.getvalue()

    return unpack, pack


def unpack_tar(content: bytes) -> list[bytes]:
    """Blocks of a gzipped tar."""
    blocks = gzip.decompress(content)
    return [blocks[at : at + 512] for at in range(0, len(blocks), 512)]


def pack_tar(parts: list[bytes]) -> bytes:
    """The blocks as a gzipped tar, checksums of headers right."""
    fixed = []
    for part in parts:
        block = bytearray(part[:512].ljust(512, b"\0"))
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
        fixed.append(bytes(block) + part[512:])
    return gzip.compress(b"".join(fixed), 1)


# --- trees -------------------------------------------------------------------------------------------

HOSTILE = st.sampled_from(
    [
        None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 10**400, 0.5, -0.0, 1e308, float("nan"),
        float("inf"), "", "x", "../../x", "/etc/passwd", "a/b", "a\nb", "\x1b[2J", "\0", "\ud800", "x" * 5000,
        "nan", "1e999", "none", "full", "l1", [], {}, [[]], [None], {"": None},
        [0] * 50, {"a": {"b": {"c": []}}},
    ]
).map(copy.deepcopy) | st.text(max_size=8) | st.integers() | st.floats()  # fmt: skip


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += _places(value, (*path, key))
    return found


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


@st.composite
def changed_tree(draw: st.DrawFn, seeds: Sequence[Any]) -> Any:
    """One of the trees (of JSON values) with one to four fields replaced, removed, added or swapped."""
    tree = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        places = _places(tree)
        path = places[draw(st.integers(0, 1 << 16)) % len(places)]
        if not path:
            continue
        parent, key = _at(tree, path[:-1]), path[-1]
        match draw(st.sampled_from(["value", "value", "remove", "add", "rename", "swap", "nest"])):
            case "value":
                parent[key] = draw(HOSTILE)
            case "remove":
                del parent[key]
            case "add" if isinstance(parent, list):
                parent.insert(key, draw(HOSTILE))
            case "add":
                parent[draw(st.text(max_size=8))] = draw(HOSTILE)
            case "rename" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = parent.pop(key)
            case "swap":
                parent[key] = copy.deepcopy(_at(tree, places[draw(st.integers(0, 1 << 16)) % len(places)]))
            case "nest":
                # No deeper: what walks the tree here must not run out of stack.
                for _ in range(draw(st.sampled_from([1, 30, 60]))):
                    parent[key] = [parent[key]]
    return tree


def as_json(tree: Any) -> bytes:
    """JSON, NaN and infinity as Python writes them."""
    return json.dumps(tree).encode()


def as_toml(tree: Any) -> bytes:
    """TOML, all tables but the outermost inline; null becomes a text."""
    if not isinstance(tree, dict):
        return _inline(tree).encode("utf-8", "surrogatepass")
    lines = [f"{json.dumps(key)} = {_inline(value)}" for key, value in tree.items()]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, float) and value != value:
        return "nan"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return json.dumps(value if value is not None else "null")


# --- texts -------------------------------------------------------------------------------------------


def words(tokens: Sequence[str]) -> st.SearchStrategy[str]:
    """Tokens of a grammar in any order, with other letters between them."""
    return st.lists(st.sampled_from(tokens) | st.text(max_size=3), max_size=10).map("".join)

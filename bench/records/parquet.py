"""Parquet files that may be anybody's: never read where a few bytes stand for billions of values.

How many values a file holds is read here, from the heads of its pages, for two reasons: its footer may say
less, and pyarrow's `RowGroupMetaData.column` ends the process where a description contradicts itself
("terminate called after throwing an instance of 'parquet::ParquetException'", pyarrow 26). pyarrow's reading
raises there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

MOST_VALUES = 50_000_000
MOST_BYTES = 8 * MOST_VALUES  # of the file, and of its pages when unpacked
_MOST_FOOTER_BYTES = 1 << 20
_MAGIC = b"PAR1"
_DEEPEST = 16
_EARLY = "a damaged description: it ends early"


def read_table(path: Path) -> pyarrow.Table:
    """The table in a Parquet file.

    Raises:
        ValueError: if it holds more than `MOST_VALUES` values or `MOST_BYTES` bytes, or is no such file.
        Exception: whatever pyarrow raises on damaged files.
    """
    import pyarrow
    from pyarrow import parquet

    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    content = path.read_bytes()
    values, rows, unpacked = sizes(content)
    if max(values, rows) > MOST_VALUES or unpacked > MOST_BYTES:
        raise ValueError(f"{values:,} values in {rows:,} rows, {unpacked:,} bytes when unpacked")
    with parquet.ParquetFile(pyarrow.BufferReader(content)) as file:
        return file.read()


def sizes(content: bytes) -> tuple[int, int, int]:
    """Values in all columns, rows, and bytes of all pages when unpacked, of a Parquet file (parquet.thrift).

    Raises:
        ValueError: if it is none, or its pages are not where its footer says.
    """
    length = int.from_bytes(content[-8:-4], "little")
    if content[-4:] != _MAGIC or length + 12 > len(content):
        raise ValueError("no Parquet file, or one that is cut off")
    if length > _MOST_FOOTER_BYTES:
        raise ValueError(f"a footer of more than {_MOST_FOOTER_BYTES:,} bytes")
    footer = len(content) - 8 - length
    about = _Thrift(content, footer, len(content) - 8).struct()
    values = unpacked = 0
    for group in _items(about, 4):  # row_groups
        for column in _items(group, 1):  # columns
            meta = _field(column, 3)  # meta_data
            if declared := _count(meta, 5):  # num_values; without any no page is read
                held, size = _pages(content, meta, footer)
                values += max(held, declared)
                unpacked += size
    return values, _count(about, 3), unpacked  # num_rows


def _pages(content: bytes, meta: Any, footer: int) -> tuple[int, int]:
    """Values in the pages of a column, and their bytes when unpacked."""
    values = unpacked = 0
    at, dictionary = _count(meta, 9), meta.get(11)  # offsets of the first page of data, of the dictionary
    at = min(at, _count(meta, 11)) if dictionary else at
    end = at + _count(meta, 7)  # total_compressed_size
    if at < len(_MAGIC) or end > footer:
        raise ValueError("a damaged description: pages outside the file's")
    while at < end:
        reader = _Thrift(content, at, end)
        head = reader.struct()
        about = head.get(5) or head.get(7) or head.get(8)  # data, dictionary, data of version 2
        values += _count(about, 1)
        unpacked += _count(head, 2)
        at = reader.at + _count(head, 3)  # compressed_page_size
    if at != end:
        raise ValueError("a damaged description: pages that do not end where it says")
    return values, unpacked


def _field(struct: Any, number: int) -> Any:
    if not isinstance(struct, dict) or number not in struct:
        raise ValueError(f"a damaged description: no field {number}")
    return struct[number]


def _items(struct: Any, number: int) -> list[Any]:
    value = _field(struct, number)
    if not isinstance(value, list):
        raise ValueError(f"a damaged description: field {number} is no list")
    return value


def _count(struct: Any, number: int) -> int:
    value = _field(struct, number)
    if type(value) is not int or value < 0:
        raise ValueError(f"a damaged description: field {number} is no count")
    return value


class _Thrift:
    """A text in Thrift's compact protocol (thrift-compact-protocol.md): structs are dicts by field number."""

    def __init__(self, content: bytes, at: int, end: int) -> None:
        self._content, self.at, self._end = content, at, end

    def struct(self, depth: int = 0) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._integer()
            if number in found:  # readers differ in which of the two they take
                raise ValueError(f"a damaged description: field {number} twice")
            found[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth + 1)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("a damaged description: nested too deep")
        match kind:
            case 1 | 2 | 3:  # a truth value in a list, a byte
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return self._take(8)
            case 8:
                return self._take(self._varint())
            case 9 | 10:
                head = self._byte()
                count = head >> 4 if head >> 4 < 15 else self._varint()
                return [self._value(head & 15, depth + 1) for _ in range(count)]
            case 11:
                count = self._varint()
                kinds = self._byte() if count else 0
                pair = (kinds >> 4, kinds & 15)
                return [tuple(self._value(kind, depth + 1) for kind in pair) for _ in range(count)]
            case 12:
                return self.struct(depth)
        raise ValueError(f"a damaged description: a value of kind {kind}")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = 0
        for place in range(10):
            byte = self._byte()
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value
        raise ValueError("a damaged description: a number of more than ten bytes")

    def _byte(self) -> int:
        if self.at >= self._end:
            raise ValueError(_EARLY)
        self.at += 1
        return self._content[self.at - 1]

    def _take(self, count: int) -> bytes:
        taken = self._content[self.at : min(self.at + count, self._end)]
        if len(taken) < count:
            raise ValueError(_EARLY)
        self.at += count
        return taken

"""Parquet files from untrusted sources: refuses files in which a few bytes expand to billions of values.

This module counts the values from the page headers. pyarrow's own metadata (26) does not work: a footer may
claim less than its pages hold, and `RowGroupMetaData.column` ends the process on contradictory metadata
("terminate called after throwing an instance of 'parquet::ParquetException'"), where reading only raises.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records.thrift import Thrift, count, field, items

if TYPE_CHECKING:
    import pyarrow

MOST_VALUES = 50_000_000
MOST_BYTES = 8 * MOST_VALUES  # of the file, and of its pages when unpacked
_MOST_FOOTER_BYTES = 1 << 20
_MAGIC = b"PAR1"


def read_table(path: Path) -> pyarrow.Table:
    """The table in a Parquet file.

    Raises:
        ValueError: if it holds more than `MOST_VALUES` values or `MOST_BYTES` bytes, or is not Parquet.
        Exception: pyarrow raises nearly anything on damaged files.
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
        ValueError: if it is not Parquet, or its pages are not where its footer says.
    """
    length = int.from_bytes(content[-8:-4], "little")
    if content[-4:] != _MAGIC or length + 12 > len(content):
        raise ValueError("no Parquet file, or one that is cut off")
    if length > _MOST_FOOTER_BYTES:
        raise ValueError(f"a footer of more than {_MOST_FOOTER_BYTES:,} bytes")
    footer = len(content) - 8 - length
    about = Thrift(content, footer, len(content) - 8).struct()
    values = unpacked = 0
    for group in items(about, 4):  # row_groups
        for column in items(group, 1):  # columns
            meta = field(column, 3)  # meta_data
            if declared := count(meta, 5):  # num_values; without any no page is read
                held, size = _pages(content, meta, footer)
                values += max(held, declared)
                unpacked += size
    return values, count(about, 3), unpacked  # num_rows


def _pages(content: bytes, meta: Any, footer: int) -> tuple[int, int]:
    """Values in the pages of a column, and their bytes when unpacked."""
    values = unpacked = 0
    at, dictionary = count(meta, 9), meta.get(11)  # offsets of the first page of data, of the dictionary
    at = min(at, count(meta, 11)) if dictionary else at
    end = at + count(meta, 7)  # total_compressed_size
    if at < len(_MAGIC) or end > footer:
        raise ValueError("a damaged description: pages outside the file's")
    while at < end:
        reader = Thrift(content, at, end)
        head = reader.struct()
        about = head.get(5) or head.get(7) or head.get(8)  # data, dictionary, data of version 2
        values += count(about, 1)
        unpacked += count(head, 2)
        at = reader.at + count(head, 3)  # compressed_page_size
    if at != end:
        raise ValueError("a damaged description: pages that do not end where it says")
    return values, unpacked

"""Parquet files of others: what a few bytes may stand for, and descriptions that contradict themselves."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.gate.values_by_image import read_sidecar
from bench.records import parquet as tables
from bench.records.parquet import MOST_VALUES, read_table, sizes

FOUND = Path(__file__).parents[1] / "fuzz/found/per-image_tables"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("page_bytes", [64, 1 << 20])
def test_values_and_rows_are_counted(version: str, compression: str, page_bytes: int) -> None:
    rows, values = 500, np.random.default_rng(0).random((500, 3))
    table = pyarrow.table(
        {
            "name": [f"{number}" for number in range(rows)],
            "ssim": pyarrow.array([None if v < 0.1 else v for v in values[:, 0]]),
            "conf": pyarrow.array(values.tolist()),
            "same": np.zeros(rows),
        }
    )
    held = io.BytesIO()
    parquet.write_table(
        table, held, compression=compression, data_page_version=version, data_page_size=page_bytes,
        row_group_size=200, write_batch_size=16,
    )  # fmt: skip
    about = parquet.ParquetFile(held).metadata
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [group.column(place) for group in groups for place in range(group.num_columns)]
    found, counted, unpacked = sizes(held.getvalue())
    dictionaries = len(groups) * rows  # their entries count too: never more than there are rows
    assert 6 * rows == sum(column.num_values for column in columns) <= found <= 6 * rows + 6 * dictionaries
    assert counted == rows
    # pyarrow's total counts the heads of the pages as well.
    assert 0 < unpacked < sum(column.total_uncompressed_size for column in columns) <= unpacked + 200 * found


def test_an_empty_table_is_one(tmp_path: Path) -> None:
    pd.DataFrame({"name": [], "ssim": []}).to_parquet(tmp_path / "x.parquet", index=False)
    assert read_table(tmp_path / "x.parquet").num_rows == 0


def _number(value: int, size: int = 0) -> bytes:
    """A number as Thrift writes it; `size`: in so many bytes, though it needs fewer."""
    value, out = value << 1, b""
    while value > 127 or len(out) + 1 < size:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def test_a_footer_that_says_less_than_its_pages_hold(tmp_path: Path) -> None:
    count = MOST_VALUES + 1
    lists = pyarrow.ListArray.from_arrays([0, count], pyarrow.array(np.zeros(count, np.uint8)))
    path = tmp_path / "x.parquet"
    parquet.write_table(
        pyarrow.table({"name": ["a"], "x": lists}), path, data_page_size=1 << 30, write_statistics=False
    )
    content = path.read_bytes()
    assert len(content) < 10_000
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    honest = _number(count)
    lying = content[footer:].replace(honest, _number(1, len(honest)))
    path.write_bytes(content[:footer] + lying)
    with parquet.ParquetFile(path) as file:
        assert file.metadata.row_group(0).column(1).num_values == 1
    with pytest.raises(ValueError, match=r"50,000,00\d values in 1 rows"):
        read_table(path)


def test_pages_that_unpack_to_more_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_BYTES", 1_000_000)
    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"name": ["a" * 100_000]}), path, use_dictionary=False)
    assert read_table(path).num_rows == 1
    content, at = path.read_bytes(), len(b"PAR1\x15\x00\x15")  # field 1: a data page; field 2: its size
    path.write_bytes(content[:at] + _number(2**20 - 1) + content[at + 3 :])
    with pytest.raises(ValueError, match="1,048,575 bytes when unpacked"):
        read_table(path)


@pytest.mark.parametrize("cut", [0, 4, 11, 12, 100])
def test_what_is_no_table(tmp_path: Path, cut: int) -> None:
    held = io.BytesIO()
    pd.DataFrame({"name": ["a"]}).to_parquet(held)
    (tmp_path / "x.parquet").write_bytes(held.getvalue()[:cut])
    with pytest.raises(ValueError, match="no Parquet file"):
        read_table(tmp_path / "x.parquet")


@pytest.mark.parametrize("case", sorted(FOUND.glob("*")), ids=lambda case: case.name)
def test_a_description_that_contradicts_itself_beside_a_baseline(tmp_path: Path, case: Path) -> None:
    (tmp_path / "gate.parquet").write_bytes(case.read_bytes())
    with pytest.raises(UsageError, match="expected values by image") as caught:
        read_sidecar(tmp_path / "gate.json", sha256_file(case))
    assert str(caught.value).isprintable()

"""The rows of a list of pairs (CSV, TSV, JSON, JSON Lines) as text, a table for each split that it names."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bench.core.errors import UsageError
from bench.data.layouts.listing import SUFFIXES

ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
_MAX_BYTES = 256 << 20
_MAX_ROWS = 5_000_000
Row = Mapping[str, str]


class OtherPurposeError(UsageError):
    """A JSON file that can be read, and is no list of pairs."""


def read_tables(file: Path) -> dict[str, list[Row]]:
    """Split ("" where none is named) -> rows of a list; kept, as a list is asked for twice.

    Raises:
        UsageError: if it cannot be read; `OtherPurposeError` if it can, and is no list.
    """
    return _tables(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _tables(file: Path, _changed: int) -> dict[str, list[Row]]:
    if file.stat().st_size > _MAX_BYTES:
        raise UsageError(f"expected a list of at most {_MAX_BYTES >> 20} MB, found {file}: split it")
    try:
        text = file.read_text(encoding="utf-8-sig")
        if not text.strip():
            raise ValueError("nothing in it")
        read: Callable[[str, Path], dict[str, list[Row]]] = {
            ".csv": _csv, ".tsv": _csv, ".json": _json, ".jsonl": _lines, ".ndjson": _lines,
        }[file.suffix.lower()]  # fmt: skip
        return read(text, file)
    except (ValueError, csv.Error, OSError, RecursionError) as error:
        raise UsageError(
            f"expected a list of pairs in {file}, found none that can be read ({_reason(error)})"
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start:,}: save it as UTF-8"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    said = " ".join(str(error).split())[:200]
    return f"no whole JSON: {said}" if isinstance(error, json.JSONDecodeError) else said


def _csv(text: str, file: Path) -> dict[str, list[Row]]:
    first = next(line for line in text.splitlines() if line.strip())
    delimiter = max(",;\t|", key=first.count)
    table = list(_some(csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)))
    table = [[cell.strip() for cell in row] for row in table if any(cell.strip() for cell in row)]
    head = table[0] if table else []
    if any(Path(cell).suffix.lower() in SUFFIXES for cell in head):  # no header: the first row is a pair
        head = [f"{number}" for number in range(1, len(head) + 1)]
        table.insert(0, head)
    if twice := {name for name in head if name and head.count(name) > 1}:
        raise UsageError(
            f"expected columns of different names in {file}, found '{min(twice)}' twice: rename one"
        )
    if wide := next((row for row in table[1:] if any(row[len(head) :])), None):
        raise UsageError(
            f"expected a name for each of {len(wide)} columns in the first row of {file}, found {len(head)}"
        )
    return {"": [dict(zip_longest(head, row[: len(head)], fillvalue="")) for row in table[1:]]}


def _json(text: str, file: Path) -> dict[str, list[Row]]:
    value = json.loads(text)
    if isinstance(value, dict) and value and all(isinstance(rows, list) for rows in value.values()):
        return {str(split): _rows(rows, file) for split, rows in value.items()}
    return {"": _rows(value, file)}


def _lines(text: str, file: Path) -> dict[str, list[Row]]:
    return {"": _rows([json.loads(line) for line in _some(iter(text.splitlines())) if line.strip()], file)}


def _rows(value: Any, file: Path) -> list[Row]:
    if not isinstance(value, list):
        raise _no_list(file, "an object or a value")
    if len(value) > _MAX_ROWS:
        raise ValueError(f"more than {_MAX_ROWS:,} rows")
    rows: list[Row] = []
    for entry in value:
        if isinstance(entry, dict):
            rows.append({str(key): str(cell) for key, cell in entry.items()})
        elif isinstance(entry, list):
            rows.append({str(number): str(cell) for number, cell in enumerate(entry, start=1)})
        else:
            raise _no_list(file, "a row that is neither an object nor a list")
    return rows


def _no_list(file: Path, found: str) -> UsageError:
    return OtherPurposeError(
        f"expected a list of pairs in {file}, found none that can be read ({found} instead of a list of rows)"
    )


def _some(rows: Iterator[Any]) -> Iterable[Any]:
    for number, row in enumerate(rows):
        if number >= _MAX_ROWS:
            raise ValueError(f"more than {_MAX_ROWS:,} rows")
        yield row

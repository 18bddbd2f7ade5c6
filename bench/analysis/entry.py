"""Records, and where their values by image come from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.records.panel import PANEL, table_by
from bench.records.record import RunRecord, per_image_path, read_per_image, read_records


@dataclass(frozen=True)
class Entry:
    """A record and the output folder it came from (None: only the record is known).

    Attributes:
        judge: hash of the further judge whose FCN values by image count; None: the first's.
    """

    record: RunRecord
    out: Path | None = None
    judge: str | None = None

    @functools.cached_property
    def by_name(self) -> pd.DataFrame | None:
        """The record's values by test image, read once; None where there are none, or a name is doubled."""
        return indexed(self._table())

    def sorted_table(self) -> pd.DataFrame | None:
        """`by_name` in the order of the names, not kept: rows of many seeds would not fit into memory."""
        return sorted_by_name(self._table())

    def _table(self) -> pd.DataFrame | None:
        if self.out is None:
            return None
        several = PANEL in self.record.details
        table = (_tables.read if several else read_per_image)(self.out, self.record)
        return table if table is None or self.judge is None else table_by(table, self.judge)

    @property
    def values(self) -> dict[str, float]:
        """The record's values by metric."""
        return {key: r.value for key, r in self.record.results.items() if r.value is not None}


class _Tables:
    """Values by image of records that several judges scored, as each judge asks for them; up to 256 MB."""

    _MOST_BYTES = 256 << 20

    def __init__(self) -> None:
        self._held: dict[Path, tuple[tuple[int, int], int, pd.DataFrame]] = {}  # stamp, bytes, table
        self._bytes = 0

    def read(self, out: Path, record: RunRecord) -> pd.DataFrame | None:
        """`read_per_image`, from memory where the file is as it was."""
        path = per_image_path(out, record.id)
        if not path.is_file():
            return None
        stat = path.stat()
        stamp = (stat.st_size, stat.st_mtime_ns)
        if path in self._held and self._held[path][0] == stamp:
            return self._held[path][2]
        self._bytes -= self._held.pop(path)[1] if path in self._held else 0
        table = read_per_image(out, record)
        if table is not None and len(table):
            # confusion matrices are arrays
            size = len(table) * sum(getattr(value, "nbytes", 64) for value in table.iloc[0])
            if self._bytes + size <= self._MOST_BYTES:
                self._held[path] = (stamp, size, table)
                self._bytes += size
        return table


_tables = _Tables()


def indexed(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """Values by image under the images' names; None where there are none, or a name is doubled."""
    return None if table is None or not table["name"].is_unique else table.set_index("name")


def sorted_by_name(table: pd.DataFrame | None) -> pd.DataFrame | None:
    found = indexed(table)
    return None if found is None else found.sort_index()


def load_entries(outs: Sequence[Path]) -> tuple[list[Entry], list[str]]:
    """All records of several outputs; of one that is in more than one, the latest counts.

    Returns:
        The entries, and notes about what was set aside.

    Raises:
        UsageError: if an output holds no records or one cannot be read.
    """
    chosen: dict[str, Entry] = {}
    doubled: set[str] = set()
    for out in outs:
        for record in read_records(out):
            before = chosen.get(record.id)
            if before is not None:
                doubled.add(record.id)
            if before is None or record.created >= before.record.created:
                chosen[record.id] = Entry(record, out)
    notes = [f"{len(doubled)} records are in several outputs; the latest of each counts."] if doubled else []
    return list(chosen.values()), notes

"""A record, and where its values by image come from."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bench.records.record import RunRecord, read_per_image


@dataclass(frozen=True)
class Entry:
    """A record and the output folder it came from (None: only the record is at hand).

    `table` holds its values by test image where they do not come from `out`.
    """

    record: RunRecord
    out: Path | None = None
    table: pd.DataFrame | None = field(default=None, compare=False, repr=False)

    @functools.cached_property
    def per_image(self) -> pd.DataFrame | None:
        """The record's values by test image, read once; None where there are none."""
        if self.table is not None:
            return self.table
        return None if self.out is None else read_per_image(self.out, self.record)

    @functools.cached_property
    def by_name(self) -> pd.DataFrame | None:
        """`per_image` indexed by the test images' names; None where there is none, or a name is doubled."""
        table = None if self.per_image is None else self.per_image.set_index("name")
        return None if table is None or table.index.has_duplicates else table

    def sorted_table(self) -> pd.DataFrame | None:
        """`by_name` in the order of the names, read anew: rows of many seeds would not fit into memory."""
        table = read_per_image(self.out, self.record) if self.table is None and self.out else self.table
        if table is None or not table["name"].is_unique:
            return None
        return table.set_index("name").sort_index()

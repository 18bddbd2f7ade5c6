"""Values of single test images, one variant a row: what picks, viewer and filter go by.

Of every variant the first seed counts, because its images are the ones that are shown.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from baselines.sizes import Size
from bench.analysis.by_image import Floats
from bench.analysis.column import Column
from bench.analysis.rows import Row
from bench.analysis.sections import Section

MAX_VARIANTS = 16
MAX_IMAGES = 2000
FEWEST = 5  # values, below which none is called best, median or worst
_DIGITS = 5  # significant ones, in the page: more than any metric shows


@dataclass(frozen=True)
class ImageValues:
    """Values by variant and test image.

    Attributes:
        names: stems of the test images that all variants have.
        labels: the variants.
        columns: metrics with a value an image.
        values: column id -> (V, N) float64, NaN where there is none.
        notes: what was left out, in words.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    values: dict[str, Floats]
    notes: tuple[str, ...] = ()

    def ranked(self, column: Column, variant: int) -> tuple[int, ...]:
        """Places of a variant's best, median (the lower of two) and worst image; () where few have values.

        Equals stand in the order of their names.
        """
        row = self.values[column.id][variant]
        order = np.lexsort((np.argsort(np.argsort(np.array(self.names))), column.merit(row)))
        known = [int(place) for place in order if not np.isnan(row[place])]
        return (known[-1], known[(len(known) - 1) // 2], known[0]) if len(known) >= FEWEST else ()

    def json(self, size_px: Size | None) -> Markup:
        """All of it for the page's script: JSON that no text in it can break out of."""
        columns = [
            {
                "key": column.info.key, "title": column.title, "arrow": column.arrow,
                "digits": column.decimals, "ranks": column.info.ranks,
                "ranked": [self.ranked(column, variant) for variant in range(len(self.labels))],
                "values": [[_short(value) for value in row] for row in self.values[column.id].tolist()],
            }
            for column in self.columns
        ]  # fmt: skip
        return script_json(
            {"names": self.names, "labels": self.labels, "columns": columns, "size_px": size_px}
        )


def image_values(section: Section) -> ImageValues | None:
    """The section's values by image; None where no variant has any."""
    having = ((row, table) for row in section.rows if (table := row.entries[0].by_name) is not None)
    held = list(itertools.islice(having, MAX_VARIANTS))  # the others' tables are not even read
    notes = []
    if len(section.rows) > MAX_VARIANTS:
        notes.append(f"{len(held)} of {len(section.rows)} variants, the first that have such values.")
    if not held:
        return None
    names = _shared([table for _, table in held])
    if len(names) > MAX_IMAGES:
        notes.append(f"The first {MAX_IMAGES} of {len(names)} test images.")
        names = names[:MAX_IMAGES]
    if not names:
        return None
    values: dict[str, Floats] = {}
    for column in section.columns:
        found = np.stack([_values(row, table, column, names) for row, table in held])
        if not np.isnan(found).all():
            values[column.id] = found
    columns = tuple(column for column in section.columns if column.id in values)
    labels = tuple(row.label for row, _ in held)
    return ImageValues(tuple(names), labels, columns, values, tuple(notes)) if columns else None


def _shared(tables: Sequence[pd.DataFrame]) -> list[str]:
    others = [set(table.index) for table in tables[1:]]
    return [name for name in tables[0].index if all(name in other for other in others)]


def _values(row: Row, table: pd.DataFrame, column: Column, names: list[str]) -> Floats:
    """(N,) values of a row; all NaN where its records have none under the column's protocol."""
    there = column.info.key in table and row.complete(column)
    if not there or not pd.api.types.is_numeric_dtype(table[column.info.key]):
        return np.full(len(names), np.nan)
    found = table.loc[names, column.info.key].to_numpy(np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def _short(value: float) -> float | None:
    return None if value != value else float(f"{value:.{_DIGITS}g}")


def script_json(content: Any) -> Markup:
    """`content` as JSON for a `<script>` element: `<`, `>` and `&` are escaped, so nothing can end it."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)

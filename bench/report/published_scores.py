"""Published scores (`reports/published/scores.toml`): shown beside measured ones, never mixed with them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Literal

from bench.core.resources import resource_dir

ANY = "*"
PublishedStatus = Literal["paper", "secondary", "memory"]
MARKS: dict[str, str] = {
    "paper": "",
    "secondary": "quoted from a second source",
    "memory": "recalled, not verified",
}


@dataclass(frozen=True)
class PublishedScores:
    """One row of a published table.

    Attributes:
        label: variant name in this project's grammar, or "real".
        values: metric key -> value as a fraction.
        status: "paper" (read there), "secondary" (read where it is quoted), "memory" (not verified).
        paper: short name of the paper ("Isola et al. 2017").
        cite: how to find it.
        table: where in the paper ("table 1").
        protocol: how they trained and measured, in words.
        batch_size: what they trained with; None where it is not known.
    """

    label: str
    values: dict[str, float]
    status: PublishedStatus
    paper: str
    cite: str
    table: str
    protocol: str
    batch_size: int | None

    @property
    def mark(self) -> str:
        """What a table must say about the source of the number; "" if it was read in the paper."""
        return MARKS[self.status]


def published_scores(
    label: str, dataset: str, direction: str, batch_size: int | None = None, source: str = "paired"
) -> tuple[PublishedScores, ...]:
    """What papers report for a variant, in the order of the file.

    Args:
        label: variant name ("l1+cgan") or "real".
        dataset, direction: as records name them; other data sets than the papers' have no numbers.
        batch_size: with it, a paper's tables for this batch size hide its tables for others.
        source: "gray" also gives the papers' colourisation, whatever the photos.
    """
    known = (*_read().get((dataset, direction), ()), *_read().get((ANY, source), ()))
    rows = [row for row in known if row.label == label]
    same_batch = {row.paper for row in rows if batch_size is not None and row.batch_size == batch_size}
    return tuple(row for row in rows if row.paper not in same_batch or row.batch_size == batch_size)


@cache
def _read() -> dict[tuple[str, str], tuple[PublishedScores, ...]]:
    path = resource_dir("reports/published") / "scores.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    tables: dict[tuple[str, str], tuple[PublishedScores, ...]] = {}
    for table in content["tables"]:
        paper = content["papers"][table["paper"]]
        rows = tuple(
            PublishedScores(
                label=label,
                values=dict(zip(table["metrics"], entry["values"], strict=True)),
                status=entry["status"],
                paper=paper["short"],
                cite=paper["cite"],
                table=table["name"],
                protocol=table["protocol"],
                batch_size=table.get("batch_size"),
            )
            for label, entry in table["scores"].items()
        )
        key = (ANY, table["source"]) if "source" in table else (table["dataset"], table["direction"])
        tables[key] = (*tables.get(key, ()), *rows)
    return tables

"""Published numbers beside measured ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.analysis.column import Column
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.records.record import RunRecord
from bench.report.published_scores import PublishedScores, published_scores
from bench.report.tables import cell_view


@dataclass(frozen=True)
class PublishedRow:
    """A line of the published table: a measured or a published row of a variant.

    Attributes:
        label: the variant, only on its first line.
        origin: "measured here", or the paper and table.
        mark: "recalled, not verified" or the like; "" for what was read in the paper.
        cells: text by column of the table.
        measured: whether it was measured here.
    """

    label: str
    origin: str
    mark: str
    cells: tuple[str, ...]
    measured: bool
    lines: int = 1


@dataclass
class PublishedTable:
    """Published numbers beside measured ones."""

    columns: list[Column]
    rows: list[PublishedRow]
    protocols: list[tuple[str, str, str]] = field(default_factory=list)  # origin, how to find it, protocol


def published(section: Section) -> list[PublishedTable]:
    """Measured rows and what papers report for the same variants: a table for each set of metrics."""
    found: list[tuple[Row, PublishedScores]] = []
    for row in section.all_rows:
        batch = row.first.spec.get("training", {}).get("batch_size")
        name = variant_of(row.first) or row.variant
        scores = published_scores(name, section.dataset, section.direction, batch, section.source)
        found += [(row, score) for score in scores]
    tables = [
        _published_table(section, keys, found) for keys in dict.fromkeys(tuple(s.values) for _, s in found)
    ]
    return [table for table in tables if table.columns]


def variant_of(record: RunRecord) -> str | None:
    """The variant of a way back, whose label says more; None for all others.

    Papers report both directions of one training.
    """
    return str(record.spec["variant"]["name"]) if record.spec.get("back") else None


def _published_table(
    section: Section, keys: tuple[str, ...], found: list[tuple[Row, PublishedScores]]
) -> PublishedTable:
    columns = [column for column in section.columns if column.info.key in keys]
    table = PublishedTable(columns, [])
    for row in section.all_rows:
        scores = [score for other, score in found if other is row and tuple(score.values) == keys]
        if not scores:
            continue
        cells = tuple(cell_view(row.cells[column.id], column, False, {}, "").value_text for column in columns)
        table.rows.append(PublishedRow(row.label, "measured here", "", cells, True, 1 + len(scores)))
        table.rows += [_published_line(score, columns) for score in scores]
        told = [(f"{score.paper}, {score.table}", score.cite, score.protocol) for score in scores]
        table.protocols += [line for line in told if line not in table.protocols]
    return table


def _published_line(score: PublishedScores, columns: list[Column]) -> PublishedRow:
    values = [score.values.get(column.info.key) for column in columns]
    cells = tuple("" if value is None else _as_published(value) for value in values)
    return PublishedRow("", f"{score.paper}, {score.table}", score.mark, cells, False)


def _as_published(value: float) -> str:
    """With two decimals, or three where the paper has them."""
    return f"{value:.2f}" if round(value, 2) == value else f"{value:.3f}"

"""Tables as plain data: the words and marks of every cell, for the page, Markdown and the terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bench.analysis.cell import Cell
from bench.analysis.column import Column
from bench.analysis.differences import Difference, differences, standing
from bench.analysis.readings import cautions, name_statements, trivial_statements, undecided
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.report.headline import Standings
from bench.report.published_scores import PublishedScores, published_scores
from bench.scoring.judges.fitness import listed

MISSING = "–"
REFERENCE_WORDS = {
    "real": "real images",
    "copy": "copy of the source",
    "nearest": "nearest training target",
    "random": "random training target",
}
REFERENCE_ABOUT = {
    "real": "The real test images, scored like outputs: what a perfect model would score. Where a metric "
    "compares with the target itself, real training images stand in, or there is no value.",
    "copy": "The source given back unchanged: what doing nothing scores.",
    "nearest": "The target of the training pair whose source is most similar: what looking up scores.",
    "random": "A training target drawn blindly: what perfect realism scores without a look at the source.",
}


@dataclass(frozen=True)
class CellView:
    """A cell in words.

    Attributes:
        text: the value, or "–".
        spread: standard deviation over seeds, or "".
        interval: "0.198 to 0.230", or "".
        seeds: the values of the single seeds, or "" for fewer than two.
        tip: everything known about the value, in one line.
        best: it is the best of the column, and distinguishable.
        sort: the number to sort by; None sorts last.
        notes: numbers of the footnotes that belong to it.
    """

    text: str
    spread: str = ""
    interval: str = ""
    seeds: str = ""
    tip: str = ""
    best: bool = False
    sort: float | None = None
    notes: tuple[int, ...] = ()

    @property
    def value_text(self) -> str:
        """ "0.213 ± 0.004"."""
        return f"{self.text} ± {self.spread}" if self.spread else self.text

    @property
    def plain(self) -> str:
        """ "0.213 ± 0.004 [1]"."""
        return self.value_text + "".join(f" [{number}]" for number in self.notes)


@dataclass(frozen=True)
class RowView:
    """A row: its head, how many seeds stand behind it, and its cells in the order of the columns."""

    label: str
    words: str
    kind: str
    seeds: str
    cells: tuple[CellView, ...]


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
class ComparisonTable:
    """The comparison of a section.

    Attributes:
        columns, rows, references: the table.
        footnotes: why values are missing, in the order of their numbers.
        standings: the best of each column that ranks against the next, None where it is alone.
        n: test images.
        differences: all pairs of variants in all columns.
        statements: what must be read beside the numbers: trivial rows that win, differences that are none,
            cautions, names.
        undecided: pairs of variants and the metrics that cannot tell them apart, where they are many.
    """

    columns: list[Column]
    rows: list[RowView]
    references: list[RowView]
    footnotes: list[str]
    standings: Standings
    n: str
    differences: list[Difference] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


@dataclass
class PublishedTable:
    """Published numbers beside measured ones."""

    columns: list[Column]
    rows: list[PublishedRow]
    protocols: list[tuple[str, str, str]] = field(default_factory=list)  # origin, how to find it, protocol


def comparison(section: Section) -> ComparisonTable:
    """The comparison table of a section, with numbered reasons for what is missing."""
    gaps = differences(section)
    ranking = [column for column in section.columns if column.info.ranks and section.rows_with(column)]
    standings = {column.id: standing(section, column, gaps) for column in ranking}
    notes: dict[str, int] = {}
    rows = [_row(row, section, standings, notes) for row in section.rows]
    references = [_row(row, section, standings, notes) for row in section.references]
    said, pairs = undecided(section, gaps)
    statements = [*trivial_statements(section), *cautions(section), *name_statements(section), *said]
    n = _n_words(section)
    return ComparisonTable(
        section.columns, rows, references, list(notes), standings, n, gaps, statements, pairs
    )


def _row(row: Row, section: Section, standings: Standings, notes: dict[str, int]) -> RowView:
    cells = []
    for column in section.columns:
        cell = row.cells[column.id]
        found = standings.get(column.id)
        best = found is not None and found.distinguishable and found.first is row
        cells.append(_cell(cell, column, best, notes, f"{row.label}, {column.title}"))
    words = REFERENCE_WORDS.get(row.label, "") if row.kind != "run" else ""
    seeds = str(len(row.seeds)) if row.kind == "run" and row.seeds else ""
    return RowView(row.label, words, row.kind, seeds, tuple(cells))


def _cell(cell: Cell, column: Column, best: bool, notes: dict[str, int], what: str) -> CellView:
    numbers = tuple(notes.setdefault(reason, len(notes) + 1) for reason in cell.reasons)
    if cell.mean is None:
        return CellView(MISSING, tip=f"{what}: {'; '.join(cell.reasons)}", notes=numbers)
    text, spread = column.text(cell.mean), "" if cell.std is None else column.text(cell.std)
    interval = " to ".join(map(column.text, cell.interval or ()))
    seeds = ", ".join(map(column.text, cell.values)) if len(cell.values) > 1 else ""
    tip = [f"{what}: {text}"]
    tip += [f"95 % interval over test images {interval}"] if interval else []
    tip += [f"seeds {seeds}"] if seeds else []
    tip.append(f"N = {', '.join(map(str, dict.fromkeys(cell.n)))}")
    return CellView(text, spread, interval, seeds, "; ".join(tip), best, cell.mean, numbers)


def unranked_words(section: Section) -> str:
    """Which columns of a table do not rank: "Diversity describes and is not ranked.", or ""."""
    titles = [column.title for column in section.columns if not column.info.ranks]
    if not titles:
        return ""
    return f"{listed(titles)} {'describe and are' if len(titles) > 1 else 'describes and is'} not ranked."


def _n_words(section: Section) -> str:
    """N behind the values: "500", with columns of another N named: "500 (Diversity: 20)"."""
    found = {c.title: [n for row in section.all_rows for n in row.cells[c.id].n] for c in section.columns}
    counts = Counter(n for numbers in found.values() for n in numbers)
    if not counts:
        return str(section.test_n or "unknown")
    usual = counts.most_common(1)[0][0]
    others: dict[str, list[str]] = {}
    for title, numbers in found.items():
        if numbers and set(numbers) != {usual}:
            low, high = min(numbers), max(numbers)
            others.setdefault(str(low) if low == high else f"{low} to {high}", []).append(title)
    said = "; ".join(f"{', '.join(titles)}: {words}" for words, titles in others.items())
    return f"{usual} ({said})" if said else str(usual)


def published(section: Section) -> list[PublishedTable]:
    """Measured rows and what papers report for the same variants: a table for each set of metrics."""
    found: list[tuple[Row, PublishedScores]] = []
    for row in section.all_rows:
        batch = row.first.spec.get("training", {}).get("batch_size")
        scores = published_scores(row.variant, section.dataset, section.direction, batch, section.source)
        found += [(row, score) for score in scores]
    tables = [
        _published_table(section, keys, found) for keys in dict.fromkeys(tuple(s.values) for _, s in found)
    ]
    return [table for table in tables if table.columns]


def _published_table(
    section: Section, keys: tuple[str, ...], found: list[tuple[Row, PublishedScores]]
) -> PublishedTable:
    columns = [column for column in section.columns if column.info.key in keys]
    table = PublishedTable(columns, [])
    for row in section.all_rows:
        scores = [score for other, score in found if other is row and tuple(score.values) == keys]
        if not scores:
            continue
        cells = tuple(_cell(row.cells[column.id], column, False, {}, "").value_text for column in columns)
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


def failures(section: Section) -> list[tuple[str, str, str, str]]:
    """(label, seed, status, error) of every run that did not finish."""
    return [
        (r.label, MISSING if r.seed is None else str(r.seed), r.status, r.error or "no reason was recorded")
        for r in section.failed
    ]

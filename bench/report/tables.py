"""Tables as plain data: the words and marks of every cell, for the page, Markdown and the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.analysis.cell import Cell
from bench.analysis.column import Column
from bench.analysis.differences import Difference, differences, standing
from bench.analysis.questions import grouped, shown_first
from bench.analysis.readings import cautions, name_statements, trivial_statements, undecided
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.analysis.trained_on import MARK, trained_on
from bench.records.record import RunRecord
from bench.report.headline import Standings
from bench.scoring.judges.fitness import listed
from bench.spec.models import ELSEWHERE, trained_elsewhere

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


@dataclass
class ComparisonTable:
    """The comparison of a section.

    Attributes:
        columns, rows, references: the table.
        footnotes: why values are missing, or are not ranked, in the order of their numbers.
        standings: the best of each column that ranks against the next, None where it is alone.
        n, n_brief: test images behind all columns, and behind those of the short table.
        brief: places of the columns that the short table has.
        groups: (question, places of its columns), in order.
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
    n_brief: str = ""
    brief: list[int] = field(default_factory=list)
    groups: list[tuple[str, list[int]]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)

    @property
    def whole(self) -> list[int]:
        """Places of all columns."""
        return list(range(len(self.columns)))

    @property
    def hidden(self) -> list[int]:
        """Places of the columns that the short table does not have."""
        return [place for place in self.whole if place not in self.brief]

    @property
    def is_brief(self) -> bool:
        """Whether there are more columns than the short table has."""
        return len(self.brief) < len(self.columns)

    def notes_of(self, places: Sequence[int]) -> list[int]:
        """Numbers of the footnotes that the columns at these places need."""
        rows = [*self.rows, *self.references]
        return sorted({number for row in rows for place in places for number in row.cells[place].notes})

    @property
    def has_best(self) -> bool:
        """Whether any value is bold."""
        return any(cell.best for row in self.rows for cell in row.cells)

    @property
    def has_seeds(self) -> bool:
        """Whether any row was trained with a seed that is known."""
        return any(row.seeds for row in self.rows)


def comparison(section: Section) -> ComparisonTable:
    """The comparison table of a section, with numbered reasons for what is missing."""
    gaps = differences(section)
    ranking = [column for column in section.columns if column.info.ranks and section.ranked(column)]
    standings = {column.id: standing(section, column, gaps) for column in ranking}
    notes: dict[str, int] = {}
    rows = [_row(row, section, standings, notes) for row in section.rows]
    having = [row for row in section.references if _has_any(row, section)]
    references = [_row(row, section, standings, notes) for row in having]
    said, pairs = undecided(section, gaps)
    statements = [
        *model_statements(section),
        *trivial_statements(section),
        *cautions(section),
        *name_statements(section),
        *said,
    ]
    statements += [_empty_words(row) for row in section.references if row not in having]
    with_values = [column for column in section.columns if section.rows_with(column)]
    brief = shown_first(section.columns, with_values)
    groups = [
        (question.title, [section.columns.index(column) for column in held])
        for question, held in grouped(section.columns)
    ]
    return ComparisonTable(
        section.columns, rows, references, list(notes), standings,
        _n_words(section, section.columns), _n_words(section, brief),
        [section.columns.index(column) for column in brief], groups, gaps, statements, pairs,
    )  # fmt: skip


def _has_any(row: Row, section: Section) -> bool:
    return not section.columns or any(row.mean(column) is not None for column in section.columns)


def _empty_words(row: Row) -> str:
    """Why a reference row is not in the table."""
    reasons = dict.fromkeys(reason for cell in row.cells.values() for reason in cell.reasons)
    words = REFERENCE_WORDS.get(row.label)
    name = f"{row.label} ({words})" if words else row.label
    return f"The row {name} is left out, because it has no value: {'; '.join(reasons)}."


def _row(row: Row, section: Section, standings: Standings, notes: dict[str, int]) -> RowView:
    cells = []
    for column in section.columns:
        cell = row.cells[column.id]
        found = standings.get(column.id)
        best = found is not None and found.distinguishable and found.first is row
        if row.kind == "run" and cell.mean is not None and trained_on(row, column):
            cell = replace(cell, reasons=(*cell.reasons, MARK))
        cells.append(cell_view(cell, column, best, notes, f"{row.label}, {column.title}"))
    words = words_of_model(row.first) if row.kind == "run" else REFERENCE_WORDS.get(row.label, "")
    seeds = str(len(row.seeds)) if row.kind == "run" and row.seeds else ""
    return RowView(row.label, words, row.kind, seeds, tuple(cells))


def model_statements(section: Section) -> list[str]:
    """What is known of each row of `--model`."""
    said = []
    for row in section.rows:
        if words_of_model(row.first):
            variant, known = row.first.spec["variant"], row.first.details.get("model") or {}
            parts = [f"{variant['kind']} {variant['file']}", f"sha256 {variant['sha256'][:12]}"]
            parts += [str(known["architecture"])] if "architecture" in known else []
            parts += [f"{known['parameters'] / 1e6:.2f} M parameters"] if known.get("parameters") else []
            parts += [f"assumed: {known['assumed']}"] if known.get("assumed") else []
            told = ", ".join(parts)
            said.append(f"{row.label} was {ELSEWHERE} ({told}); nothing is claimed of its training.")
    return said


def words_of_model(record: RunRecord) -> str:
    """ "trained elsewhere" for a row of `--model`, else ""."""
    return ELSEWHERE if trained_elsewhere(record.spec) else ""


def cell_view(cell: Cell, column: Column, best: bool, notes: dict[str, int], what: str) -> CellView:
    """A cell in words; `notes` takes the reasons of missing values, by number, and `what` begins its tip."""
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


def _n_words(section: Section, columns: Sequence[Column]) -> str:
    """N behind the values: "500", with columns of another N named: "500 (Diversity: 20)"."""
    found = {c.title: [n for row in section.all_rows for n in row.cells[c.id].n] for c in columns}
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


def failures(section: Section) -> list[tuple[str, str, str, str]]:
    """(label, seed, status, error) of every run that did not finish."""
    return [
        (r.label, MISSING if r.seed is None else str(r.seed), r.status, r.error or "no reason was recorded")
        for r in section.failed
    ]

"""The short table for the terminal, and what belongs beside it in words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.analysis.entry import Entry
from bench.analysis.judge_cards import blur_statements
from bench.analysis.readings import fitness_statements
from bench.analysis.sections import Section, sections
from bench.records.record import RunRecord
from bench.report.headline import headline, one_seed
from bench.report.judge_view import seen_statements
from bench.report.tables import CellView, ComparisonTable, RowView, comparison, failures

_GAP = 3  # padding and rule between two columns
_MOST_WIDE = 100


def terminal_table(records: Sequence[RunRecord], width: int | None = None, out: Path | None = None) -> Table:
    """Rows = variants over seeds, reference rows below a rule; a short table a section, in as many blocks of
    columns as the width takes.

    Args:
        records: of one or more data sets.
        width: columns of the terminal; found out when not given, at most 100.
        out: their output folder: its values by test image sharpen the comparison, as in the report.
    """
    outer = Table.grid()
    outer.add_column()
    width = min(_terminal_width(), _MOST_WIDE) if width is None else width
    for section in sections([Entry(record, out) for record in records]):
        table = comparison(section)
        outer.add_row(Text(f"\n{section.title} (N = {table.n_brief})", style="bold"))
        if not section.columns:
            outer.add_row(Text("  no values"))
        else:
            outer.add_row(Group(*(_block(table, block) for block in _blocks(table, width))))
            for number in table.notes_of(table.brief):
                outer.add_row(Text(f"[{number}] {table.footnotes[number - 1]}", style="dim"))
    return outer


def terminal_notes(records: Sequence[RunRecord], out: Path | None = None) -> list[str]:
    """What must be known beside the table: what the judge can tell, gaps, failed runs.

    Args:
        records, out: as for `terminal_table`.
    """
    lines: list[str] = []
    for section in sections([Entry(record, out) for record in records]):
        table = comparison(section)
        lines += [*seen_statements(section), *blur_statements(section), *fitness_statements(section)]
        lines += table.statements
        lines += _section_notes(section)
    return lines


def terminal_findings(records: Sequence[RunRecord], out: Path | None = None) -> list[str]:
    """Who is best at what, how sure that is, and how many metrics the short table leaves out.

    Args:
        records, out: as for `terminal_table`.
    """
    lines: list[str] = []
    made = sections([Entry(record, out) for record in records])
    for section in made:
        table = comparison(section)
        prefix = f"{section.title}: " if len(made) > 1 else ""
        lines += [f"{prefix}{sentence}" for sentence in headline(section, table.standings)]
        lines += [f"{prefix}{said}" for said in one_seed(section)]
        if table.is_brief:
            more = len(table.columns) - len(table.brief)
            lines.append(f"{prefix}{more} more metrics are in the report.")
    return lines


def _section_notes(section: Section) -> list[str]:
    lines = [f"Not measured: {titles} ({reason})" for titles, reason in section.unmeasured_by_reason]
    lines += section.notes
    lines += [f"{label}, seed {seed}, {status}: {error}" for label, seed, status, error in failures(section)]
    return lines


def _terminal_width() -> int:
    from rich.console import Console

    return Console().width


def _blocks(table: ComparisonTable, width: int) -> list[list[int]]:
    """Column numbers, split so that no block is wider than the terminal."""
    head = max([len("variant"), *(len(row.label) for row in [*table.rows, *table.references])])
    room_at_first = width - head - _GAP - (len("seeds") + _GAP if table.has_seeds else 0)
    blocks: list[list[int]] = []
    room = 0
    for position in table.brief:
        needed = _cell_width(table, position) + _GAP
        if not blocks or needed > room:
            blocks.append([])
            room = room_at_first
        blocks[-1].append(position)
        room -= needed
    return blocks


def _cell_width(table: ComparisonTable, position: int) -> int:
    """As wide as the widest cell and the longest word of the head; the head wraps to it."""
    rows = [*table.rows, *table.references]
    cells = max((len(row.cells[position].plain) for row in rows), default=0)
    return max(cells, *map(len, _head(table, position).split()))


def _head(table: ComparisonTable, position: int) -> str:
    column = table.columns[position]
    return f"{column.head} {column.arrow}".rstrip()


def _block(table: ComparisonTable, block: list[int]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    shown.add_column("variant", no_wrap=True, overflow="ellipsis")
    if table.has_seeds:
        shown.add_column("seeds", justify="right", no_wrap=True)
    for position in block:
        head = "\n".join(
            textwrap.wrap(_head(table, position), _cell_width(table, position), break_on_hyphens=False)
        )
        shown.add_column(Text(head), justify="right", vertical="bottom", no_wrap=True)
    for row in table.rows:
        _add(shown, table, row, block)
    shown.add_section()
    for row in table.references:
        _add(shown, table, row, block)
    return shown


def _add(shown: Table, table: ComparisonTable, row: RowView, block: list[int]) -> None:
    style = "" if row.kind == "run" else "dim"
    cells = [_text(row.cells[position]) for position in block]
    seeds = [row.seeds] if table.has_seeds else []
    shown.add_row(Text(row.label), *seeds, *cells, style=style)


def _text(cell: CellView) -> Text:
    return Text(cell.plain, style="bold" if cell.best else "", no_wrap=True)

"""What must be read beside the numbers of a table, in sentences: the judge's fitness, trivial rows, names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analysis.table import Cell, Column, Row, Section
from bench.records.record import RunRecord
from bench.scoring.judges.fitness import fitness, listed

TRIVIAL = ("copy", "nearest", "random")


def fitness_statements(section: Section) -> list[str]:
    """What may be read out of the FCN scores.

    From the values shown, so that runs of one finding share a sentence; for runs whose judge has no `real`
    row in the section, what their own records say.
    """
    done = [entry.record for entry in section.entries if entry.record.status == "finished"]
    reals = {_judge(r): r for r in done if r.kind != "run" and r.label == "real" and _judge(r)}
    runs = [entry.record for row in section.rows for entry in row.entries]
    said: list[str] = []
    for judge, real in reals.items():
        judged = [run for run in runs if _judge(run) == judge]
        said += fitness(real, judged) if judged else []
    for record in done:
        own = record.details.get("fitness")
        said += map(str, own) if isinstance(own, list) and _judge(record) not in reals else ()
    return list(dict.fromkeys(said))


def _judge(record: RunRecord) -> str | None:
    return (record.details.get("judge") or {}).get("hash")


def trivial_statements(section: Section) -> list[str]:
    """On which metrics a trivial row beats every trained variant: at most one sentence.

    It does where its value is better than all of theirs and, where both have 95 % intervals, these do not
    overlap. Of several trivial rows that do, the best one is named.
    """
    beaten: dict[str, list[tuple[str, str]]] = {}
    for column in section.columns:
        found = _beats_all(section, column) if column.info.ranks else None
        if found is not None:
            value = found.cells[column.id].mean
            assert value is not None
            beaten.setdefault(found.label, []).append((column.title, column.text(value)))
    if not beaten:
        return []
    parts = [
        f"on {listed([title for title, _ in pairs])} the trivial row {label} "
        f"({listed([text for _, text in pairs])}) beats every variant"
        for label, pairs in beaten.items()
    ]
    them = "it" if sum(map(len, beaten.values())) == 1 else "them"
    trained = all("steps" in e.record.spec.get("training", {}) for row in section.rows for e in row.entries)
    budget = "at this budget " if trained else ""
    said = "; ".join(parts)
    return [f"{said[0].upper()}{said[1:]}: {budget}none has learnt {them}."]


def _beats_all(section: Section, column: Column) -> Row | None:
    """The best trivial row that beats all variants with a value in the column, if any does."""
    theirs = [cell for row in section.rows if (cell := row.cells[column.id]).mean is not None]
    ours = {
        row.label: row
        for row in section.references
        if row.label in TRIVIAL and row.cells[column.id].mean is not None
    }
    winners = [
        row
        for row in ours.values()
        if theirs and all(_beats(column, row.cells[column.id], c) for c in theirs)
    ]
    return max(winners, key=lambda row: _merits(column, row.cells[column.id])[1], default=None)


def _beats(column: Column, ours: Cell, theirs: Cell) -> bool:
    (low, value, _), (_, other, high) = _merits(column, ours), _merits(column, theirs)
    known = ours.interval is not None and theirs.interval is not None
    return low > high if known else value > other


def _merits(column: Column, cell: Cell) -> tuple[float, float, float]:
    """Least, actual and greatest merit of a cell's value, the first and last over its interval."""
    assert cell.mean is not None
    ends = cell.interval or (cell.mean, cell.mean)
    merits = [column.merit(end) for end in (*ends, cell.mean)]
    if column.goal not in ("max", "min") and ends[0] <= float(column.goal) <= ends[1]:
        merits.append(column.merit(float(column.goal)))
    return min(merits), column.merit(cell.mean), max(merits)


def name_statements(section: Section) -> list[str]:
    """Rows that also answer for other names that were asked for: at most one sentence."""
    asked: dict[str, dict[str, None]] = {}
    for row in section.rows:
        for entry in row.entries:
            names = _names(entry.record.details)
            if names:
                asked.setdefault(row.label, {}).update(dict.fromkeys(names))
    said = [f"{label} (also asked for as {listed(list(names))})" for label, names in asked.items()]
    return [f"One system under several names: {'; '.join(said)}."] if said else []


def _names(details: Mapping[str, object]) -> Sequence[str]:
    names = details.get("also")
    return [str(name) for name in names] if isinstance(names, list) else []

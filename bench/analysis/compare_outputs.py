"""Two records, or two outputs, side by side: what differs by how much, and whether the test images can tell.

Refused where the numbers would not be of the same thing: other test images, or another protocol. Other
settings are not refused, but said.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.analysis.cell import Cell
from bench.analysis.column import Column, info_of
from bench.analysis.comparable import differing_fields, must_agree, test_sets
from bench.analysis.differences import Difference, corrected, difference
from bench.analysis.entry import Entry
from bench.analysis.rows import Row, as_text, group, same_seed, settings_of, told_apart
from bench.analysis.sections import in_order
from bench.core.errors import NotComparableError, UsageError
from bench.records.record import MetricResult, RunRecord, read_record, read_records

Rows = dict[tuple[Any, ...], Row]
_SHOWN = 4


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: a line a row and metric, and what could not be compared, in words."""

    lines: tuple[Difference, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"differences": [_to_json(line) for line in self.lines], "notes": list(self.notes)}


def _to_json(line: Difference) -> dict[str, Any]:
    names = (
        "row", "metric", "goal", "a", "b", "difference", "interval", "over_seeds", "p_value", "basis",
        "distinguishable", "decided_by", "n",
    )  # fmt: skip
    held = {"goal": line.column.goal, "p_value": line.corrected}
    return {name: held[name] if name in held else getattr(line, name) for name in names}


def load(path: Path) -> list[Entry]:
    """The record in a JSON file, or the finished runs of an output.

    Raises:
        UsageError: if there is none, or it did not finish.
    """
    if path.is_dir():
        entries = [Entry(record, path) for record in read_records(path)]
        runs = [entry for entry in entries if entry.record.kind == "run"]
        done = [entry for entry in runs if entry.record.status == "finished"]
        if not done:
            raise UsageError(f"expected finished runs in {path}, found {len(runs)} that did not finish")
        return done
    record = read_record(path)
    if record.status != "finished":
        raise UsageError(f"expected a finished record in {path}, found one that is {record.status}")
    return [Entry(record, path.resolve().parent.parent if path.resolve().parent.name == "records" else None)]


def compare(a: Sequence[Entry], b: Sequence[Entry], metrics: Sequence[str] = ()) -> Comparison:
    """Compare the rows that both have (with one row each: those two).

    A row is a label on one test set. Where a side has a label in several trainings, each is a row, and goes
    with the one of the same settings.

    Args:
        a, b: of `load`.
        metrics: keys to compare; empty = all that both have.

    Raises:
        NotComparableError: if no row is common to both, or one was tested on other images or scored by
            another protocol; the message names the fields that differ.
        UsageError: if a row has two records of one seed.
    """
    pairs, notes = _pairs(*_rows(a, b))
    notes += _other_settings(pairs)
    found: list[Difference] = []
    without: list[_Without] = []
    for first, second in pairs:
        columns, missing = _columns(first, second, metrics)
        without += missing
        found += [difference(column, first, second) for column in columns]
    notes += _grouped(without, len(pairs))
    if not found:
        raise NotComparableError(
            f"expected a metric with a value on both sides, found none: {'; '.join(notes)}"
        )
    return Comparison(tuple(corrected(found)), tuple(dict.fromkeys(notes)))


def _rows(a: Sequence[Entry], b: Sequence[Entry]) -> tuple[Rows, Rows]:
    """The rows of both sides, over seeds: by label and test set, and by settings where a side has several."""
    of = test_sets(entry.record for entry in (*a, *b))

    def row_and_settings(record: RunRecord) -> tuple[tuple[Any, ...], str]:
        return (record.label, *of(record).values()), as_text(settings_of(record))

    lots = [group(side, row_and_settings) for side in (a, b)]
    made: tuple[Rows, Rows] = {}, {}
    for row in dict.fromkeys(row for side in lots for row, _ in side):
        sides = [{settings: lot for (of, settings), lot in side.items() if of == row} for side in lots]
        several = max(map(len, sides)) > 1
        label = row[0]
        for settings, told in told_apart(label, {**sides[0], **sides[1]}).items():
            for rows, side, name in zip(made, sides, "AB", strict=True):
                if settings in side:
                    key = (*row, settings) if several else row
                    rows[key] = _row(told if several else label, label, side[settings], name)
    return made


def _row(told: str, label: str, lot: list[Entry], side: str) -> Row:
    if doubled := same_seed(lot):
        one, other = doubled
        raise UsageError(
            f"expected one record for {told} (seed {one.seed}) in {side}, found {one.id} and {other.id}: "
            "name one of them (OUT/records/ID.json), or keep them in different --out folders"
        )
    return Row(told, lot[0].record.kind, lot, label)


def _pairs(a: Rows, b: Rows) -> tuple[list[tuple[Row, Row]], list[str]]:
    if len(a) == len(b) == 1:
        (first,), (second,) = a.values(), b.values()
        if said := _other_images(first, second):
            raise NotComparableError(
                f"{first.label} and {second.label} were not tested on the same images: {said}"
            )
        return [(first, second)], []
    shared = [key for key in a if key in b]
    if not shared:
        raise NotComparableError(_nothing_shared(a, b))
    notes = []
    for side, mine, other in (("A", a, b), ("B", b, a)):
        alone = dict.fromkeys(row.label for key, row in mine.items() if key not in other)
        notes += [f"only in {side}: {', '.join(alone)}"] if alone else []
    return [(a[key], b[key]) for key in shared], notes


def _other_images(first: Row, second: Row) -> str:
    """How their test sets differ, in words; "" where they do not."""
    of = test_sets(entry.record for row in (first, second) for entry in row.entries)
    return _said(differing_fields([of(row.first) for row in (first, second)]))


def _other_settings(pairs: Sequence[tuple[Row, Row]]) -> list[str]:
    """In which settings rows of one label differ: a line a difference."""
    where: dict[str, list[str]] = {}
    for first, second in pairs:
        differing = differing_fields([settings_of(row.first) for row in (first, second)])
        if differing and first.variant == second.variant:
            where.setdefault(_said(differing), []).append(first.label)
    return [
        f"trained or tested with other settings{_in(labels, len(pairs))}: {said}"
        for said, labels in where.items()
    ]


def _in(labels: Sequence[str], rows: int) -> str:
    """ " in l1, cgan"; "" where it is all `rows` that are compared."""
    return "" if len(labels) == rows else f" in {', '.join(labels)}"


def _nothing_shared(a: Rows, b: Rows) -> str:
    """Why two outputs have no row in common: other labels, or the same ones on other images."""
    for first, second in itertools.product(a.values(), b.values()):
        if first.variant == second.variant and (said := _other_images(first, second)):
            return f"{first.variant} was not tested on the same images in both: {said}"
    labels = [", ".join(dict.fromkeys(row.label for row in side.values())) for side in (a, b)]
    return (
        f"expected a row in both, found {labels[0]} in A and {labels[1]} in B: name two records "
        "(OUT/records/ID.json) to compare different variants"
    )


class _Without(NamedTuple):
    """A metric of a pair of rows that could not be compared, and why."""

    row: str
    metric: str
    reason: str


def _grouped(without: Sequence[_Without], rows: int) -> list[str]:
    """A line a reason and set of rows, with its metrics; `rows`: how many are compared."""
    where: dict[tuple[str, str], list[str]] = {}
    for one in without:
        where.setdefault((one.metric, one.reason), []).append(one.row)
    metrics: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (metric, reason), names in where.items():
        metrics.setdefault((reason, tuple(names)), []).append(metric)
    return [
        f"not compared{_in(names, rows)}: {', '.join(keys)} ({reason})"
        for (reason, names), keys in metrics.items()
    ]


def _columns(first: Row, second: Row, metrics: Sequence[str]) -> tuple[list[Column], list[_Without]]:
    """The metrics that both rows have, as columns, with their cells filled; and those that one lacks."""
    columns: list[Column] = []
    without: list[_Without] = []
    refused: list[str] = []
    name = first.label if first.label == second.label else f"{first.label} / {second.label}"
    for key in in_order([key for row in (first, second) for e in row.entries for key in e.record.results]):
        if metrics and key not in metrics:
            continue
        sides = [[entry.record.results.get(key) for entry in row.entries] for row in (first, second)]
        flat = [result for side in sides for result in side]
        given = [result for result in flat if result is not None and result.value is not None]
        if len(given) < len(flat):
            without.append(_Without(name, key, _reason(flat)))
        elif differing := differing_fields([_agreed(result) for result in given]):
            refused.append(f"{key} ({_said(differing)})")
        else:
            columns.append(Column(key, info_of(key), "", given[0].goal, given[0].protocol))
            first.cells[key] = Cell.of(given[: len(first.entries)])
            second.cells[key] = Cell.of(given[len(first.entries) :])
    if refused:
        more = f"; and {len(refused) - _SHOWN} metrics more" if len(refused) > _SHOWN else ""
        raise NotComparableError(
            f"{name} was scored by different protocols: {'; '.join(refused[:_SHOWN])}{more}; score both in "
            "one way, or name what agrees by --metrics"
        )
    return columns, without


def _reason(results: Sequence[MetricResult | None]) -> str:
    for result in results:
        if result is not None and result.value is None:
            return str(result.reason)
    return "one side was not scored for it"


def _agreed(result: MetricResult) -> dict[str, Any]:
    return must_agree(result.name, result.goal, result.n, result.protocol)


def _said(differing: dict[str, list[Any]]) -> str:
    return ", ".join(
        f"{name} {' against '.join(str(v) for v in dict.fromkeys(map(str, values)))}"
        for name, values in differing.items()
    )

"""Two records, or two outputs, side by side: what differs by how much, and whether the test images can tell.

Refused where the numbers would not be of the same thing: other test images, or another protocol.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from bench.analysis.differences import Difference, differences
from bench.analysis.entry import Entry
from bench.analysis.from_records import SET_DISTANCES
from bench.analysis.table import Cell, Column, Row, Section, differing_fields, info_of
from bench.core.bootstrap import holm
from bench.core.errors import NotComparableError, UsageError
from bench.records.record import Goal, MetricResult, RunRecord, read_record, read_records
from bench.scoring.metrics.catalogue import CATALOGUE

_SHOWN = 4


@dataclass(frozen=True)
class Compared:
    """One metric of one pair of rows.

    Attributes:
        row: label, or "A's / B's" where they differ.
        metric, goal: its key, and "max", "min" or a target.
        a, b: values, means over seeds.
        difference: a - b, in the metric's unit.
        interval: 95 % interval of the difference over the same test images; None where values by image are
            not at hand.
        over_seeds: 95 % interval over seeds, of the distances where the metric has a target; None below two
            seeds on a side.
        p_value: of no difference, corrected (Holm) over all lines; None: nothing to go by.
        basis: what it rests on: "images", "seeds" or "none".
        distinguishable: whether the two differ, at 5 %.
        decided_by: "seeds" where the p-value rests on them, or where the images can tell and they cannot.
        n: test images.
    """

    row: str
    metric: str
    goal: Goal
    a: float
    b: float
    difference: float
    interval: tuple[float, float] | None
    over_seeds: tuple[float, float] | None
    p_value: float | None
    basis: str
    distinguishable: bool
    decided_by: str
    n: int


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: a line a row and metric, and what could not be compared, in words."""

    lines: tuple[Compared, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"differences": [asdict(line) for line in self.lines], "notes": list(self.notes)}


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

    Args:
        a, b: of `load`.
        metrics: keys to compare; empty = all that both have.

    Raises:
        NotComparableError: if no row is common to both, or one was tested on other images or scored by
            another protocol; the message names the fields that differ.
    """
    sides = _rows(a), _rows(b)
    pairs, notes = _pairs(*sides)
    found: list[tuple[str, Difference]] = []
    without: list[_Without] = []
    for first, second in pairs:
        name = first.label if first.label == second.label else f"{first.label} / {second.label}"
        columns, missing = _columns(name, first, second, metrics)
        without += missing
        found += [(name, _difference(first, second, column)) for column in columns]
    notes += _grouped(without, len(pairs))
    if not found:
        raise NotComparableError(
            f"expected a metric with a value on both sides, found none: {'; '.join(notes)}"
        )
    return Comparison(_lines(found), tuple(dict.fromkeys(notes)))


def _rows(entries: Sequence[Entry]) -> dict[tuple[Any, ...], Row]:
    """One row a label and test set, over seeds."""
    rows: dict[tuple[Any, ...], Row] = {}
    for entry in sorted(entries, key=lambda entry: entry.record.seed or 0):
        record = entry.record
        key = (record.label, *_tested_on(record).values())
        rows.setdefault(key, Row(record.label, record.kind, [], record.label)).entries.append(entry)
    return rows


def _tested_on(record: RunRecord) -> dict[str, Any]:
    """What must agree before two rows may be compared at all."""
    data = record.spec["data"]
    fields = ("name", "direction", "source", "test_n", "test_fingerprint")
    size = record.spec.get("training", {}).get("size_px")
    return {**{f"data.{name}": data.get(name) for name in fields}, "size_px": size}


def _pairs(
    a: dict[tuple[Any, ...], Row], b: dict[tuple[Any, ...], Row]
) -> tuple[list[tuple[Row, Row]], list[str]]:
    if len(a) == len(b) == 1:
        first, second = next(iter(a.values())), next(iter(b.values()))
        differing = differing_fields([_tested_on(row.entries[0].record) for row in (first, second)])
        if differing:
            raise NotComparableError(
                f"{first.label} and {second.label} were not tested on the same images: {_said(differing)}"
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


def _nothing_shared(a: dict[tuple[Any, ...], Row], b: dict[tuple[Any, ...], Row]) -> str:
    """Why two outputs have no row in common: other labels, or the same ones on other images."""
    for first in a.values():
        for second in b.values():
            if first.label == second.label:
                differing = differing_fields([_tested_on(r.entries[0].record) for r in (first, second)])
                return f"{first.label} was not tested on the same images in both: {_said(differing)}"
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
        f"not compared{'' if len(names) == rows else ' in ' + ', '.join(names)}: {', '.join(keys)} ({reason})"
        for (reason, names), keys in metrics.items()
    ]


def _columns(
    name: str, first: Row, second: Row, metrics: Sequence[str]
) -> tuple[list[Column], list[_Without]]:
    """The metrics that both rows have, as columns, with their cells filled; and those that one lacks."""
    columns: list[Column] = []
    without: list[_Without] = []
    refused: list[str] = []
    keys = [key for entry in (*first.entries, *second.entries) for key in entry.record.results]
    order = list(CATALOGUE)
    for key in sorted(set(keys), key=lambda key: (order.index(key) if key in order else len(order), key)):
        if metrics and key not in metrics:
            continue
        results = [[entry.record.results.get(key) for entry in row.entries] for row in (first, second)]
        flat = [result for side in results for result in side]
        given = [result for result in flat if result is not None and result.value is not None]
        if len(given) < len(flat):
            without.append(_Without(name, key, _reason(flat)))
            continue
        if differing := differing_fields([_protocol(result) for result in given]):
            refused.append(f"{key} ({_said(differing)})")
            continue
        column = Column(key, info_of(key), "", given[0].goal, given[0].protocol)
        columns.append(column)
        for row in (first, second):
            row.cells[key] = _cell([entry.record.results[key] for entry in row.entries])
    if refused:
        raise NotComparableError(
            f"{name} was scored by different protocols: {'; '.join(refused[:_SHOWN])}"
            f"{f'; and {len(refused) - _SHOWN} metrics more' if len(refused) > _SHOWN else ''}; score both "
            "in one way, or name what agrees by --metrics"
        )
    return columns, without


def _reason(results: Sequence[MetricResult | None]) -> str:
    for result in results:
        if result is not None and result.value is None:
            return str(result.reason)
    return "one side was not scored for it"


def _protocol(result: MetricResult) -> dict[str, Any]:
    """What must agree; N as well where the value depends on it."""
    extra = {"n": result.n} if result.name in SET_DISTANCES else {}
    return {"goal": result.goal, **extra, **result.protocol}


def _cell(results: Sequence[MetricResult]) -> Cell:
    values = tuple(result.value for result in results if result.value is not None)
    known = [result.interval for result in results if result.interval is not None]
    interval = None
    if len(known) == len(values):
        interval = (statistics.fmean(low for low, _ in known), statistics.fmean(high for _, high in known))
    std = statistics.stdev(values) if len(values) > 1 else None
    return Cell(values, math.fsum(values) / len(values), std, interval, tuple(result.n for result in results))


def _difference(first: Row, second: Row, column: Column) -> Difference:
    """The report's own comparison of two rows, on a table of these two alone; a - b whoever is better."""
    data = first.entries[0].record
    entries = [*first.entries, *second.entries]
    table = Section("compare", data.dataset, data.direction, "", None, None, entries, [first, second])
    table.columns = [column]
    (found,) = differences(table)
    if found.first is first:
        return found
    interval = None if found.interval is None else (-found.interval[1], -found.interval[0])
    seeds = None if found.seeds is None else replace(found.seeds, difference=-found.seeds.difference)
    return replace(
        found, first=first, second=second, difference=-found.difference, interval=interval, seeds=seeds
    )


def _lines(found: Sequence[tuple[str, Difference]]) -> tuple[Compared, ...]:
    """Lines with p-values corrected over all of them."""
    known = [one.p_value for _, one in found if one.p_value is not None]
    corrected = iter(holm(known))
    lines = []
    for name, one in found:
        one = replace(one, corrected=None if one.p_value is None else next(corrected))
        a, b = one.first.cells[one.column.id], one.second.cells[one.column.id]
        assert a.mean is not None
        assert b.mean is not None
        n = min((*a.n, *b.n))
        lines.append(
            Compared(
                row=name,
                metric=one.column.id,
                goal=one.column.goal,
                a=a.mean,
                b=b.mean,
                difference=one.difference,
                interval=one.interval,
                over_seeds=one.over_seeds,
                p_value=one.corrected,
                basis=one.basis,
                distinguishable=one.distinguishable,
                decided_by="seeds" if one.by_images and not one.distinguishable else one.basis,
                n=n,
            )
        )
    return tuple(lines)


def _said(differing: dict[str, list[Any]]) -> str:
    return ", ".join(
        f"{name} {' against '.join(str(v) for v in dict.fromkeys(map(str, values)))}"
        for name, values in differing.items()
    )

"""Records -> sections, rows, columns and cells.

Where records disagree on a metric's protocol, its column is split and the differing fields are named.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.entry import Entry
from bench.analysis.table import (
    Cell,
    Column,
    Row,
    Section,
    differing_fields,
    info_of,
    only_zeros,
    protocol_hash,
)
from bench.records.record import REFERENCE_ROWS, MetricResult, RunRecord, read_records
from bench.scoring.metrics.catalogue import CATALOGUE, MetricInfo

SET_DISTANCES = ("fid", "kid", "fd_lite0")  # depend on N: values of different N do not compare
REFERENCE_ORDER = {row: place for place, row in enumerate(REFERENCE_ROWS)}


def load_entries(outs: Sequence[Path]) -> tuple[list[Entry], list[str]]:
    """All records of several outputs; of one that is in more than one, the latest counts.

    Returns:
        The entries, and notes about what was set aside.

    Raises:
        UsageError: if an output holds no records or one cannot be read.
    """
    chosen: dict[str, Entry] = {}
    doubled: set[str] = set()
    for out in outs:
        for record in read_records(out):
            before = chosen.get(record.id)
            if before is not None:
                doubled.add(record.id)
            if before is None or record.created >= before.record.created:
                chosen[record.id] = Entry(record, out)
    notes = [f"{len(doubled)} records are in several outputs; the latest of each counts."] if doubled else []
    return list(chosen.values()), notes


def tidy(entries: Iterable[Entry]) -> pd.DataFrame:
    """One row a (record, metric), and one row with an empty metric for a record without any result."""
    lines = []
    for record in (entry.record for entry in entries):
        training = record.spec.get("training", {})
        head = {
            "id": record.id,
            "dataset": record.dataset,
            "direction": record.direction,
            "size_px": training.get("size_px"),
            "steps": training.get("steps"),
            "label": record.label,
            "kind": record.kind,
            "seed": record.seed,
        }
        results: list[MetricResult | None] = [*record.results.values()] or [None]
        lines += [{**head, **_result_fields(record, result)} for result in results]
    frame = pd.DataFrame(lines)
    whole = {name: "Int64" for name in ("size_px", "steps", "seed", "n")}
    return frame.astype({**whole, "value": "float64", "low": "float64", "high": "float64"})


def _result_fields(record: RunRecord, result: MetricResult | None) -> dict[str, Any]:
    low, high = result.interval if result and result.interval else (None, None)
    return {
        "metric": result.name if result else None,
        "value": result.value if result else None,
        "low": low,
        "high": high,
        "n": result.n if result else None,
        "reason": result.reason if result else record.error,
        "goal": result.goal if result else None,
        "status": record.status,
        "protocol": protocol_hash(result.protocol) if result else None,
        "protocol_json": json.dumps(result.protocol, sort_keys=True, default=str) if result else None,
    }


def sections(entries: Sequence[Entry]) -> list[Section]:
    """Group entries into sections, in order of data set, direction and size."""
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_section_key(entry.record), []).append(entry)
    made = []
    ordered = sorted(groups.items(), key=lambda item: tuple(_sortable(part) for part in item[0]))
    for number, (key, members) in enumerate(ordered, 1):
        dataset, direction, source, size_px, test_n, _ = key
        section = Section(f"s{number}", dataset, direction, source, size_px, test_n, members)
        _fill(section)
        made.append(section)
    titles = Counter(section.title for section in made)
    for title in (title for title, count in titles.items() if count > 1):
        for number, section in enumerate([one for one in made if one.title == title], 1):
            section.mark = f", test set {number}"
    return made


def _section_key(record: RunRecord) -> tuple[Any, ...]:
    data, training = record.spec["data"], record.spec.get("training", {})
    size = training.get("size_px")
    test = (data.get("test_n"), data.get("test_fingerprint"))
    return (record.dataset, record.direction, str(data.get("source", "paired")), size, *test)


def _sortable(part: object) -> tuple[int, str]:
    """Numbers by size, names by name."""
    return (part, "") if isinstance(part, int) else (-1, str(part))


def _fill(section: Section) -> None:
    done = [e for e in section.entries if e.record.status == "finished"]
    section.rows = _run_rows([e for e in done if e.record.kind == "run"])
    section.references = _reference_rows([e for e in done if e.record.kind != "run"])
    _fill_columns(section, done)
    for row in section.all_rows:
        row.cells = {column.id: _cell(row, column, section) for column in section.columns}
    section.columns = [replace(column, fine=_fine(section, column)) for column in section.columns]


def _fine(section: Section, column: Column) -> bool:
    """Whether a column needs more decimals: some values would show as 0, and none has two digits to show."""
    means = [mean for row in section.all_rows if (mean := row.cells[column.id].mean) is not None]
    digits = column.info.digits
    return any(only_zeros(mean, digits) for mean in means) and max(map(abs, means)) < 10 ** (1 - digits)


def _run_rows(entries: list[Entry]) -> list[Row]:
    """One row a label and training; equal labels are told apart by what differs in their specs."""
    by_label: dict[str, dict[str, list[Entry]]] = {}
    for entry in entries:
        settings = json.dumps(settings_of(entry.record), sort_keys=True, default=str)
        by_label.setdefault(entry.record.label, {}).setdefault(settings, []).append(entry)
    rows = []
    for label, groups in by_label.items():
        differing = differing_fields([settings_of(members[0].record) for members in groups.values()])
        for position, members in enumerate(groups.values()):
            said = ", ".join(f"{name}={values[position]}" for name, values in differing.items())
            members.sort(key=lambda entry: entry.record.seed or 0)
            rows.append(Row(f"{label} ({said})" if said else label, "run", members, label))
    return sorted(rows, key=lambda row: (_canonical_position(row.variant), _natural(row.label)))


def settings_of(record: RunRecord) -> dict[str, Any]:
    """What makes two runs of one label different systems: all of the spec but seed, names and test data."""
    variant = {k: v for k, v in record.spec.get("variant", {}).items() if k not in ("name", "source")}
    data = record.spec["data"]
    training = record.spec.get("training", {})
    seen = {name: data[name] for name in ("train_n", "train_fingerprint") if name in data}
    return {**variant, **training, **record.spec.get("test", {}), **seen}


def _canonical_position(label: str) -> int:
    """The order of the paper's table 1, others after it."""
    order = ["l1", "gan", "cgan", "l1+gan", "l1+cgan"]
    return order.index(label) if label in order else len(order)


def _natural(label: str) -> list[tuple[float, str]]:
    """For an order in which 16 comes before 142."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return [(float(part), "") if place % 2 else (0.0, part) for place, part in enumerate(parts)]


def _reference_rows(entries: list[Entry]) -> list[Row]:
    rows: dict[str, Row] = {}
    for entry in sorted(entries, key=lambda entry: entry.record.created):
        row = rows.setdefault(
            entry.record.label, Row(entry.record.label, "reference", [], entry.record.label)
        )
        row.entries.append(entry)
    return sorted(rows.values(), key=lambda row: REFERENCE_ORDER.get(row.label, len(REFERENCE_ORDER)))


def _comparable(result: MetricResult) -> str:
    """What must agree before two values may share a column."""
    return protocol_hash(_protocol_with_n(result))


def _protocol_with_n(result: MetricResult) -> dict[str, Any]:
    return {"n": result.n, **result.protocol} if result.name in SET_DISTANCES else result.protocol


def _fill_columns(section: Section, done: list[Entry]) -> None:
    found: dict[str, list[MetricResult]] = {}
    for entry in done:
        for key, result in entry.record.results.items():
            found.setdefault(key, []).append(result)
    order = {key: position for position, key in enumerate(CATALOGUE)}
    for key in sorted(found, key=lambda key: (order.get(key, len(order)), key)):
        results, info = found[key], info_of(key)
        groups: dict[str, MetricResult] = {}
        for result in results:
            if result.value is not None:
                groups.setdefault(_comparable(result), result)
        if not groups:
            section.unmeasured[info.title] = list(dict.fromkeys(str(r.reason) for r in results))
        marks = [chr(ord("a") + i % 26) * (1 + i // 26) for i in range(len(groups))]
        for mark, (digest, result) in zip(marks, groups.items(), strict=True):
            split = mark if len(groups) > 1 else ""
            name = f"{key}:{digest}" if split else key
            section.columns.append(Column(name, info, split, result.goal, result.protocol))
        if len(groups) > 1:
            section.notes.append(_split_note(info, list(groups.values()), marks))


def _split_note(info: MetricInfo, results: list[MetricResult], marks: list[str]) -> str:
    protocols = [_protocol_with_n(result) for result in results]
    said = []
    for name, values in differing_fields(protocols).items():
        listed = ", ".join(f"({mark}) {value}" for mark, value in zip(marks, values, strict=True))
        said.append(f"{name}: {listed}")
    return (
        f"{info.title} was scored under {len(results)} protocols, whose values do not compare and stand in "
        f"columns of their own. What differs: {'; '.join(said)}."
    )


def _cell(row: Row, column: Column, section: Section) -> Cell:
    values: list[float] = []
    intervals: list[tuple[float, float] | None] = []
    ns: list[int] = []
    reasons: list[str] = []
    digest = column.id.partition(":")[2]
    for entry in row.entries:
        result = entry.record.results.get(column.info.key)
        if result is None:
            reasons.append("not among the metrics that were asked for")
        elif result.value is None:
            reasons.append(str(result.reason))
        elif digest and _comparable(result) != digest:
            reasons.append("scored under another protocol: see the other column of this metric")
        else:
            values.append(result.value)
            intervals.append(result.interval)
            ns.append(result.n)
    if row.kind != "run":  # repeated reference rows of one protocol are the same measurement
        values, intervals, ns = values[-1:], intervals[-1:], ns[-1:]
    if not values:
        return Cell(reasons=tuple(dict.fromkeys(reasons)))
    known = [interval for interval in intervals if interval is not None]
    interval = None
    if len(known) == len(values):
        interval = (statistics.fmean(low for low, _ in known), statistics.fmean(high for _, high in known))
    std = statistics.stdev(values) if len(values) > 1 else None
    kept = tuple(dict.fromkeys(reasons)) if row.kind == "run" else ()
    return Cell(tuple(values), math.fsum(values) / len(values), std, interval, tuple(ns), kept)

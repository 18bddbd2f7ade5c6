"""A variant in full, as the page's last part shows it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from bench.analysis.comparable import flatten
from bench.analysis.rows import Row
from bench.records.record import RunRecord


@dataclass(frozen=True)
class SpecView:
    """A variant in full: its spec as (field, value) pairs by group, runs, and the command that repeats it."""

    label: str
    source: str
    groups: list[tuple[str, list[tuple[str, str]]]]
    runs: list[tuple[str, str, str]]
    command: str


def spec_view(row: Row) -> SpecView:
    """The view of a row, from its first record; all of its runs."""
    record = row.first
    groups = []
    for key in ("variant", "training", "choice", "test", "data"):
        held = flatten(record.spec.get(key, {})).items()
        told = [(name, _value(value)) for name, value in held if name != "source" or key == "data"]
        given = key == "training" and "steps" not in record.spec.get(key, {})  # images from a folder
        groups.append(("Images" if given else key.capitalize(), told))
    if known := flatten(record.details.get("model") or {}):
        groups.append(("Known of it", [(name, _value(value)) for name, value in known.items()]))
    runs = [
        (r.id, "–" if r.seed is None else str(r.seed), _duration(r.timings.get("train")))
        for r in (entry.record for entry in row.entries)
    ]
    source = str(record.spec.get("variant", {}).get("source", ""))
    return SpecView(row.label, source, [g for g in groups if g[1]], runs, _command(record))


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _command(record: RunRecord) -> str:
    command = record.environment.get("command", "")
    return shlex.join(map(str, command)) if isinstance(command, list | tuple) else str(command)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"

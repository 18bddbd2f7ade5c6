"""The gate: records against a committed baseline, one verdict a row and metric.

A baseline is a small JSON file, sorted so that a change of it can be reviewed. Its rows are keyed by
"dataset/direction/size/steps/label" and hold each metric's mean over seeds; its tolerances are there
to be edited. A worsening counts as a regression only if it exceeds the tolerance *and* the noise,
where the noise is known. Numbers scored by different protocols get no verdict on their size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import variance
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from bench.baseline import (
    Baseline,
    MetricMean,
    Row,
    Tolerance,
    read_baseline,
    rows_of,
    save_baseline,
)
from bench.errors import NotComparableError, UsageError
from bench.records import Goal, RunRecord

State = Literal["regressed", "incomparable", "missing", "improved", "new", "pass"]
STATES: tuple[State, ...] = ("regressed", "incomparable", "missing", "improved", "new", "pass")
WHOLE_ROW = "(row)"
SAME_N = frozenset({"fid", "kid", "fd_scorer"})  # biased by N: comparable at equal N only
_COLOURS = {"regressed": "red", "incomparable": "yellow", "missing": "yellow", "improved": "green"}


@dataclass(frozen=True)
class Verdict:
    """What became of one metric of one row.

    Attributes:
        metric: metric key, or "(row)" for a row that is missing or new as a whole.
        row: "dataset/direction/size/steps/label".
        baseline, measured: means over seeds; None where there is none.
        delta: measured - baseline, or None.
        tolerance: the worsening that is allowed, in the metric's unit, or None.
        state: "pass", "improved" and "new" are fine; "regressed" fails; "missing" (the baseline has a
            value, the records have none) and "incomparable" (it was scored in another way) are neither.
        note: why, in words; names the fields that differ and those that were ignored.
    """

    metric: str
    row: str
    baseline: float | None
    measured: float | None
    delta: float | None
    tolerance: float | None
    state: State
    note: str = ""


def write_baseline(
    records: Sequence[RunRecord],
    path: Path,
    *,
    tolerances: Mapping[str, Tolerance] | None = None,
    ignore_protocol: Sequence[str] = (),
) -> Baseline:
    """Write the finished runs and reference rows among `records` as the baseline `path`.

    Where `path` holds a baseline already, its edited tolerances and its `ignore_protocol` are kept, unless
    given anew.

    Args:
        tolerances: metric key (or "*") -> allowed worsening, over the defaults.
        ignore_protocol: protocol fields ("scorer.hash", patterns allowed) that may differ at `check`,
            for instance because the scorer is trained anew on each machine.

    Raises:
        UsageError: if no run finished, one failed, or two runs would share a row and a seed.
        NotComparableError: if seeds of one row were scored by different protocols.
    """
    baseline = Baseline.from_records(records, tolerances or {}, tuple(ignore_protocol))
    if path.is_file():
        with suppress(UsageError):  # what cannot be read has nothing to keep
            baseline = baseline.keeping(read_baseline(path), tolerances or {})
    save_baseline(baseline, path)
    return baseline


def check(records: Sequence[RunRecord], baseline_path: Path) -> list[Verdict]:
    """Judge `records` by the baseline in `baseline_path`; worst state first, then by row and metric.

    Raises:
        UsageError: if the baseline cannot be read or its schema is unknown.
        NotComparableError: if records and baseline have no row in common.
    """
    baseline = read_baseline(baseline_path)
    measured, failures = rows_of(records)
    if not baseline.rows.keys() & (measured.keys() | failures.keys()):
        raise NotComparableError(
            f"expected a row in common with {baseline_path}, found none: it has {_some(baseline.rows)}; "
            f"the records have {_some({*measured, *failures})}. Run its rows, or write a new one"
        )
    verdicts: list[Verdict] = []
    for key, row in baseline.rows.items():
        if key in failures:
            verdicts.append(_whole(key, "missing", failures[key]))
        elif key not in measured:
            verdicts.append(_whole(key, "missing", "no such row among the records"))
        else:
            verdicts.extend(_judge_row(key, row, measured[key], baseline))
    verdicts.extend(_whole(key, "new", "not in the baseline") for key in measured if key not in baseline.rows)
    return sorted(verdicts, key=lambda v: (STATES.index(v.state), v.row, v.metric))


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """1 if anything regressed, whatever else there is; 3 if anything is missing or incomparable; else 0."""
    states = {verdict.state for verdict in verdicts}
    if "regressed" in states:
        return 1
    return 3 if states & {"missing", "incomparable"} else 0


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line: "1 regressed, 2 improved, 14 pass"."""
    counts = {state: sum(verdict.state == state for verdict in verdicts) for state in STATES}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """The verdicts as a table, in their order; what all rows begin with stands in its title."""
    shared = _shared_beginning([verdict.row for verdict in verdicts])
    title = Text(f"{shared.rstrip('/') or 'records'} against the baseline: {summary(verdicts)}")
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("state", no_wrap=True)
    for name in ("row", "metric"):
        table.add_column(name, overflow="fold")
    for name in ("baseline", "measured", "delta", "allowed"):
        table.add_column(name, justify="right", no_wrap=True)
    notes = list(dict.fromkeys(verdict.note for verdict in verdicts if verdict.note))
    if notes:
        table.add_column("note", no_wrap=True)
        said = "\n".join(f"[{number}] {note}" for number, note in enumerate(notes, start=1))
        table.caption, table.caption_justify = Text(said), "left"
    for verdict in verdicts:
        cells = (
            verdict.state, verdict.row.removeprefix(shared), verdict.metric, _shown(verdict.baseline),
            _shown(verdict.measured), _shown(verdict.delta, sign=True), _shown(verdict.tolerance),
            *([f"[{notes.index(verdict.note) + 1}]" if verdict.note else ""] if notes else []),
        )  # fmt: skip
        style = _COLOURS.get(verdict.state)
        table.add_row(
            *(Text(cell) for cell in cells), style=style
        )  # a row's name may hold brackets: no markup
    return table


def _shared_beginning(rows: Sequence[str]) -> str:
    """What all rows begin with, such as "toycity/labels2photo/64px/"; "" where they differ in that."""
    beginnings = {"/".join(row.split("/")[:3]) + "/" for row in rows}
    return beginnings.pop() if len(beginnings) == 1 else ""


def worsening(goal: Goal, baseline: float, measured: float) -> float:
    """How much worse `measured` is, in the metric's unit; negative: better.

    With a target, it is the growth of the distance to it, from either side.
    """
    if goal == "max":
        return baseline - measured
    if goal == "min":
        return measured - baseline
    return abs(measured - float(goal)) - abs(baseline - float(goal))


def noise(baseline: MetricMean, measured: MetricMean) -> float | None:
    """The difference of two means that chance alone makes 1 time in 20, or None where it is not known.

    From the spread over seeds where a side has several (t quantile, pooled variance), since both sides
    see the same test images; else from the 95 % intervals over test images, combined in quadrature.
    """
    spreads = [side.values for side in (baseline, measured) if len(side.values) > 1]
    if spreads:
        from scipy.stats import t

        freedom = sum(len(values) - 1 for values in spreads)
        pooled = sum((len(values) - 1) * variance(values) for values in spreads) / freedom
        both = 1 / len(baseline.values) + 1 / len(measured.values)
        return float(t.ppf(0.975, freedom)) * math.sqrt(pooled * both)
    halves = [
        (side.interval[1] - side.interval[0]) / 2
        for side in (baseline, measured)
        if side.interval is not None
    ]
    return math.hypot(*halves) if halves else None


def _judge_row(key: str, expected: Row, found: Row, baseline: Baseline) -> list[Verdict]:
    verdicts = []
    for metric, before in expected.metrics.items():
        after = found.metrics.get(metric)
        if after is None:
            reason = found.reasons.get(metric, "the records do not have this metric")
            value = before.value
            verdicts.append(Verdict(metric, key, value, None, None, None, "missing", reason))
            continue
        verdicts.append(_judge(metric, key, (expected, before), (found, after), baseline))
    verdicts.extend(
        Verdict(metric, key, None, after.value, None, None, "new", "not in the baseline")
        for metric, after in found.metrics.items()
        if metric not in expected.metrics
    )
    return verdicts


def _judge(
    metric: str, key: str, expected: tuple[Row, MetricMean], found: tuple[Row, MetricMean], baseline: Baseline
) -> Verdict:
    """The verdict on a metric that both sides have."""
    (row, before), (other, after) = expected, found
    delta = after.value - before.value
    differing = _differences(metric, expected, found)
    ignored = [name for name in differing if _matches(name, baseline.ignore_protocol)]
    refused = [f"{name} ({said})" for name, said in differing.items() if name not in ignored]
    if refused:
        note = f"scored in another way: {'; '.join(refused)}"
        return Verdict(metric, key, before.value, after.value, None, None, "incomparable", note)
    allowed = baseline.tolerance(metric, before).allowed(before.value)
    worse = worsening(before.goal, before.value, after.value)
    # A reference row is computed, not trained: by the same protocol on the same pictures it has no noise.
    random = row.kind == "run" or other.kind == "run" or bool(ignored)
    chance = noise(before, after) if random else None
    state: State = "pass"
    notes = [f"ignored: {', '.join(ignored)}"] if ignored else []
    if abs(worse) > allowed and chance is not None and abs(worse) <= chance:
        notes.append(f"within the noise ({chance:.3g})")
    elif abs(worse) > allowed:
        state = "regressed" if worse > 0 else "improved"
    return Verdict(metric, key, before.value, after.value, delta, allowed, state, "; ".join(notes))


def _differences(
    metric: str, expected: tuple[Row, MetricMean], found: tuple[Row, MetricMean]
) -> dict[str, str]:
    """Field -> "baseline's, found" for all that must agree before two values may be compared."""
    (row, before), (other, after) = expected, found
    left, right = _flat(before.protocol), _flat(after.protocol)
    left |= {"goal": before.goal, "test pictures": row.test_fingerprint}
    right |= {"goal": after.goal, "test pictures": other.test_fingerprint}
    if metric in SAME_N:
        left["n"], right["n"] = before.n, after.n
    absent = "none"
    return {
        name: f"{left.get(name, absent)} in the baseline, {right.get(name, absent)} here"
        for name in sorted({*left, *right})
        if left.get(name, absent) != right.get(name, absent)
    }


def _flat(protocol: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields by dotted name: {"scorer": {"hash": "a"}} -> {"scorer.hash": "a"}."""
    fields: dict[str, Any] = {}
    for name, value in protocol.items():
        if isinstance(value, Mapping) and value:
            fields |= _flat(value, f"{prefix}{name}.")
        else:
            fields[f"{prefix}{name}"] = value
    return fields


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) or name.startswith(f"{pattern}.") for pattern in patterns)


def _whole(row: str, state: State, note: str) -> Verdict:
    return Verdict(WHOLE_ROW, row, None, None, None, None, state, note)


def _some(keys: Sequence[str] | set[str] | Mapping[str, Any]) -> str:
    names = sorted(keys)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _shown(value: float | None, *, sign: bool = False) -> str:
    return "–" if value is None else f"{value:+.4g}" if sign else f"{value:.4g}"

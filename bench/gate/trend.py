"""The same rows in one output after another: what became of each metric over commits or nights.

Records alone are read. A line is a row and a metric; it breaks where values stop being comparable (another
protocol, other test images), and says in which field. Each output is judged as `bench check` would: by a
baseline file, or by the first output.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.analysis.comparable import differing_fields, is_ignored, must_agree
from bench.core.errors import UsageError, unknown_name
from bench.gate.baseline import Baseline, read_baseline
from bench.gate.decide import row_verdicts
from bench.gate.outcome import WHOLE_ROW, Outcome, State, Verdict
from bench.gate.rows import GateCell, GateRow, rows_of, test_images
from bench.gate.tolerances import Settings
from bench.records.record import RunRecord, read_records

Key = tuple[str, str]
"""(row, metric)."""


@dataclass(frozen=True)
class Moment:
    """One output of a trend.

    Attributes:
        out: its folder.
        created: when its newest record was written: ISO 8601, UTC.
        commits: what its runs were made with, short, "+" for a changed tree; () where records do not say.
        outcome: the gate's verdicts; None for the output that is itself the baseline.
    """

    out: Path
    created: str
    commits: tuple[str, ...]
    rows: dict[str, GateRow]
    failures: dict[str, str]
    outcome: Outcome | None = None

    @functools.cached_property
    def verdicts(self) -> dict[Key, Verdict]:
        return {(v.row, v.metric): v for v in (self.outcome.verdicts if self.outcome else ())}

    def verdict(self, row: str, metric: str) -> Verdict | None:
        """The gate's verdict on a metric, or that on its row as a whole; None where there is neither."""
        return self.verdicts.get((row, metric)) or self.verdicts.get((row, WHOLE_ROW))


@dataclass(frozen=True)
class Point:
    """A value of a line.

    Attributes:
        place: index of its moment.
        cell: the values over seeds, with their interval over test images.
        segment: points of one segment compare; the next one begins where a protocol changes.
        state: of the gate's verdict; None where there is none.
    """

    place: int
    cell: GateCell
    segment: int
    state: State | None


@dataclass(frozen=True)
class Line:
    """A row's metric over the outputs that have it; `breaks`: (place, what differs from there on)."""

    row: str
    metric: str
    points: tuple[Point, ...]
    breaks: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Trend:
    """Outputs in the order of time.

    Attributes:
        judged_by: what the verdicts compare with, in words.
        lines: by row, then metric; of every row that an output has.
    """

    moments: tuple[Moment, ...]
    lines: tuple[Line, ...]
    judged_by: str


def trend(
    outs: Sequence[Path],
    *,
    baseline: Path | None = None,
    settings: Settings | None = None,
    ignore: Sequence[str] = (),
) -> Trend:
    """What became of each row and metric over `outs`.

    Args:
        outs: outputs, in any order; they are shown in the order of their newest records.
        baseline: of `bench baseline`; None: the first output.
        settings: of the gate; `metrics` also chooses the lines.
        ignore: protocol fields that may differ, such as "judge_hash".

    Raises:
        UsageError: if there are fewer than two outputs, one is named twice or holds no records, or a metric
            is not known.
    """
    chosen = settings or Settings()
    moments = _moments(outs)
    rows = list(dict.fromkeys(key for moment in moments for key in moment.rows))
    metrics = _metrics(moments, chosen)
    held = None if baseline is None else read_baseline(baseline)
    judged, words = _judged(moments, held, chosen, ignore)
    words = words if baseline is None else f"the baseline {baseline.name}"
    patterns = (*ignore, *chosen.ignore_protocol, *(held.ignore_protocol if held else ()))
    lines = [_line(row, metric, judged, patterns) for row in sorted(rows) for metric in metrics]
    return Trend(tuple(judged), tuple(line for line in lines if line.points), words)


def _moments(outs: Sequence[Path]) -> list[Moment]:
    if len({out.resolve() for out in outs}) < len(outs):
        raise UsageError("expected each output once, found one twice: a trend needs one folder a moment")
    if len(outs) < 2:
        raise UsageError(f"expected two outputs or more, found {len(outs)}: one is no trend (`bench report`)")
    return sorted((_moment(out) for out in outs), key=lambda moment: moment.created)


def _moment(out: Path) -> Moment:
    records = read_records(out)
    rows, failures = rows_of(records, out)
    if not rows and not failures:
        raise UsageError(f"expected records in {out}, found none: give outputs of `bench run`")
    runs = [record for record in records if record.kind == "run"] or records
    commits = dict.fromkeys(said for record in runs if (said := _commit(record)))
    return Moment(out, max(record.created for record in records), tuple(commits), rows, failures)


def _commit(record: RunRecord) -> str:
    """ "746d7e8", "746d7e8+" of a changed tree; "" where the record does not say."""
    commit = record.environment.get("commit")
    return f"{commit[:7]}{'+' * bool(record.environment.get('dirty'))}" if isinstance(commit, str) else ""


def _metrics(moments: Sequence[Moment], settings: Settings) -> list[str]:
    known = list(dict.fromkeys(name for one in moments for row in one.rows.values() for name in row.metrics))
    for metric in settings.metrics:
        if metric not in known:
            raise unknown_name("metric", metric, known, "bench list metrics")
    return [metric for metric in known if not settings.metrics or metric in settings.metrics]


def _judged(
    moments: Sequence[Moment], held: Baseline | None, settings: Settings, ignore: Sequence[str]
) -> tuple[list[Moment], str]:
    """The moments with their verdicts, and what these compare with."""
    itself = None
    if held is None:
        itself = next((moment for moment in moments if moment.rows and not moment.failures), None)
        if itself is None:
            return list(moments), ""
        held = Baseline.from_records(read_records(itself.out), itself.out, ignore=tuple(ignore))
    made = [
        moment if moment is itself else replace(moment, outcome=_outcome(moment, held, settings))
        for moment in moments
    ]
    return made, "" if itself is None else f"the first output without failures, {itself.out.name}"


def _outcome(moment: Moment, held: Baseline, settings: Settings) -> Outcome:
    """Its verdicts; a metric that neither it nor the baseline has gets none."""
    there = {name for rows in (held.rows, moment.rows) for row in rows.values() for name in row.metrics}
    known = replace(settings, metrics=tuple(name for name in settings.metrics if name in there))
    return row_verdicts(moment.rows, moment.failures, held, known)


def _line(row: str, metric: str, moments: Sequence[Moment], ignore: Sequence[str]) -> Line:
    points: list[Point] = []
    breaks: list[tuple[int, str]] = []
    before: tuple[GateRow, Mapping[str, Any]] | None = None
    for place, moment in enumerate(moments):
        held = moment.rows.get(row)
        cell = None if held is None else held.metrics.get(metric)
        if held is None or cell is None:
            continue
        scored = must_agree(metric, cell.goal, cell.n[0], cell.protocol)
        if before is not None:
            images = test_images(before[0], held)
            first, then = ({**a, "test images": b} for a, b in zip((before[1], scored), images, strict=True))
            if said := _differs(first, then, ignore):
                breaks.append((place, said))
        before = held, scored
        verdict = moment.verdict(row, metric)
        points.append(Point(place, cell, len(breaks), verdict.state if verdict else None))
    return Line(row, metric, tuple(points), tuple(breaks))


def _differs(before: Mapping[str, Any], after: Mapping[str, Any], ignore: Sequence[str]) -> str:
    fields = differing_fields([before, after])
    return ", ".join(
        f"{name} {values[0]} before, {values[1]} from here"
        for name, values in fields.items()
        if not is_ignored(name, ignore)
    )

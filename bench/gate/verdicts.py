"""Records against a baseline: one verdict a row and metric.

A change counts only if it exceeds the tolerance *and* the noise (`bench.gate.noise`), after Holm's
correction over all tests of the invocation, at alpha. Numbers scored by different protocols get no verdict on
their size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from bench.errors import unknown_name
from bench.gate.baseline import Baseline
from bench.gate.noise import Evidence, evidence, side_of, worsening
from bench.gate.rows import GateRow
from bench.gate.tolerances import Settings, Tolerance
from bench.report.frame import differing_fields
from bench.report.sections import SET_DISTANCES
from bench.stats import holm

State = Literal["regressed", "empty", "incomparable", "missing", "improved", "new", "pass"]
STATES: tuple[State, ...] = ("regressed", "empty", "incomparable", "missing", "improved", "new", "pass")
UNDECIDED = frozenset({"empty", "incomparable", "missing"})
WHOLE_ROW, ALL_ROWS = "(row)", "(all)"
_BLIND = "one seed a side and no stored spread: the noise of training is not in this test"


@dataclass(frozen=True)
class Verdict:
    """What became of one metric of one row.

    Attributes:
        metric: metric key, or "(row)" for a row that is missing or new as a whole.
        row: "dataset/direction/size/steps/label", or "(all)".
        baseline, measured: means over seeds; None where there is none.
        delta: measured - baseline, or None.
        tolerance: the change that is allowed, in the metric's unit, or None.
        state: "pass", "improved" and "new" are fine; "regressed" fails; "missing" (the baseline has a
            value, the records have none), "incomparable" (scored in another way) and "empty" (no row in
            common) are neither, and pass only where the caller allows them.
        note: why, in words; names the fields that differ and those that were ignored.
        interval: 95 % interval of delta over test images, or None.
        p_value: of a worsening by chance, corrected over the invocation (of an improvement, where the state
            is that); None: nothing to go by, or computed without any noise.
        basis: what that rests on: "seeds+images", "seeds", "images", "intervals", or "exact" (computed, not
            trained), or "" (nothing to go by).
        noise: smallest change that could be told from noise here, or None.
        seeds: number of seeds, baseline and measured; None for a row as a whole.
    """

    metric: str
    row: str
    baseline: float | None
    measured: float | None
    delta: float | None
    tolerance: float | None
    state: State
    note: str = ""
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    basis: str = ""
    noise: float | None = None
    seeds: tuple[int, int] | None = None


@dataclass(frozen=True)
class Outcome:
    """All verdicts of an invocation, worst state first, then by row and metric.

    Attributes:
        verdicts: one a row and metric.
        notes: what holds for all of it, such as that values by image are not at hand.
        alpha: chance of a false alarm in the whole invocation.
        tests: how many tests it was corrected for.
        allowed: the undecided states that pass.
    """

    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    alpha: float
    tests: int
    allowed: frozenset[str] = frozenset()

    @property
    def exit_code(self) -> int:
        """1 if anything regressed, whatever else there is; 3 if anything is undecided and not allowed."""
        states = {verdict.state for verdict in self.verdicts}
        if "regressed" in states:
            return 1
        return 3 if states & (UNDECIDED - self.allowed) else 0

    @property
    def summary(self) -> str:
        """One line: "1 regressed, 2 improved, 14 pass"."""
        counts = {state: sum(verdict.state == state for verdict in self.verdicts) for state in STATES}
        return ", ".join(
            f"{count} {state}{' (allowed)' if state in self.allowed else ''}"
            for state, count in counts.items()
            if count
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "exit_code": self.exit_code,
            "summary": self.summary,
            "alpha": self.alpha,
            "tests": self.tests,
            "allowed": sorted(self.allowed),
            "notes": list(self.notes),
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
        }


@dataclass(frozen=True)
class _Tested:
    """A verdict that still lacks its state and the correction for how many there are.

    Attributes:
        worse: size of the worsening; negative: of the improvement.
        found: the tests; None where there are none.
        blind: whether the noise of training belongs into the tests, and is not there.
    """

    verdict: Verdict
    worse: float
    found: Evidence | None
    blind: bool


def judge_rows(
    measured: Mapping[str, GateRow], failures: Mapping[str, str], baseline: Baseline, settings: Settings
) -> Outcome:
    """Judge rows by a baseline.

    Args:
        measured, failures: of `rows_of`.

    Raises:
        UsageError: if `settings` name an unknown metric.
    """
    _check_metrics(settings, baseline, measured)
    done: list[Verdict] = []
    open_: list[_Tested] = []
    if not baseline.rows.keys() & (measured.keys() | failures.keys()):
        said = f"no row in common: the baseline has {_some(baseline.rows)}; the records have "
        done.append(_whole(ALL_ROWS, "empty", said + _some({*measured, *failures})))
    else:
        for key, row in baseline.rows.items():
            if key in failures:
                done.append(_whole(key, "missing", failures[key]))
            elif key not in measured:
                done.append(_whole(key, "missing", "no such row among the records"))
            else:
                _judge_row(key, row, measured[key], baseline, settings, done, open_)
    done += [_whole(key, "new", "not in the baseline") for key in measured if key not in baseline.rows]
    tests = sum(one.found is not None for one in open_)
    done += _corrected(open_, settings.alpha)
    done.sort(key=lambda v: (STATES.index(v.state), v.row, v.metric))
    blind = [_BLIND] if any(v.note.endswith(_BLIND) for v in done) else []
    notes = (*baseline.notes, *blind)
    return Outcome(tuple(done), notes, settings.alpha, tests, frozenset(settings.allow))


def _check_metrics(settings: Settings, baseline: Baseline, measured: Mapping[str, GateRow]) -> None:
    known = {name for rows in (baseline.rows, measured) for row in rows.values() for name in row.metrics}
    for metric in settings.metrics:
        if metric not in known:
            raise unknown_name("metric", metric, known, "bench list metrics")


def _judge_row(
    key: str, expected: GateRow, found: GateRow, baseline: Baseline, settings: Settings,
    done: list[Verdict], open_: list[_Tested],
) -> None:  # fmt: skip
    """Add the verdicts on a row that both sides have: to `done`, or to `open_` where a size is judged."""
    for metric in sorted({*expected.metrics, *found.metrics}):
        before, after = expected.metrics.get(metric), found.metrics.get(metric)
        if settings.metrics and metric not in settings.metrics:
            continue
        if before is None:
            assert after is not None
            done.append(Verdict(metric, key, None, after.value, None, None, "new", "not in the baseline"))
        elif after is not None:
            said, ignored = _differences(metric, expected, found, baseline, settings)
            if said:
                done.append(_apart(metric, key, before.value, after.value, said))
            else:
                own = settings.tolerance(key, metric, before.tolerance, baseline.tolerances)
                open_.append(_measure(metric, key, (expected, found), own, ignored))
        elif metric in found.clashes:
            done.append(_apart(metric, key, before.value, None, found.clashes[metric]))
        else:
            reason = found.reasons.get(metric, "the records do not have this metric")
            done.append(Verdict(metric, key, before.value, None, None, None, "missing", reason))


def _apart(metric: str, key: str, baseline: float, measured: float | None, said: str) -> Verdict:
    note = f"scored in another way: {said}"
    return Verdict(metric, key, baseline, measured, None, None, "incomparable", note)


def _measure(
    metric: str, key: str, sides: tuple[GateRow, GateRow], own: Tolerance, ignored: Sequence[str]
) -> _Tested:
    """Size and noise of the change of a metric that both sides have."""
    row, other = sides
    before, after = row.metrics[metric], other.metrics[metric]
    worse = worsening(before, after)
    if own.both_sides:
        worse = abs(after.value - before.value)
    # A reference row is computed, not trained: by the same protocol on the same pictures it has no noise.
    trained = "run" in (row.kind, other.kind)
    random = trained or bool(ignored)
    found = evidence(metric, row, other, both_sides=own.both_sides) if random else None
    notes = [f"ignored: {', '.join(ignored)}"] if ignored else []
    if side_of(before) != side_of(after):
        notes.append(f"crossed its target {before.goal}")
    verdict = Verdict(
        metric, key, before.value, after.value, after.value - before.value, own.allowed(before.value), "pass",
        "; ".join(notes), found.interval if found else None,
        basis=found.basis if found else "" if random else "exact",
        seeds=(len(before.values), len(after.values)),
    )  # fmt: skip
    return _Tested(verdict, worse, found, trained and found is not None and not found.sees_seeds)


def _corrected(tested: Sequence[_Tested], alpha: float) -> list[Verdict]:
    """The verdicts with their states, their p-values corrected over all of them."""
    known = [one.found for one in tested if one.found is not None]
    worse = iter(holm([found.worse for found in known]))
    better = iter(holm([found.better for found in known]))
    verdicts = []
    for one in tested:
        if one.found is None:
            verdicts.append(_settled(one, None, None, alpha))
        else:
            noise = one.found.visible(alpha / len(known))
            settled = _settled(one, next(worse), next(better), alpha)
            verdicts.append(replace(settled, noise=noise))
    return verdicts


def _settled(one: _Tested, worse: float | None, better: float | None, alpha: float) -> Verdict:
    verdict, notes = one.verdict, [one.verdict.note] if one.verdict.note else []
    assert verdict.tolerance is not None
    state: State = "pass"
    p_value = worse if one.worse >= 0 else better
    if abs(one.worse) > verdict.tolerance:
        if p_value is None or p_value <= alpha:
            state = "regressed" if one.worse > 0 else "improved"
        else:
            notes.append(f"within the noise (p = {p_value:.2g})")
        if verdict.basis == "":
            notes.append("judged by tolerance alone: its noise is not known")
        elif one.blind:
            notes.append(_BLIND)
    return replace(verdict, state=state, p_value=p_value, note="; ".join(notes))


def _differences(
    metric: str, expected: GateRow, found: GateRow, baseline: Baseline, settings: Settings
) -> tuple[str, list[str]]:
    """What differs of all that must agree before two values may be compared, and what of it is ignored."""
    sides = []
    for row in (expected, found):
        entry = row.metrics[metric]
        fixed = {"goal": entry.goal, "test pictures": row.test_fingerprint}
        fixed |= {"n": entry.n} if metric in SET_DISTANCES else {}
        sides.append({**entry.protocol, **fixed})
    patterns = (*baseline.ignore_protocol, *settings.ignore_protocol)
    differing = differing_fields(sides)
    ignored = [name for name in sorted(differing) if _matches(name, patterns)]
    said = [
        f"{name} ({_value(values[0])} in the baseline, {_value(values[1])} here)"
        for name, values in sorted(differing.items())
        if name not in ignored
    ]
    return "; ".join(said), ignored


def _value(value: Any) -> str:
    return "none" if value == "–" else str(value)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) or name.startswith(f"{pattern}.") for pattern in patterns)


def _whole(row: str, state: State, note: str) -> Verdict:
    return Verdict(WHOLE_ROW, row, None, None, None, None, state, note)


def _some(keys: Sequence[str] | set[str] | Mapping[str, Any]) -> str:
    names = sorted(keys)
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return listed or "none"

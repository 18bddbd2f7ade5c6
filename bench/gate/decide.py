"""Records against a baseline: one verdict a row and metric.

A change counts only if it exceeds the tolerance *and* the noise (`bench.gate.noise`), after Holm's
correction over all tests of the invocation, at alpha. Numbers scored by different protocols get no verdict on
their size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.comparable import differing_fields, is_ignored, must_agree
from bench.core.bootstrap import holm
from bench.core.errors import unknown_name
from bench.gate.baseline import Baseline
from bench.gate.noise import Evidence, evidence, side_of, worsening
from bench.gate.outcome import ALL_ROWS, STATES, WHOLE_ROW, Outcome, State, Verdict, is_blind
from bench.gate.rows import GateRow, test_images
from bench.gate.tolerances import Settings, Tolerance

_BLIND = "one seed a side and no stored spread: the noise of training is not in this test"
_OTHER_SEED = (
    "one seed a side, not the same, and no stored spread: another seed alone can do this; train several"
)


@dataclass(frozen=True)
class _Tested:
    """A verdict that still lacks its state and the correction for how many there are.

    Attributes:
        worse: size of the worsening; negative: of the improvement.
        found: the tests; None where there are none.
        blind: whether the noise of training belongs into the tests, and is not there.
        other_seeds: whether the two sides were trained with different seeds.
    """

    verdict: Verdict
    worse: float
    found: Evidence | None
    blind: bool
    other_seeds: bool


def row_verdicts(
    measured: Mapping[str, GateRow], failures: Mapping[str, str], baseline: Baseline, settings: Settings
) -> Outcome:
    """The verdicts on rows, by a baseline.

    Args:
        measured, failures: of `rows_of`.

    Raises:
        UsageError: if `settings` name an unknown metric.
    """
    _check_metrics(settings, baseline, measured)
    done: list[Verdict] = []
    open_: list[_Tested] = []
    there = {*measured, *failures}
    if not there & baseline.rows.keys():
        said = f"no row in common: the baseline has {_some(baseline.rows)}; the records have {_some(there)}"
        done.append(Verdict(WHOLE_ROW, ALL_ROWS, state="empty", note=said))
    for key, row in baseline.rows.items() if not done else ():
        if key in measured:
            _row_verdict(key, row, measured[key], baseline, settings, done, open_)
        else:
            reason = failures.get(key, "no such row among the records")
            done.append(Verdict(WHOLE_ROW, key, state="missing", note=reason))
    done += [
        Verdict(WHOLE_ROW, key, state="new", note="not in the baseline")
        for key in measured
        if key not in baseline.rows
    ]
    tests = sum(one.found is not None for one in open_)
    done += _corrected(open_, settings.alpha)
    done.sort(key=lambda v: (STATES.index(v.state), v.row, v.metric))
    notes = [*baseline.notes]
    notes += [_BLIND] if any(v.note.endswith(_BLIND) for v in done) else []
    if blind := sum(map(is_blind, done)):
        notes.append(
            f"in {blind} of {tests} tests the noise exceeds what is allowed: smaller regressions cannot be "
            "seen (docs/gates.md)"
        )
    return Outcome(tuple(done), tuple(notes), settings.alpha, tests, frozenset(settings.allow))


def _check_metrics(settings: Settings, baseline: Baseline, measured: Mapping[str, GateRow]) -> None:
    known = {name for rows in (baseline.rows, measured) for row in rows.values() for name in row.metrics}
    for metric in settings.metrics:
        if metric not in known:
            raise unknown_name("metric", metric, known, "bench list metrics")


def _row_verdict(
    key: str, expected: GateRow, found: GateRow, baseline: Baseline, settings: Settings,
    done: list[Verdict], open_: list[_Tested],
) -> None:  # fmt: skip
    """Add the verdicts on a row that both sides have: to `done`, or to `open_` where a size decides."""
    for metric in sorted({*expected.metrics, *found.metrics}):
        before, after = expected.metrics.get(metric), found.metrics.get(metric)
        if settings.metrics and metric not in settings.metrics:
            continue
        if before is None:
            now = None if after is None else after.value
            done.append(Verdict(metric, key, measured=now, state="new", note="not in the baseline"))
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
            done.append(Verdict(metric, key, before.value, state="missing", note=reason))


def _apart(metric: str, key: str, baseline: float, measured: float | None, said: str) -> Verdict:
    note = f"scored in another way: {said}"
    return Verdict(metric, key, baseline, measured, state="incomparable", note=note)


def _measure(
    metric: str, key: str, sides: tuple[GateRow, GateRow], own: Tolerance, ignored: Sequence[str]
) -> _Tested:
    """Size and noise of the change of a metric that both sides have."""
    row, other = sides
    before, after = row.metrics[metric], other.metrics[metric]
    worse = worsening(before, after)
    if own.both_sides:
        worse = abs(after.value - before.value)
    # A reference row is computed, not trained: by the same protocol on the same images it has no noise.
    random = "run" in (row.kind, other.kind) or bool(ignored)
    trained = any(seed is not None for side in sides for seed in side.seeds)  # not so: images from a folder
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
    blind = trained and found is not None and not found.sees_seeds
    return _Tested(verdict, worse, found, blind, row.seeds != other.seeds)


def _corrected(tested: Sequence[_Tested], alpha: float) -> list[Verdict]:
    """The verdicts with their states, their p-values corrected over all of them."""
    known = [one.found for one in tested if one.found is not None]
    worse = iter(holm([found.worse for found in known]))
    better = iter(holm([found.better for found in known]))
    verdicts = []
    for one in tested:
        noise = None if one.found is None else one.found.visible(alpha / len(known))
        p_values = (None, None) if one.found is None else (next(worse), next(better))
        verdicts.append(replace(_settled(one, p_values[one.worse < 0], alpha), noise=noise))
    return verdicts


def _settled(one: _Tested, p_value: float | None, alpha: float) -> Verdict:
    verdict, notes = one.verdict, [one.verdict.note] if one.verdict.note else []
    assert verdict.tolerance is not None
    state: State = "pass"
    if abs(one.worse) > verdict.tolerance:
        if one.blind and one.other_seeds:
            state = "incomparable" if one.worse > 0 else "pass"
            notes.append(_OTHER_SEED)
        elif p_value is None or p_value <= alpha:
            state = "regressed" if one.worse > 0 else "improved"
        else:
            notes.append(f"within the noise (p = {p_value:.2g}, counts at {alpha:g} or less)")
        if verdict.basis == "":
            notes.append("decided by tolerance alone: its noise is not known")
        elif one.blind and not one.other_seeds:
            notes.append(_BLIND)
    return replace(verdict, state=state, p_value=p_value, note="; ".join(notes))


def _differences(
    metric: str, expected: GateRow, found: GateRow, baseline: Baseline, settings: Settings
) -> tuple[str, list[str]]:
    """What differs of all that must agree before two values may be compared, and what of it is ignored."""
    sides = []
    for row, images in zip((expected, found), test_images(expected, found), strict=True):
        entry = row.metrics[metric]
        agreed = must_agree(metric, entry.goal, entry.n[0], entry.protocol)
        sides.append({**agreed, "test images": images})
    patterns = (*baseline.ignore_protocol, *settings.ignore_protocol)
    differing = differing_fields(sides)
    ignored = [name for name in sorted(differing) if is_ignored(name, patterns)]
    said = [
        f"{name} ({_value(values[0])} in the baseline, {_value(values[1])} here)"
        for name, values in sorted(differing.items())
        if name not in ignored
    ]
    return "; ".join(said), ignored


def _value(value: Any) -> str:
    return "none" if value == "–" else str(value)


def _some(keys: Sequence[str] | set[str] | Mapping[str, Any]) -> str:
    names = sorted(keys)
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return listed or "none"

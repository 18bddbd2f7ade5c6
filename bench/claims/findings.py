"""What records say about one comparison of a claim: a difference, and its p-values for and against.

A comparison is borne out when the difference is beyond its bound (the margin) by the paired bootstrap over
test images at 5 %, after Holm's correction over all comparisons of the ledger, and the 95 % intervals over
test images and, with several seeds, over seeds agree. It is refuted when they say so of the other side: a
difference in the claimed direction that is smaller than the margin refutes nothing. "equal" is two one-sided
tests, one against each end of the margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from bench.analysis.column import Column, info_of
from bench.analysis.differences import ALPHA, Difference, difference, freedom, half_width, standard_error
from bench.analysis.rows import Row
from bench.claims.ledger import CHANCE, Comparison
from bench.core.bootstrap import Interval, two_sided_p
from bench.core.seed_stats import one_sample

State = Literal["supported", "contradicted", "undecided"]
_ANSWERS = {"supported": "yes", "contradicted": "no", "undecided": "not decided"}


@dataclass(frozen=True)
class Finding:
    """One comparison, decided or not.

    Attributes:
        comparison: with the rows as they are called at this size.
        evidence: the difference, for "closer" of the distances from the target; its interval may be of two
            values as if of independent images. None where something is missing.
        lacks: what is missing, in words.
        p_for, p_against: p-values of being borne out and of being refuted, before correction.
        seeds_for, seeds_against: the same over seeds.
        state: after correction.
    """

    comparison: Comparison
    evidence: Difference | None = None
    lacks: tuple[str, ...] = ()
    p_for: float = 1.0
    p_against: float = 1.0
    seeds_for: float = 1.0
    seeds_against: float = 1.0
    state: State = "undecided"

    @property
    def words(self) -> str:
        """One sentence: values, difference, intervals, N, seeds, and what was claimed."""
        one, info = self.comparison, info_of(self.comparison.metric)
        margin = f" (margin {one.margin:g})" if one.margin else ""
        claimed = f"{info.title}: {one.a} {one.relation} {said_of(one.b)}{margin}"
        if self.evidence is None:
            return f"{claimed}: not decided; lacks {'; '.join(self.lacks)}"
        seen, digits = self.evidence, info.digits + 1
        what = "difference of distances from the target" if one.relation == "closer" else "difference"
        values = f"{seen.a:.{info.digits}f} and {seen.b:.{info.digits}f}"
        parts = [f"{values}, {what} {seen.difference:+.{digits}f}"]
        if seen.interval is not None:
            parts.append(f"{_interval(seen.interval, digits)} over N = {seen.n}")
        if seen.over_seeds is not None:
            parts.append(f"{_interval(seen.over_seeds, digits)} over {_seeds(*seen.seeds)}")
        return f"{claimed}: {_ANSWERS[self.state]}; {', '.join(parts)}"

    def to_json(self) -> dict[str, Any]:
        verdict = {"verdict": self.state, "lacks": list(self.lacks), "words": self.words}
        return {**vars(self.comparison), **verdict, "evidence": self.evidence and _to_json(self.evidence)}


def finding(one: Comparison, column: Column, rows: Sequence[Row]) -> Finding:
    """A comparison of rows with a value in the column, with its p-values, not yet corrected."""
    if len(rows) > 1:
        evidence = _against_row(one, column, *rows)
    else:
        number = _chance(rows[0], column) if isinstance(one.b, str) else one.b
        if number is None:
            return Finding(one, lacks=("scores by class, to know chance",))
        evidence = _against_number(column, rows[0], number)
    bounds, ways = _bounds(one), _refuting(one)
    return Finding(
        one,
        evidence,
        p_for=_p_outside(evidence, *bounds),
        p_against=min(_p_outside(evidence, *way) for way in ways),
        seeds_for=_p_outside_over_seeds(evidence, *bounds),
        seeds_against=min(_p_outside_over_seeds(evidence, *way) for way in ways),
    )


def decided(found: Finding, corrected: float) -> Finding:
    """The finding with its state, from the corrected p-value of its likelier side."""
    one, evidence = found.comparison, found.evidence
    if evidence is None or corrected > ALPHA:
        return found
    if found.p_for <= found.p_against and _within(evidence, *_bounds(one)):
        return replace(found, state="supported") if found.seeds_for <= ALPHA else found
    refuted = any(
        _p_outside(evidence, *way) == found.p_against and _within(evidence, *way) for way in _refuting(one)
    )
    return replace(found, state="contradicted") if refuted and found.seeds_against <= ALPHA else found


def said_of(b: str | float) -> str:
    """b as words."""
    return f"{b:g}" if isinstance(b, float) else "chance" if b == CHANCE else b


def _bounds(one: Comparison) -> tuple[float, float]:
    """Between which values the gap must be."""
    margin, inf = one.margin, math.inf
    return {
        "above": (margin, inf), "below": (-inf, -margin), "closer": (-inf, -margin),
        "at least": (-margin, inf), "at most": (-inf, margin), "equal": (-margin, margin),
    }[one.relation]  # fmt: skip


def _refuting(one: Comparison) -> list[tuple[float, float]]:
    """Between which values a gap refutes the comparison (see the head of this file)."""
    low, high = _bounds(one)
    if one.relation in ("above", "below", "closer"):
        low, high = (0.0, high) if low > -math.inf else (low, 0.0)
    ways = [(-math.inf, low), (high, math.inf)]
    return [way for way in ways if any(map(math.isfinite, way))]


def error_of(found: Difference) -> float | None:
    """Standard error behind p-values: over test images, else over seeds; None: nothing to go by."""
    basis = found.interval or found.over_seeds
    return None if basis is None else standard_error((basis[1] - basis[0]) / 2)


def _p_outside(found: Difference, low: float, high: float) -> float:
    """p-value, two-sided, of a gap seen between `low` and `high`: the larger of both ends'; 1 elsewhere."""
    gap, error = found.difference, error_of(found)
    if error is None or not low < gap < high:
        return 1.0
    known = freedom(*found.cells)
    return max(two_sided_p(gap - end, error, known) for end in (low, high) if math.isfinite(end))


def _p_outside_over_seeds(found: Difference, low: float, high: float) -> float:
    """The same over seeds; 0 where there is one seed and nothing to ask."""
    if found.by_seed is None:
        return 0.0
    if not low < found.by_seed.difference < high:
        return 1.0
    return max(found.by_seed.p_value(end) for end in (low, high) if math.isfinite(end))


def _within(found: Difference, low: float, high: float) -> bool:
    """Whether the 95 % intervals that there are stay inside (low, high)."""
    known = [interval for interval in (found.interval, found.over_seeds) if interval is not None]
    return bool(known) and all(low < one[0] and one[1] < high for one in known)


def _to_json(seen: Difference) -> dict[str, Any]:
    return {
        "a": seen.a, "b": seen.b, "gap": seen.difference, "interval": seen.interval,
        "error": error_of(seen), "freedom": freedom(*seen.cells),
        "by_seed": None if seen.by_seed is None else asdict(seen.by_seed),
        "seeds": seen.seeds, "n": seen.n, "over_seeds": seen.over_seeds,
    }  # fmt: skip


def _against_row(one: Comparison, column: Column, a: Row, b: Row) -> Difference:
    """Two rows, by the report's own comparison: paired over test images."""
    ours, theirs = a.cells[column.id], b.cells[column.id]
    if one.relation == "closer":
        found = difference(column, a, b)
        interval = found.interval
        if interval is not None and column.distance(ours.value + 1e-9) < column.distance(ours.value):
            interval = (-interval[1], -interval[0])  # both are below the target
        gap = column.distance(ours.value) - column.distance(theirs.value)
        found = replace(found, difference=gap, interval=interval)
    else:  # values as they are, not distances from a target
        found = difference(replace(column, goal="max"), a, b)
        if found.by_seed is None and b.kind != "run":
            found = replace(found, by_seed=one_sample(ours.values, theirs.value))
    half = half_width(ours, theirs)
    if found.interval is None and half is not None:
        return replace(found, interval=(found.difference - half, found.difference + half))
    return found


def _against_number(column: Column, a: Row, number: float) -> Difference:
    """A row and a number without uncertainty."""
    cell = a.cells[column.id]
    interval = None if cell.interval is None else (cell.interval[0] - number, cell.interval[1] - number)
    return Difference(column, a, number, cell.value - number, interval, one_sample(cell.values, number))


def _chance(row: Row, column: Column) -> float | None:
    """Class accuracy of a judge that gives every pixel one class: 1 over the classes counted."""
    for entry in row.entries:
        details = entry.record.details
        classes = details.get("per_class_acc") or details.get("per_class_iou")
        if classes:
            all_count = column.protocol.get("class_policy") == "absent-is-zero"
            counted = [name for name, value in classes.items() if all_count or value is not None]
            return 1 / len(counted) if counted else None
    return None


def _seeds(a: int, b: int) -> str:
    """ "3 seeds each", "3 and 5 seeds", or "3 seeds" of one side alone."""
    if a and b:
        return f"{a} seeds each" if a == b else f"{a} and {b} seeds"
    return f"{a or b} seeds"


def _interval(interval: Interval, digits: int) -> str:
    return " to ".join(f"{end:+.{digits}f}" for end in interval)

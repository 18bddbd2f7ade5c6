"""What records say about one comparison: a difference with its uncertainty over test images and seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bench.analysis.differences import difference
from bench.analysis.table import Cell, Column, Row
from bench.claims.ledger import CHANCE, Comparison
from bench.core.bootstrap import two_sided_p
from bench.core.seed_stats import SeedDifference, one_sample

Interval = tuple[float, float]
_NORMAL = 1.959964  # half of a 95 % interval, in standard errors


@dataclass(frozen=True)
class Evidence:
    """a - b, or for "closer" the distance of a from the target minus that of b.

    Attributes:
        a, b: values, means over seeds.
        gap: the difference.
        interval: 95 %, over test images; None where nothing is at hand.
        error: standard error behind p-values: over test images, else over seeds; None: nothing at hand.
        freedom: its degrees of freedom.
        by_seed: the difference over seeds, for "closer" of the mean distances from the target; None with one.
        seeds: of a and b; 0 for what has none.
        n: test images.
    """

    a: float
    b: float
    gap: float
    interval: Interval | None
    error: float | None
    freedom: float
    by_seed: SeedDifference | None
    seeds: tuple[int, int]
    n: int

    @property
    def over_seeds(self) -> Interval | None:
        """95 % interval over training seeds; None with one seed."""
        return None if self.by_seed is None else self.by_seed.interval

    def p_above(self, bound: float) -> float:
        """p-value, two-sided, of a gap that is seen above `bound`; 1 where it is not."""
        if self.error is None or self.gap <= bound:
            return 1.0
        return two_sided_p(self.gap - bound, self.error, self.freedom)

    def p_below(self, bound: float) -> float:
        return replace(self, gap=-self.gap).p_above(-bound)

    def p_seeds(self, low: float, high: float) -> float:
        """p-value, two-sided, over seeds of a gap that is seen between `low` and `high`: the larger of those
        against both ends; 1 where it is not seen there, 0 where there is one seed and nothing to ask."""
        if self.by_seed is None:
            return 0.0
        if not low < self.by_seed.difference < high:
            return 1.0
        return max(self.by_seed.p_value(end) for end in (low, high) if math.isfinite(end))

    def within(self, low: float, high: float) -> bool:
        """Whether the 95 % intervals that there are lie inside (low, high)."""
        known = [interval for interval in (self.interval, self.over_seeds) if interval is not None]
        return bool(known) and all(low < one[0] and one[1] < high for one in known)


def against_row(one: Comparison, column: Column, a: Row, b: Row) -> Evidence:
    """Two rows, by the report's own comparison (`bench.analysis.differences`): paired over test images."""
    closer = one.relation == "closer"
    column = (
        column if closer else replace(column, goal="max")
    )  # values as they are, not distances from a target
    ours, theirs = a.cells[column.id], b.cells[column.id]
    found = difference(column, a, b)
    assert ours.mean is not None
    assert theirs.mean is not None
    gap, interval = found.difference, found.interval
    if closer:
        gap = column.distance(ours.mean) - column.distance(theirs.mean)
        if interval is not None and column.distance(ours.mean + 1e-9) < column.distance(ours.mean):
            interval = (-interval[1], -interval[0])  # both lie below the target
    if interval is None:
        interval = _as_if_independent(gap, ours, theirs)
    over_seeds = found.seeds
    if over_seeds is None and b.kind != "run" and not closer:
        over_seeds = one_sample(ours.values, theirs.mean)
    seeds = (len(ours.values), len(theirs.values) if b.kind == "run" else 0)
    n = min((*ours.n, *theirs.n), default=0)
    return _evidence(ours.mean, theirs.mean, gap, interval, over_seeds, seeds, n)


def against_number(column: Column, a: Row, number: float) -> Evidence:
    """A row and a number without uncertainty."""
    cell = a.cells[column.id]
    assert cell.mean is not None
    interval = None if cell.interval is None else (cell.interval[0] - number, cell.interval[1] - number)
    n = min(cell.n, default=0)
    over_seeds = one_sample(cell.values, number)
    return _evidence(cell.mean, number, cell.mean - number, interval, over_seeds, (len(cell.values), 0), n)


def chance(row: Row, column: Column) -> float | None:
    """Class accuracy of a judge that gives every pixel one class: 1 over the classes counted."""
    for entry in row.entries:
        details = entry.record.details
        classes = details.get("per_class_acc") or details.get("per_class_iou")
        if classes:
            all_count = column.protocol.get("class_policy") == "absent-is-zero"
            counted = [name for name, value in classes.items() if all_count or value is not None]
            return 1 / len(counted) if counted else None
    return None


def said_of(b: str | float) -> str:
    """b as words."""
    return f"{b:g}" if isinstance(b, float) else "chance" if b == CHANCE else b


def _evidence(
    a: float,
    b: float,
    gap: float,
    interval: Interval | None,
    by_seed: SeedDifference | None,
    seeds: tuple[int, int],
    n: int,
) -> Evidence:
    known = None if by_seed is None else by_seed.interval
    basis = interval or known
    error = None if basis is None else (basis[1] - basis[0]) / (2 * _NORMAL)
    return Evidence(a, b, gap, interval, error, max(1, n - 1), by_seed, seeds, n)


def _as_if_independent(gap: float, ours: Cell, theirs: Cell) -> Interval | None:
    """The interval of a difference of two values from their own, which is cautious for the same images."""
    if ours.interval is None or theirs.interval is None:
        return None
    half = math.hypot(*(one[1] - one[0] for one in (ours.interval, theirs.interval))) / 2
    return gap - half, gap + half

"""What chance can do to one metric of one row: two tests, both of which must see a change.

Worsening w is the change of the mean over seeds, turned so that above 0 is worse; with a target g, the growth
of the distance |mean - g|.

1. Seeds. Under "nothing changed" baseline and measured values are draws from one distribution over training
   seeds, on the same test images, whose common part cancels. With B and M seeds, pooled variance
   s² = sum of f s² / sum of f, where the baseline's spread has f = (its seeds - 1) and the measured values'
   f = M - 1:    t = w / (s sqrt(1/B + 1/M)), Student's t with sum of f degrees of freedom.
   The seeds' means hold what the training's noise does to single images, so this variance is the whole one
   for these images. The baseline's spread may come from more seeds than its values (`kept_spread`).
2. Images. Paired bootstrap over the test images that both sides have, scores averaged over seeds (the
   report's own, `bench.analysis.pairing`): whether other images could have told otherwise. Without values
   by image, and without a spread over seeds, the intervals of both sides stand in, as if of other images.

The p-value is the larger of the two; with one test, its own. One-sided: better and worse are asked apart.

Sources: Student 1908 (pooled variance; equal variances are what "nothing changed" means); Berger 1982 (the
larger p-value of two tests that must both reject is a p-value).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.entry import Entry
from bench.analysis.pairing import image_values, paired_over_seeds
from bench.analysis.table import Cell, Column, Row, info_of
from bench.core.bootstrap import PairedDifference, paired_difference, two_sided_p
from bench.gate.rows import GateRow, MetricMean
from bench.records.record import MetricResult, RunRecord

Floats = NDArray[np.float64]
_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Contrast:
    """One test of "no worsening".

    Attributes:
        basis: "seeds", "images" or "intervals".
        worsening: above 0: worse.
        error: its standard error.
        freedom: degrees of freedom of `error`.
    """

    basis: str
    worsening: float
    error: float
    freedom: float

    def p_value(self, *, worse: bool) -> float:
        """One-sided: of a worsening this large (or an improvement, if not `worse`) by chance."""
        both = two_sided_p(self.worsening, self.error, self.freedom)
        return both / 2 if (self.worsening > 0) == worse else 1 - both / 2

    def visible(self, alpha: float) -> float:
        """The smallest worsening that this test can see at level `alpha`."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, 1 - alpha)) * self.error


@dataclass(frozen=True)
class Evidence:
    """What the tests of one metric of one row say together.

    Attributes:
        tests: at least one.
        both_sides: whether a change either way counts as a worsening.
        interval: 95 % interval of measured - baseline over test images; None: values by image not at hand.
    """

    tests: tuple[Contrast, ...]
    both_sides: bool = False
    interval: tuple[float, float] | None = None

    @property
    def basis(self) -> str:
        return "+".join(test.basis for test in self.tests)

    @property
    def sees_seeds(self) -> bool:
        return any(test.basis == "seeds" for test in self.tests)

    @property
    def worse(self) -> float:
        """p-value of the worsening."""
        one_way = self._p(worse=True)
        return min(1.0, 2 * min(one_way, self._p(worse=False))) if self.both_sides else one_way

    @property
    def better(self) -> float:
        """p-value of the improvement; 1 where there is no such thing."""
        return 1.0 if self.both_sides else self._p(worse=False)

    def _p(self, *, worse: bool) -> float:
        return max(test.p_value(worse=worse) for test in self.tests)

    def visible(self, alpha: float) -> float:
        """The smallest change that all tests can see at level `alpha`."""
        level = alpha / 2 if self.both_sides else alpha
        return max(test.visible(level) for test in self.tests)


def side_of(entry: MetricMean) -> tuple[float, float]:
    """(sign, origin): sign * (value - origin) is larger for a worse value."""
    if entry.goal in ("max", "min"):
        return (-1.0 if entry.goal == "max" else 1.0), 0.0
    return (-1.0 if entry.value < float(entry.goal) else 1.0), float(entry.goal)


def worsening(before: MetricMean, after: MetricMean) -> float:
    """How much worse `after` is, in the metric's unit; negative: better."""
    (sign, origin), (other_sign, other_origin) = side_of(before), side_of(after)
    return other_sign * (after.value - other_origin) - sign * (before.value - origin)


def evidence(metric: str, before: GateRow, after: GateRow, *, both_sides: bool = False) -> Evidence | None:
    """The tests that can be made of `metric`; None where there is nothing to go by."""
    seeds = _over_seeds(before.metrics[metric], after.metrics[metric])
    images, interval = _over_images(metric, before, after)
    tests = [test for test in (seeds, images) if test is not None]
    if not tests:
        apart = _from_intervals(before.metrics[metric], after.metrics[metric])
        tests = [apart] if apart is not None else []
    return Evidence(tuple(tests), both_sides, interval) if tests else None


def _over_seeds(before: MetricMean, after: MetricMean) -> Contrast | None:
    known = [spread for entry in (before, after) if (spread := entry.spread) is not None]
    if not known:
        return None
    freedom = sum(spread.seeds - 1 for spread in known)
    pooled = sum((spread.seeds - 1) * spread.sd**2 for spread in known) / freedom
    error = math.sqrt(pooled * (1 / len(before.values) + 1 / len(after.values)))
    return Contrast("seeds", worsening(before, after), error, freedom)


def _over_images(
    metric: str, before: GateRow, after: GateRow
) -> tuple[Contrast | None, tuple[float, float] | None]:
    if not before.tables or not after.tables:
        return None, None
    entry = after.metrics[metric]
    shown, column = row_as_shown(metric, after)
    rows = shown, row_as_shown(metric, before)[0]
    (sign, _), (other_sign, _) = side_of(before.metrics[metric]), side_of(entry)
    across = sign != other_sign  # a target lies between the two
    if across:
        found, sign = _of_distances(rows, column, entry, before.metrics[metric]), 1.0
    else:
        found = paired_over_seeds(*rows, column)
    if found is None or found.error is None or found.difference is None:
        return None, None
    freedom = max(1, min(entry.n, before.metrics[metric].n) - 1)
    test = Contrast("images", sign * found.difference, found.error, freedom)
    return test, None if across else found.interval


def row_as_shown(metric: str, row: GateRow) -> tuple[Row, Column]:
    """The row and its column as reports hold them, with this metric; no entries without values by image."""
    entry = row.metrics[metric]
    column = Column(metric, info_of(metric), "", entry.goal, entry.protocol)
    shown = Row("", row.kind, [], "", {column.id: Cell(entry.values, entry.value)})
    if row.tables:
        for value, seed, table in zip(entry.values, row.seeds, row.tables, strict=True):
            result = MetricResult(metric, value, entry.goal, entry.n, entry.protocol)
            record = RunRecord(str(seed), "run", "", {}, "finished", {metric: result})
            shown.entries.append(Entry(record, table=table))
    return shown, column


def _of_distances(
    rows: tuple[Row, Row], column: Column, after: MetricMean, before: MetricMean
) -> PairedDifference | None:
    """Distances to the target, of two values that lie on either side of it."""
    values = [image_values(row, column) for row in rows]
    turned: list[Floats] = []
    for held, entry in zip(values, (after, before), strict=True):
        if held is None:
            return None
        sign, origin = side_of(entry)
        turned.append(sign * (held.mean(0) - origin))
    return paired_difference(*turned) if len(turned[0]) == len(turned[1]) else None


def _from_intervals(before: MetricMean, after: MetricMean) -> Contrast | None:
    if before.interval is None or after.interval is None:
        return None
    halves = [(high - low) / 2 for low, high in (before.interval, after.interval)]
    freedom = max(1, min(before.n, after.n) - 1)
    return Contrast("intervals", worsening(before, after), math.hypot(*halves) / _NORMAL_95, freedom)

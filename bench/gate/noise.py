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
   report's own, `bench.analysis.by_image`): whether other images could have told otherwise. Without values
   by image, and without a spread over seeds, the intervals of both sides stand in, as if of other images.

The p-value is the larger of the two; with one test, its own. One-sided: better and worse are asked apart.

Sources: Student 1908 (pooled variance; equal variances are what "nothing changed" means); Berger 1982 (the
larger p-value of two tests that must both reject is a p-value).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.analysis.by_image import Floats, paired, values_by_seed
from bench.analysis.differences import freedom, half_width, standard_error
from bench.core.bootstrap import PairedDifference, paired_difference, two_sided_p
from bench.gate.rows import GateCell, GateRow


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
        interval: 95 % interval of measured - baseline over test images; None: no values by image.
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


def side_of(entry: GateCell) -> tuple[float, float]:
    """(sign, origin): sign * (value - origin) is larger for a worse value."""
    if entry.goal in ("max", "min"):
        return (-1.0 if entry.goal == "max" else 1.0), 0.0
    return (-1.0 if entry.value < float(entry.goal) else 1.0), float(entry.goal)


def worsening(before: GateCell, after: GateCell) -> float:
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


def _over_seeds(before: GateCell, after: GateCell) -> Contrast | None:
    known = [spread for entry in (before, after) if (spread := entry.spread) is not None]
    if not known:
        return None
    of_seeds = sum(spread.seeds - 1 for spread in known)
    pooled = sum((spread.seeds - 1) * spread.sd**2 for spread in known) / of_seeds
    error = math.sqrt(pooled * (1 / len(before.values) + 1 / len(after.values)))
    return Contrast("seeds", worsening(before, after), error, of_seeds)


def _over_images(
    metric: str, before: GateRow, after: GateRow
) -> tuple[Contrast | None, tuple[float, float] | None]:
    old, new = before.metrics[metric], after.metrics[metric]
    (sign, _), (other_sign, _) = side_of(old), side_of(new)
    across = sign != other_sign  # a target is between the two
    found = (
        _of_distances(metric, before, after) if across else paired(after.by_image, before.by_image, metric)
    )
    if found is None or found.error is None or found.difference is None:
        return None, None
    worse = found.difference if across else sign * found.difference
    test = Contrast("images", worse, found.error, freedom(old, new))
    return test, None if across else found.interval


def _of_distances(metric: str, before: GateRow, after: GateRow) -> PairedDifference | None:
    """Distances to the target, of two values on either side of it."""
    new, old = turned(metric, after), turned(metric, before)
    return None if new is None or old is None or len(new) != len(old) else paired_difference(new, old)


def turned(metric: str, row: GateRow, *, first: bool = False) -> Floats | None:
    """(N,) values by image, sorted by name, larger where worse: means over seeds, or those of the first seed.

    None where there are none.
    """
    values = values_by_seed(row.sorted_tables, metric)
    sign, origin = side_of(row.metrics[metric])
    return None if values is None else sign * ((values[0] if first else values.mean(0)) - origin)


def _from_intervals(before: GateCell, after: GateCell) -> Contrast | None:
    half = half_width(before, after)
    if half is None:
        return None
    return Contrast("intervals", worsening(before, after), standard_error(half), freedom(before, after))

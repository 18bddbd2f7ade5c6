"""Uncertainty over training seeds: differences of means by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.core.bootstrap import Interval, two_sided_p


@dataclass(frozen=True)
class SeedDifference:
    """A difference of means over training seeds and its uncertainty (Student's t).

    Attributes:
        difference: first minus second.
        error: its standard error.
        freedom: degrees of freedom of `error`.
    """

    difference: float
    error: float
    freedom: float

    @property
    def interval(self) -> Interval:
        """The 95 % interval."""
        from scipy.special import stdtrit

        half = float(stdtrit(self.freedom, 0.975)) * self.error if self.error else 0.0
        return self.difference - half, self.difference + half

    def p_value(self, bound: float = 0.0) -> float:
        """Two-sided p-value of a difference of `bound`."""
        return two_sided_p(self.difference - bound, self.error, self.freedom)


def welch(first: Sequence[float], second: Sequence[float]) -> SeedDifference | None:
    """Difference of two means over independent seeds (variances may differ); None below two seeds each.

    Source: Welch, "The generalization of 'Student's' problem when several different population variances are
    involved", 1947.
    """
    if min(len(first), len(second)) < 2:
        return None
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    difference = float(a.mean() - b.mean())
    parts = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    if sum(parts) == 0:
        return SeedDifference(difference, 0.0, 1)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    return SeedDifference(difference, math.sqrt(sum(parts)), freedom)


def one_sample(values: Sequence[float], number: float) -> SeedDifference | None:
    """Difference of a mean over seeds and an exact number; None below two seeds."""
    if len(values) < 2:
        return None
    found = np.asarray(values, np.float64)
    error = float(found.std(ddof=1)) / math.sqrt(len(found))
    return SeedDifference(float(found.mean()) - number, error, len(found) - 1)

"""A cell: what a row has of a metric, over its seeds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any, Self

from bench.records.record import Goal, MetricResult


@dataclass(frozen=True)
class Cell:
    """What a row has of a metric.

    Attributes:
        values: one a seed, in the order of the row's records; one of a reference row.
        interval: 95 % interval over test images, averaged over the seeds; None where one lacks it.
        n: test images behind each value.
        reasons: why values are missing.
        goal, protocol: as in `MetricResult`, of all values.
    """

    values: tuple[float, ...] = ()
    interval: tuple[float, float] | None = None
    n: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    goal: Goal = "max"
    protocol: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Sequence[MetricResult], reasons: Sequence[str] = ()) -> Self:
        """The cell of results that have values and share a protocol."""
        if not results:
            return cls(reasons=tuple(dict.fromkeys(reasons)))
        known = [result.interval for result in results if result.interval is not None]
        ends = (fmean(low for low, _ in known), fmean(high for _, high in known)) if known else None
        return cls(
            tuple(result.value for result in results if result.value is not None),
            ends if len(known) == len(results) else None,
            tuple(result.n for result in results),
            tuple(dict.fromkeys(reasons)),
            results[0].goal,
            results[0].protocol,
        )

    @functools.cached_property
    def mean(self) -> float | None:
        """Over seeds; None where there is no value."""
        return fmean(self.values) if self.values else None

    @property
    def value(self) -> float:
        """The mean, where it is known that there is one."""
        assert self.mean is not None
        return self.mean

    @functools.cached_property
    def std(self) -> float | None:
        """Standard deviation over seeds (n - 1), None below two."""
        return stdev(self.values) if len(self.values) > 1 else None

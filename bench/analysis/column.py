"""A column of a table: a metric under one protocol, which way is better, and how its values are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.records.record import Goal
from bench.scoring.metrics.catalogue import CATALOGUE, NEIGHBOURS, PEOPLE, MetricInfo

Number = TypeVar("Number", float, NDArray[np.float64])
FINER = 2  # more decimals, where a metric's own would show 0


@dataclass(frozen=True)
class Column:
    """A metric under one protocol.

    Attributes:
        id: unique in the section: the metric key, with a letter where it was split.
        info: what the metric is.
        mark: the letter that tells columns of one metric apart, else "".
        goal: "max", "min" or a target value.
        protocol: the fields that all its values share.
        fine: its values are so small that they are shown with two more decimals than the metric usually has.
    """

    id: str
    info: MetricInfo
    mark: str
    goal: Goal
    protocol: dict[str, Any]
    fine: bool = False

    @property
    def title(self) -> str:
        return f"{self.info.title} ({self.mark})" if self.mark else self.info.title

    @property
    def head(self) -> str:
        """The title; that of an FCN score names its judge: "FCN class IoU (fcn-lite0)"."""
        judge = self.protocol.get("judge") if self.info.key.startswith("fcn_") else None
        told = [self.mark] if self.mark else []
        told += [judge] if isinstance(judge, str) else []
        return f"{self.info.title} ({', '.join(told)})" if told else self.info.title

    @property
    def arrow(self) -> str:
        """Which way is better, as a sign: "↑", "↓" or "→1"; "" where the metric does not rank."""
        return (
            ""
            if not self.info.ranks
            else {"max": "↑", "min": "↓"}.get(str(self.goal), f"→{self.goal}".removesuffix(".0"))
        )

    @property
    def direction_words(self) -> str:
        if not self.info.ranks:
            return "describes, does not rank"
        if self.target is not None:
            return f"closer to {self.target:g} is better"
        return {"max": "higher is better", "min": "lower is better"}.get(str(self.goal), "")

    @property
    def target(self) -> float | None:
        """The value that is best; None where more, or less, is better."""
        return None if self.goal in ("max", "min") else float(self.goal)

    def merit(self, value: Number) -> Number:
        """A number, or an array of them, that is larger for a better value."""
        return merit(self.goal, value)

    def distance(self, value: Number) -> Number:
        """How far `value` is from the target (only where there is one)."""
        assert self.target is not None
        return abs(value - self.target)

    @property
    def decimals(self) -> int:
        """As many for all its values."""
        return self.info.digits + FINER * self.fine

    def text(self, value: float) -> str:
        """`value` at the column's number of decimals; never "-0.00"."""
        return fixed(value, self.decimals)

    def texts(self, size: float, *ends: float) -> list[str]:
        """A difference and what goes with it, at two more decimals where the column's would show it as 0."""
        finer = FINER * (self.info.digits == self.decimals and only_zeros(size, self.decimals))
        return [fixed(value, self.decimals + finer) for value in (size, *ends)]


def merit(goal: Goal, value: Number) -> Number:
    """A number, or an array of them, that is larger for a better value of a metric with this goal."""
    if goal in ("max", "min"):
        return value if goal == "max" else -value
    return -abs(value - float(goal))


def fixed(value: float, decimals: int) -> str:
    """`value` with so many decimals; 0 has no sign."""
    shown = f"{value:.{decimals}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown


def only_zeros(value: float, decimals: int) -> bool:
    """Whether so many decimals show 0 where two more would not."""
    return float(fixed(value, decimals)) == 0 != float(fixed(value, decimals + FINER))


def info_of(key: str) -> MetricInfo:
    """The catalogue's entry, or one made up from the key for a metric that a plug-in brought."""
    known = CATALOGUE.get(key)
    name, mark, other = key.partition("@")
    if known is None and mark and name in CATALOGUE and CATALOGUE[name].family == PEOPLE:
        about = f"share of trials in which raters chose this variant's image over that of {other}"
        return replace(CATALOGUE[name], key=key, title=f"Preferred to {other}", about=about)
    if name == "fd" and mark:
        about = f"Fréchet distance in the features of the network {other}; not an FID"
        return MetricInfo(key, NEIGHBOURS, "min", f"FD ({other})", about, 2)
    return known or MetricInfo(key, "plug-in", "max", key, "brought by a plug-in, which documents it")

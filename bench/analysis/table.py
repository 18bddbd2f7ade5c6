"""The words of a report: sections hold what compares, rows are variants, columns metrics, cells values.

A section holds one data set, one direction, one size, one test set. A row is a variant under one training,
aggregated over its seeds. A column is a metric under one protocol.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.analysis.entry import Entry
from bench.analysis.row_values import RowImages, row_images
from bench.records.record import Goal
from bench.scoring.metrics.catalogue import CATALOGUE, MetricInfo

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
        words = {"max": "higher is better", "min": "lower is better"}
        return words.get(
            str(self.goal), f"closer to {self.goal:g} is better" if _is_target(self.goal) else ""
        )

    def merit(self, value: Number) -> Number:
        """A number, or an array of them, that is larger for a better value."""
        return -self.distance(value) if _is_target(self.goal) else value if self.goal == "max" else -value

    def distance(self, value: Number) -> Number:
        """How far `value` is from the target (only where there is one)."""
        assert _is_target(self.goal)
        return abs(value - float(self.goal))

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


@dataclass(frozen=True)
class Cell:
    """A row's value in a column.

    Attributes:
        values: one a seed (or a reference record), in the order of the row's entries.
        mean: their mean; None where there is no value.
        std: their standard deviation (n - 1), None below two.
        interval: 95 % interval over test images, averaged over the seeds; None where one lacks it.
        n: test images behind each value.
        reasons: why values are missing.
    """

    values: tuple[float, ...] = ()
    mean: float | None = None
    std: float | None = None
    interval: tuple[float, float] | None = None
    n: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass
class Row:
    """A variant under one training (all its finished seeds), or a reference row."""

    label: str
    kind: str
    entries: list[Entry]
    variant: str
    cells: dict[str, Cell] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        return sorted({e.record.seed for e in self.entries if e.record.seed is not None})

    @functools.cached_property
    def images(self) -> RowImages | None:
        """Its values by test image, averaged over seeds."""
        return row_images(self.entries)


@dataclass
class Section:
    """All records that may be compared with one another."""

    id: str
    dataset: str
    direction: str
    source: str
    size_px: int | None
    test_n: int | None
    entries: list[Entry]
    rows: list[Row] = field(default_factory=list)
    references: list[Row] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    unmeasured: dict[str, list[str]] = field(default_factory=dict)  # metric title -> reasons
    notes: list[str] = field(default_factory=list)
    mark: str = ""  # tells titles apart

    @property
    def failed(self) -> list[Entry]:
        return [e for e in self.entries if e.record.status != "finished"]

    @property
    def all_rows(self) -> list[Row]:
        return [*self.rows, *self.references]

    @property
    def title(self) -> str:
        size = f" at {self.size_px} px" if self.size_px else ""
        derived = f" from {self.source}" if self.source not in ("paired", "") else ""
        return f"{self.dataset}, {words_of_direction(self.direction)}{derived}{size}{self.mark}"


def fixed(value: float, decimals: int) -> str:
    """`value` with so many decimals; 0 has no sign."""
    shown = f"{value:.{decimals}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown


def only_zeros(value: float, decimals: int) -> bool:
    """Whether so many decimals show 0 where two more would not."""
    return float(fixed(value, decimals)) == 0 != float(fixed(value, decimals + FINER))


def _is_target(goal: Goal) -> bool:
    return isinstance(goal, int | float)


def words_of_direction(direction: str) -> str:
    """ "labels2photo" -> "labels to photo"."""
    left, two, right = direction.partition("2")
    return f"{left} to {right}" if two and left and right else direction


def info_of(key: str) -> MetricInfo:
    """The catalogue's entry, or one made up from the key for a metric that a plug-in brought."""
    known = CATALOGUE.get(key)
    return known or MetricInfo(key, "plug-in", "max", key, "brought by a plug-in, which documents it")


def protocol_hash(protocol: Mapping[str, Any]) -> str:
    """8 hexadecimal digits over a protocol."""
    text = json.dumps(protocol, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def differing_fields(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The fields, dotted where nested, in which `settings` differ, with each one's value ("–": has none)."""
    flat = [flatten(one) for one in settings]
    names = dict.fromkeys(name for one in flat for name in one)
    values = {name: [one.get(name, "–") for one in flat] for name in names}
    return {name: listed for name, listed in values.items() if any(v != listed[0] for v in listed[1:])}


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; lists become text."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return flat

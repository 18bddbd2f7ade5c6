"""Records -> rows: what counts together, over seeds."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.analysis.by_image import ByImage, Seed, by_image
from bench.analysis.cell import Cell
from bench.analysis.column import Column
from bench.analysis.comparable import differing_fields
from bench.analysis.entry import Entry
from bench.records.record import REFERENCE_ROWS, RunRecord

Key = TypeVar("Key", bound=Hashable)
_PAPERS = ("l1", "gan", "cgan", "l1+gan", "l1+cgan")  # in the order of its table 1


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

    @property
    def first(self) -> RunRecord:
        """The record of the first seed."""
        return self.entries[0].record

    @functools.cached_property
    def by_image(self) -> ByImage | None:
        """Its values by test image, averaged over seeds; tables are read one at a time, and not kept."""
        return by_image((entry.sorted_table(), entry.values) for entry in self.entries)

    def tables(self) -> list[Seed]:
        """Its values by test image, seed by seed."""
        return [(entry.sorted_table(), entry.values) for entry in self.entries]

    def mean(self, column: Column) -> float | None:
        """Its value in a column; None where it has none."""
        return self.cells[column.id].mean

    def value(self, column: Column) -> float:
        """The same, where it is known that it has one."""
        return self.cells[column.id].value

    def complete(self, column: Column) -> bool:
        """Whether every record has a value in the column: what its values by image belong to."""
        return len(self.cells[column.id].values) == len(self.entries)


def group(
    entries: Iterable[Entry], key: Callable[[RunRecord], Key], *, by_seed: bool = True
) -> dict[Key, list[Entry]]:
    """The records that count together, by key.

    Args:
        by_seed: each lot in the order of its seeds, first those without; else in the order given.
    """
    found: dict[Key, list[Entry]] = {}
    for entry in entries:
        found.setdefault(key(entry.record), []).append(entry)
    return {key: sorted(lot, key=_by_seed) for key, lot in found.items()} if by_seed else found


def _by_seed(entry: Entry) -> tuple[bool, int]:
    return entry.record.seed is not None, entry.record.seed or 0


def run_rows(entries: Iterable[Entry]) -> list[Row]:
    """One row a label and training; equal labels are told apart by what differs in their specs."""
    by_label: dict[str, dict[str, list[Entry]]] = {}
    for (label, settings), lot in group(
        entries, lambda record: (record.label, as_text(settings_of(record)))
    ).items():
        by_label.setdefault(label, {})[settings] = lot
    rows = [
        Row(told, "run", lots[settings], label)
        for label, lots in by_label.items()
        for settings, told in told_apart(label, lots).items()
    ]
    return sorted(rows, key=lambda row: (_place(row.variant, _PAPERS), _natural(row.label)))


def told_apart(label: str, lots: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
    """Records of one label by their settings -> what each lot is called: "l1 (steps=800)", 16 before 142."""
    differing = differing_fields([settings_of(lot[0].record) for lot in lots.values()])
    told = {}
    for place, settings in enumerate(lots):
        said = ", ".join(f"{name}={values[place]}" for name, values in differing.items())
        told[settings] = f"{label} ({said})" if said else label
    return dict(sorted(told.items(), key=lambda one: _natural(one[1])))


def same_seed(lot: Sequence[Entry]) -> tuple[RunRecord, RunRecord] | None:
    """Two records of one seed, of a lot of `group`; a row has one of each."""
    pairs = itertools.pairwise(entry.record for entry in lot)
    return next(((one, other) for one, other in pairs if one.seed == other.seed), None)


def reference_rows(entries: Iterable[Entry]) -> list[Row]:
    """One row a label, its records in the order in which they were made."""
    ordered = sorted(entries, key=lambda entry: entry.record.created)
    rows = [
        Row(label, "reference", lot, label)
        for label, lot in group(ordered, lambda record: record.label).items()
    ]
    return sorted(rows, key=lambda row: _place(row.label, REFERENCE_ROWS))


def budget_of(record: RunRecord) -> dict[str, dict[str, Any]]:
    """How a system was trained and tested, whichever it is: what runs that were trained alike agree in."""
    data = record.spec["data"]
    return {
        "training": record.spec.get("training", {}),
        "test": record.spec.get("test", {}),
        "data": {name: data[name] for name in ("train_n", "train_fingerprint") if name in data},
        **({"choice": record.spec["choice"]} if record.spec.get("choice") else {}),
    }


def settings_of(record: RunRecord) -> dict[str, Any]:
    """What makes two runs of one label different systems: all of the spec but seed, names and test data."""
    variant = {k: v for k, v in record.spec.get("variant", {}).items() if k not in ("name", "source")}
    budget = budget_of(record)
    choice = {"choice": budget["choice"]} if "choice" in budget else {}
    return {**variant, **budget["training"], **budget["test"], **budget["data"], **choice}


def as_text(settings: Any) -> str:
    """The same text for the same settings."""
    return json.dumps(settings, sort_keys=True, default=str)


def _place(label: str, order: tuple[str, ...]) -> int:
    """Where it stands in an order; others come last."""
    return order.index(label) if label in order else len(order)


def _natural(label: str) -> list[tuple[float, str]]:
    """For an order in which 16 comes before 142."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return [(float(part), "") if place % 2 else (0.0, part) for place, part in enumerate(parts)]

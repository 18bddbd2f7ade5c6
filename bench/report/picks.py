"""Pictures chosen by their result: best, median and worst of each variant, and where variants disagree.

A pure function of records and their values by picture, so that `bench.illustrate` (which writes what is
missing) and the page (which shows it) choose the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.report.frame import Column, Section
from bench.report.perimage import Floats, PictureValues, picture_values

# By what is picked, the first that is there of each group: right content, closeness to the target.
CRITERIA = (("fcn_pixel_acc", "label_pixel_acc"), ("lpips", "ssim", "l1"))
DISAGREEMENTS = 3
_FEWEST = 5  # test pictures: below, the gallery shows them all


@dataclass(frozen=True)
class Pick:
    """A test picture and what one variant scores on it."""

    words: str
    name: str
    value: float


@dataclass(frozen=True)
class Disagreement:
    """A test picture on which two variants lie far apart; `values` by label, None where there is none."""

    name: str
    better: str
    worse: str
    values: dict[str, float | None]


@dataclass(frozen=True)
class Picks:
    """What was picked by one metric.

    Attributes:
        column: the metric.
        ranked: (variant, its best, median and worst picture).
        disagreements: the pictures with the largest difference between any two variants, largest first.
    """

    column: Column
    ranked: tuple[tuple[str, tuple[Pick, ...]], ...]
    disagreements: tuple[Disagreement, ...]

    @property
    def names(self) -> list[str]:
        return [
            *(pick.name for _, picks in self.ranked for pick in picks),
            *(one.name for one in self.disagreements),
        ]


def picks(section: Section) -> list[Picks]:
    """The picks of a section, one for each criterion that has values by picture."""
    held = picture_values(section)
    if held is None or len(held.names) < _FEWEST:
        return []
    return [_picks(held, column) for column in _criteria(held)]


def picked_names(section: Section) -> list[str]:
    """Stems of all picked pictures, each once."""
    return list(dict.fromkeys(name for one in picks(section) for name in one.names))


def _criteria(held: PictureValues) -> list[Column]:
    chosen = []
    for keys in CRITERIA:
        found = {column.info.key: column for column in reversed(held.columns)}
        chosen += [found[key] for key in keys if key in found][:1]
    return chosen or [held.columns[0]]


def _picks(held: PictureValues, column: Column) -> Picks:
    values = held.values[column.id]
    ranked = [
        (label, found)
        for label, row in zip(held.labels, values, strict=True)
        if (found := _ranked(held.names, row, column))
    ]
    return Picks(column, tuple(ranked), tuple(_disagreements(held, values, column)))


def _ranked(names: tuple[str, ...], row: Floats, column: Column) -> tuple[Pick, ...]:
    """Best, median (the lower of two) and worst; equals in the order of their names."""
    known = sorted(
        (column.merit(float(value)), name, float(value))
        for name, value in zip(names, row, strict=True)
        if not np.isnan(value)
    )
    if len(known) < _FEWEST:
        return ()
    places = {"best": -1, "median": (len(known) - 1) // 2, "worst": 0}
    return tuple(Pick(words, known[place][1], known[place][2]) for words, place in places.items())


def _disagreements(held: PictureValues, values: Floats, column: Column) -> list[Disagreement]:
    merits = np.vectorize(column.merit, otypes=[np.float64])(values)
    compared = np.flatnonzero((~np.isnan(merits)).sum(0) >= 2)
    gaps = {int(i): float(np.nanmax(merits[:, i]) - np.nanmin(merits[:, i])) for i in compared}
    order = sorted(gaps, key=lambda i: (-gaps[i], held.names[i]))
    return [
        Disagreement(
            held.names[i],
            held.labels[int(np.nanargmax(merits[:, i]))],
            held.labels[int(np.nanargmin(merits[:, i]))],
            {
                label: None if np.isnan(value) else float(value)
                for label, value in zip(held.labels, values[:, i], strict=True)
            },
        )
        for i in order[:DISAGREEMENTS]
        if gaps[i] > 0
    ]

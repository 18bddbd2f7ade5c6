"""Who is best in a column, by how much, and whether test images and seeds can tell.

The rule, as pages state it: the best is distinguishable from the runner-up if

1. the 95 % bootstrap interval of their difference over the same test images leaves out 0; where values by
   image are not at hand, if their own intervals over test images do not overlap; and
2. where both have several seeds, the 95 % interval of their difference over seeds leaves out 0.

A test that has nothing to go by is left out; where both have nothing, no lead is claimed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.report.frame import Cell, Column, Row, Section
from bench.stats import PairedDifference, paired_difference, paired_difference_sum

Floats = NDArray[np.float64]
_AGREES = 1e-6  # a per-image column belongs to a metric if its mean is the metric's value


@dataclass(frozen=True)
class Standing:
    """The best of a column against the next.

    Attributes:
        best, runner_up: the rows; no runner-up where a single row has a value.
        difference: best minus runner-up, in the metric's own unit and sign.
        interval: 95 % interval of the difference: over seeds where `basis` is "seeds", else over test
            images, or None where values by image are not at hand.
        distinguishable: by the rule above.
        basis: what decided: "images", "seeds", or "none" (nothing to go by).
    """

    best: Row
    runner_up: Row | None
    difference: float | None
    interval: tuple[float, float] | None
    distinguishable: bool
    basis: str


def standing(section: Section, column: Column) -> Standing | None:
    """The standing of the trained variants in a column; None where none has a value."""
    ranked = [(cell.mean, row) for row in section.rows if (cell := row.cells[column.id]).mean is not None]
    ranked.sort(key=lambda pair: column.merit(pair[0]), reverse=True)
    if not ranked:
        return None
    value, best = ranked[0]
    if len(ranked) == 1:
        return Standing(best, None, None, None, False, "none")
    other, runner_up = ranked[1]
    ours, theirs = best.cells[column.id], runner_up.cells[column.id]
    over_seeds = seed_interval(column, ours, theirs)
    interval, by_images = _by_images(best, runner_up, column)
    seeds_tell = None if over_seeds is None else leaves_out_zero(over_seeds)
    if over_seeds is not None and (by_images is None or (by_images and not seeds_tell)):
        return Standing(best, runner_up, value - other, over_seeds, bool(seeds_tell), "seeds")
    basis = "none" if by_images is None else "images"
    return Standing(best, runner_up, value - other, interval, bool(by_images), basis)


def _by_images(best: Row, other: Row, column: Column) -> tuple[tuple[float, float] | None, bool | None]:
    """Interval of the difference over test images, if there is one, and whether the images can tell."""
    paired = paired_over_seeds(best, other, column)
    if paired is not None and paired.interval is not None and column.goal in ("max", "min"):
        return paired.interval, paired.distinguishable
    return None, intervals_apart(column, best.cells[column.id].interval, other.cells[column.id].interval)


def leaves_out_zero(interval: tuple[float, float]) -> bool:
    return interval[0] > 0 or interval[1] < 0


def intervals_apart(
    column: Column, ours: tuple[float, float] | None, theirs: tuple[float, float] | None
) -> bool | None:
    """Whether two intervals do not overlap, as distances from a target if there is one; None: unknown."""
    if ours is None or theirs is None:
        return None
    if column.goal not in ("max", "min"):
        ours, theirs = _distances(column, ours), _distances(column, theirs)
    return ours[0] > theirs[1] or theirs[0] > ours[1]


def seed_interval(column: Column, ours: Cell, theirs: Cell) -> tuple[float, float] | None:
    """95 % interval of the difference of two means over seeds (Welch 1947); None below two seeds each.

    Where the metric has a target, of the mean distances from it.
    """
    if min(len(ours.values), len(theirs.values)) < 2:
        return None
    aimed = column.goal not in ("max", "min")
    a, b = (
        np.array([column.distance(value) if aimed else value for value in cell.values])
        for cell in (ours, theirs)
    )
    difference = float(a.mean() - b.mean())
    parts = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    if sum(parts) == 0:
        return difference, difference
    from scipy.stats import t

    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    half = float(t.ppf(0.975, freedom)) * math.sqrt(sum(parts))
    return difference - half, difference + half


def _distances(column: Column, interval: tuple[float, float]) -> tuple[float, float]:
    ends = sorted(column.distance(end) for end in interval)
    goal = float(column.goal)
    return (0.0 if interval[0] <= goal <= interval[1] else ends[0], ends[1])


def paired_over_seeds(best: Row, other: Row, column: Column) -> PairedDifference | None:
    """Difference best - other over the test images both have, scores averaged over seeds; None: no data."""
    if len(best.cells[column.id].values) != len(best.entries):
        return None
    if len(other.cells[column.id].values) != len(other.entries):
        return None
    tables = [[entry.per_image for entry in row.entries] for row in (best, other)]
    if any(table is None for side in tables for table in side):
        return None
    sides = [[table.set_index("name") for table in side if table is not None] for side in tables]
    shared = functools.reduce(lambda a, b: a.intersection(b), (t.index for side in sides for t in side))
    if len(shared) < 2 or any(table.index.has_duplicates for side in sides for table in side):
        return None
    aligned = [[table.loc[shared] for table in side] for side in sides]
    return _paired_means((best, other), column, aligned) or _paired_confusions((best, other), column, aligned)


def _paired_means(
    rows: tuple[Row, Row], column: Column, tables: list[list[pd.DataFrame]]
) -> PairedDifference | None:
    """For metrics that are means over images: the record's value is the mean of the column of that name."""
    key = column.info.key
    means = []
    for row, side in zip(rows, tables, strict=True):
        for entry, table in zip(row.entries, side, strict=True):
            value = entry.record.results[key].value
            if key not in table or value is None:
                return None
            if abs(float(table[key].mean()) - value) > _AGREES * (1 + abs(value)):
                return None
        means.append(np.mean([table[key].to_numpy(np.float64) for table in side], axis=0))
    return paired_difference(means[0], means[1])


def _paired_confusions(
    rows: tuple[Row, Row], column: Column, tables: list[list[pd.DataFrame]]
) -> PairedDifference | None:
    """For scores of pooled confusion matrices: images resampled for both, scores averaged over seeds."""
    family, _, score = column.info.key.partition("_")
    name = f"{family}_conf"
    if family not in ("fcn", "label") or any(name not in table for side in tables for table in side):
        return None
    stacks = [[np.stack(table[name].to_list()).astype(np.float64) for table in side] for side in tables]
    if len({stack.shape for side in stacks for stack in side}) != 1:
        return None
    if len(stacks[0]) != len(stacks[1]):
        return None
    one = _matching_score(score, rows, column.info.key, stacks)
    if one is None:
        return None
    width = stacks[0][0].shape[1]

    def averaged(total: Floats) -> Floats:
        parts = [one(total[:, start : start + width]) for start in range(0, total.shape[1], width)]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    return paired_difference_sum(np.hstack(stacks[0]), np.hstack(stacks[1]), averaged)


def _matching_score(
    score: str, rows: tuple[Row, Row], key: str, stacks: list[list[Floats]]
) -> Callable[[Floats], Floats] | None:
    """The score under the class policy that gives the records' own values; None if none does."""
    from bench.metrics.segmentation import ABSENT_IS_ZERO, ABSENT_LEFT_OUT, scores_from_confusion

    classes = math.isqrt(stacks[0][0].shape[1])  # of K x K, and of K x (K + 1) with a column "no class"
    position = ["pixel_acc", "class_acc", "class_iou"].index(score)
    known = [entry.record.results[key].value for row in rows for entry in row.entries]
    for policy in (ABSENT_IS_ZERO, ABSENT_LEFT_OUT):

        def one(totals: Floats, policy: str = policy) -> Floats:
            return scores_from_confusion(totals.reshape(len(totals), classes, -1), policy)[position]

        found = [float(one(stack.sum(0, keepdims=True))[0]) for side in stacks for stack in side]
        if all(k is not None and abs(f - k) <= _AGREES for f, k in zip(found, known, strict=True)):
            return one
    return None

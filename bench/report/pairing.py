"""Differences between two rows over the test images both have, from their values by image."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.metrics.catalogue import PSEUDO
from bench.report.frame import Column, Entry, Row
from bench.stats import PairedDifference, paired_difference, paired_difference_sum, pseudo_values

Floats = NDArray[np.float64]
_AGREES = 1e-6  # a per-image column belongs to a metric if its mean is the metric's value


def paired_over_seeds(best: Row, other: Row, column: Column) -> PairedDifference | None:
    """Difference best - other over the test images both have, scores averaged over seeds; None: no data."""
    if len(best.cells[column.id].values) != len(best.entries):
        return None
    if len(other.cells[column.id].values) != len(other.entries):
        return None
    tables = [entry.by_name for row in (best, other) for entry in row.entries]
    if any(table is None for table in tables):
        return None
    shared = functools.reduce(_intersection, (table.index for table in tables if table is not None))
    if len(shared) < 2:
        return None
    rows = (best, other)
    return _paired_means(rows, column, shared) or _paired_confusions(rows, column, shared)


def _intersection(ours: pd.Index[str], theirs: pd.Index[str]) -> pd.Index[str]:
    return ours if ours.equals(theirs) else ours.intersection(theirs)


def _tables(row: Row, shared: pd.Index[str]) -> list[pd.DataFrame]:
    """The tables of a row's entries, of the images in `shared`."""
    held = [entry.by_name for entry in row.entries]
    return [t if t.index.equals(shared) else t.loc[shared] for t in held if t is not None]


def image_values(row: Row, column: Column) -> Floats | None:
    """(S, N) values by seed and test image whose means over images are the row's values; None: no data.

    Where the score is one of a sum over images, jackknife pseudo-values.
    """
    if len(row.cells[column.id].values) != len(row.entries):
        return None
    held = [entry.per_image for entry in row.entries]
    tables = [table.set_index("name") for table in held if table is not None]
    if len(tables) < len(held) or any(table.index.has_duplicates for table in tables):
        return None
    if any(set(table.index) != set(tables[0].index) for table in tables):
        return None
    tables = [table.sort_index() for table in tables]
    values = [float(value) for value in row.cells[column.id].values]
    for name in (column.info.key, f"{column.info.key}{PSEUDO}"):
        if all(name in table for table in tables):
            found = np.stack([table[name].to_numpy(np.float64) for table in tables])
            return found if np.allclose(found.mean(1), values, rtol=_AGREES, atol=_AGREES) else None
    family, _, score = column.info.key.partition("_")
    if family not in ("fcn", "label") or any(f"{family}_conf" not in table for table in tables):
        return None
    stacks = [np.stack(table[f"{family}_conf"].to_list()).astype(np.float64) for table in tables]
    one = _matching_score(score, (row, row), column.info.key, [stacks, stacks])
    return None if one is None else np.stack([pseudo_values(stack, one) for stack in stacks])


def _paired_means(rows: tuple[Row, Row], column: Column, shared: pd.Index[str]) -> PairedDifference | None:
    """For metrics that are means over images, or of pseudo-values: the mean of the column is the value."""
    key = column.info.key
    tables = [_tables(row, shared) for row in rows]
    name = key if all(key in table for side in tables for table in side) else f"{key}{PSEUDO}"
    means = []
    for row, side in zip(rows, tables, strict=True):
        for entry, table in zip(row.entries, side, strict=True):
            value = entry.record.results[key].value
            if name not in table or value is None:
                return None
            if abs(float(table[name].mean()) - value) > _AGREES * (1 + abs(value)):
                return None
        means.append(np.mean([table[name].to_numpy(np.float64) for table in side], axis=0))
    return paired_difference(means[0], means[1])


def _paired_confusions(
    rows: tuple[Row, Row], column: Column, shared: pd.Index[str]
) -> PairedDifference | None:
    """For scores of pooled confusion matrices: images resampled for both, scores averaged over seeds."""
    family, _, score = column.info.key.partition("_")
    name = f"{family}_conf"
    held = [entry.by_name for row in rows for entry in row.entries]
    if family not in ("fcn", "label") or any(table is None or name not in table for table in held):
        return None
    stacks = [[_matrices(entry, name, shared) for entry in row.entries] for row in rows]
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


def _matrices(entry: Entry, name: str, shared: pd.Index[str]) -> Floats:
    """(N, D) flattened matrices of an entry, of the images in `shared`."""
    assert entry.by_name is not None
    index, stack = entry.by_name.index, entry.matrices(name)
    return stack if index.equals(shared) else stack[index.get_indexer(shared)]


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

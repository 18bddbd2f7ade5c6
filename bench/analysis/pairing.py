"""Differences between two rows over the same test images, from their values by image."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.analysis.row_values import AGREES
from bench.analysis.table import Column, Row
from bench.core.bootstrap import PairedDifference, paired_difference, paired_replicates, pseudo_values
from bench.scoring.metrics.catalogue import PSEUDO

Floats = NDArray[np.float64]


def paired_over_seeds(best: Row, other: Row, column: Column) -> PairedDifference | None:
    """Difference best - other over the same test images, scores averaged over seeds; None: no data."""
    rows, key = (best, other), column.info.key
    if any(len(row.cells[column.id].values) != len(row.entries) for row in rows):
        return None
    ours, theirs = best.images, other.images
    if ours is None or theirs is None or len(ours.names) < 2 or not ours.names.equals(theirs.names):
        return None
    for name in (key, f"{key}{PSEUDO}"):
        if name in ours.means and name in theirs.means:
            return paired_difference(ours.means[name], theirs.means[name])
    for (name, policy), a in ours.pooled.items():
        b = theirs.pooled.get((name, policy))
        if name == key and b is not None:
            return paired_replicates(a.value - b.value, a.replicates - b.replicates, len(ours.names))
    return None


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
            return found if np.allclose(found.mean(1), values, rtol=AGREES, atol=AGREES) else None
    family, _, score = column.info.key.partition("_")
    if family not in ("fcn", "label") or any(f"{family}_conf" not in table for table in tables):
        return None
    stacks = [np.stack(table[f"{family}_conf"].to_list()).astype(np.float64) for table in tables]
    one = _matching_score(score, row, column.info.key, stacks)
    return None if one is None else np.stack([pseudo_values(stack, one) for stack in stacks])


def _matching_score(
    score: str, row: Row, key: str, stacks: list[Floats]
) -> Callable[[Floats], Floats] | None:
    """The score under the class policy that gives the records' own values; None if none does."""
    from bench.scoring.metrics.confusion import ABSENT_IS_ZERO, ABSENT_LEFT_OUT, scores_from_confusion

    classes = math.isqrt(stacks[0].shape[1])  # of K x K, and of K x (K + 1) with a column "no class"
    position = ["pixel_acc", "class_acc", "class_iou"].index(score)
    known = [entry.record.results[key].value for entry in row.entries]
    for policy in (ABSENT_IS_ZERO, ABSENT_LEFT_OUT):

        def one(totals: Floats, policy: str = policy) -> Floats:
            return scores_from_confusion(totals.reshape(len(totals), classes, -1), policy)[position]

        found = [float(one(stack.sum(0, keepdims=True))[0]) for stack in stacks]
        if all(k is not None and abs(f - k) <= AGREES for f, k in zip(found, known, strict=True)):
            return one
    return None

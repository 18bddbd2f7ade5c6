"""What a row's values by test image say, worked out once: tables are read one at a time, and not kept."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.core.bootstrap import resampled_sums
from bench.scoring.metrics.catalogue import PSEUDO

if TYPE_CHECKING:
    from bench.analysis.entry import Entry

Floats = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)
AGREES = 1e-6  # values by image belong to a metric if they give its value
_SCORES = ("pixel_acc", "class_acc", "class_iou")
_FAMILIES = ("fcn", "label")


@dataclass(frozen=True)
class Pooled:
    """A score of confusion matrices summed over images, averaged over seeds.

    Attributes:
        value: of all images.
        replicates: (R,) of the resamples that `bench.core.bootstrap` draws of as many images.
    """

    value: float
    replicates: Floats


@dataclass(frozen=True)
class RowImages:
    """A row's values by image, averaged over its seeds.

    Attributes:
        names: the test images, sorted.
        means: column of the tables -> (N,) values, of those whose mean is the metric's value for every seed.
        pooled: (metric, class policy) -> score, where that policy gives the metric's value for every seed.
    """

    names: pd.Index[str]
    means: dict[str, Floats]
    pooled: dict[tuple[str, str], Pooled]


def row_images(entries: Sequence[Entry]) -> RowImages | None:
    """Of a row's entries; None where one has no table or another set of images."""
    names: pd.Index[str] | None = None
    means: list[dict[str, Floats]] = []
    pooled: list[dict[tuple[str, str], Pooled]] = []
    for entry in entries:
        table = entry.sorted_table()
        if table is None or not (names is None or names.equals(table.index)):
            return None
        names = table.index
        known = {key: r.value for key, r in entry.record.results.items() if r.value is not None}
        means.append(_means(table, known))
        pooled.append({k: p for family in _FAMILIES for k, p in _pooled(table, known, family).items()})
    if names is None:
        return None
    return RowImages(
        names,
        {key: np.mean([one[key] for one in means], axis=0) for key in _in_all(means)},
        {
            key: Pooled(
                float(np.mean([one[key].value for one in pooled])),
                np.mean([one[key].replicates for one in pooled], axis=0),
            )
            for key in _in_all(pooled)
        },
    )


def _in_all(held: Sequence[Mapping[Key, object]]) -> list[Key]:
    return [key for key in held[0] if all(key in other for other in held[1:])]


def _means(table: pd.DataFrame, known: dict[str, float]) -> dict[str, Floats]:
    """For metrics that are means over images, or of pseudo-values."""
    found = {}
    for key, value in known.items():
        for name in (key, f"{key}{PSEUDO}"):
            if name in table and len(table):
                values = table[name].to_numpy(np.float64)
                there = values[~np.isnan(values)]
                if len(there) and abs(float(there.mean()) - value) <= AGREES * (1 + abs(value)):
                    found[name] = values
    return found


def _pooled(table: pd.DataFrame, known: dict[str, float], family: str) -> dict[tuple[str, str], Pooled]:
    """For scores of confusion matrices that are summed over images."""
    keys = {f"{family}_{score}": place for place, score in enumerate(_SCORES) if f"{family}_{score}" in known}
    if not keys or f"{family}_conf" not in table or len(table) < 2:
        return {}
    from bench.scoring.metrics.confusion import ABSENT_IS_ZERO, ABSENT_LEFT_OUT, class_sums, scores_from_sums

    stack = np.stack(table[f"{family}_conf"].to_list())
    classes = math.isqrt(stack.shape[1])  # of K x K, and of K x (K + 1) with a column "no class"
    parts = class_sums(stack.reshape(len(stack), classes, -1))
    drawn_sums: Floats | None = None
    found: dict[tuple[str, str], Pooled] = {}
    for policy in (ABSENT_IS_ZERO, ABSENT_LEFT_OUT):
        whole = scores_from_sums(parts.sum(0), policy)
        fitting = [key for key, place in keys.items() if abs(float(whole[place]) - known[key]) <= AGREES]
        if not fitting:
            continue
        if drawn_sums is None:
            drawn_sums = resampled_sums(parts.reshape(len(parts), -1)).reshape(-1, 3, classes)
        drawn = scores_from_sums(drawn_sums, policy)
        found |= {(key, policy): Pooled(float(whole[keys[key]]), drawn[keys[key]]) for key in fitting}
    return found

"""Values by test image: which ones belong to a metric's value, and differences over the same images.

Values by image belong to a metric where they give its value: as their mean, or, for the scores of confusion
matrices, as the score of their sum under one of the class policies.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.core.bootstrap import (
    PairedDifference,
    paired_difference,
    paired_replicates,
    pseudo_values,
    resampled_sums,
)
from bench.scoring.metrics.catalogue import PSEUDO

Floats = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)
Seed = tuple[pd.DataFrame | None, Mapping[str, float]]
"""The values by image of one seed, sorted by name (None: there are none), and its values by metric."""
_AGREES = 1e-6  # how far off the value may be that they give
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
class ByImage:
    """A row's values by image, averaged over its seeds.

    Attributes:
        names: the test images, sorted.
        means: column of the tables -> (N,) values, of those whose mean is the metric's value for every seed.
        pooled: (metric, class policy) -> score, where that policy gives the metric's value for every seed.
        by_seed: the same for each seed.
    """

    names: pd.Index[str]
    means: dict[str, Floats]
    pooled: dict[tuple[str, str], Pooled]
    by_seed: tuple[dict[tuple[str, str], Pooled], ...]


def by_image(seeds: Iterable[Seed]) -> ByImage | None:
    """Of a row's seeds, taken one at a time; None where one has no table or another set of images."""
    names: pd.Index[str] | None = None
    means: list[dict[str, Floats]] = []
    pooled: list[dict[tuple[str, str], Pooled]] = []
    for table, known in seeds:
        if table is None or not (names is None or names.equals(table.index)):
            return None
        names = table.index
        means.append(_means(table, known))
        pooled.append({k: p for family in _FAMILIES for k, p in pooled_scores(table, known, family).items()})
    if names is None:
        return None
    return ByImage(
        names,
        {key: np.mean([one[key] for one in means], axis=0) for key in _in_all(means)},
        {
            key: Pooled(
                float(np.mean([one[key].value for one in pooled])),
                np.mean([one[key].replicates for one in pooled], axis=0),
            )
            for key in _in_all(pooled)
        },
        tuple(pooled),
    )


def paired(ours: ByImage | None, theirs: ByImage | None, key: str) -> PairedDifference | None:
    """Difference of two rows in a metric over the same test images; None where there is nothing to go by."""
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


def values_by_seed(seeds: Sequence[Seed], key: str) -> Floats | None:
    """(S, N) values by seed and test image whose means are a metric's values; None where there are none.

    Where the score is one of a sum over images, jackknife pseudo-values.
    """
    tables = [table for table, known in seeds if table is not None and key in known]
    if not tables or len(tables) < len(seeds) or any(not t.index.equals(tables[0].index) for t in tables):
        return None
    values = [known[key] for _, known in seeds]
    means = [_means(table, {key: value}) for table, value in zip(tables, values, strict=True)]
    for name in (key, f"{key}{PSEUDO}"):
        if all(name in one for one in means):
            found = np.stack([one[name] for one in means])
            return None if np.isnan(found).any() else found
    sums = [_sums(table, key.partition("_")[0]) for table in tables]
    return _pseudo_values([one for one in sums if one is not None], values, key)


def _in_all(held: Sequence[Mapping[Key, object]]) -> list[Key]:
    return [key for key in held[0] if all(key in other for other in held[1:])]


def _means(table: pd.DataFrame, known: Mapping[str, float]) -> dict[str, Floats]:
    """Columns of metrics that are means over images, or of pseudo-values."""
    found = {}
    for key, value in known.items():
        for name in (key, f"{key}{PSEUDO}"):
            if name in table and len(table):
                values = table[name].to_numpy(np.float64)
                there = values[~np.isnan(values)]
                if len(there) and abs(float(there.mean()) - value) <= _AGREES * (1 + abs(value)):
                    found[name] = values
    return found


def _sums(table: pd.DataFrame, family: str) -> Floats | None:
    """(N, 3, K) sums by class and image of a family's confusion matrices; None where it has none."""
    from bench.scoring.metrics.confusion import class_sums

    if f"{family}_conf" not in table or len(table) < 2:
        return None
    stack = np.stack(table[f"{family}_conf"].to_list())
    classes = math.isqrt(stack.shape[1])  # of K x K, and of K x (K + 1) with a column "no class"
    return class_sums(stack.reshape(len(stack), classes, -1))


def pooled_scores(
    table: pd.DataFrame, known: Mapping[str, float], family: str
) -> dict[tuple[str, str], Pooled]:
    """For scores of confusion matrices that are summed over images."""
    from bench.scoring.metrics.confusion import ABSENT_IS_ZERO, ABSENT_LEFT_OUT, scores_from_sums

    keys = {f"{family}_{score}": place for place, score in enumerate(_SCORES) if f"{family}_{score}" in known}
    parts = _sums(table, family) if keys else None
    if parts is None:
        return {}
    drawn_sums: Floats | None = None
    found: dict[tuple[str, str], Pooled] = {}
    for policy in (ABSENT_IS_ZERO, ABSENT_LEFT_OUT):
        whole = scores_from_sums(parts.sum(0), policy)
        fitting = [key for key, place in keys.items() if abs(float(whole[place]) - known[key]) <= _AGREES]
        if not fitting:
            continue
        if drawn_sums is None:
            drawn_sums = resampled_sums(parts.reshape(len(parts), -1)).reshape(-1, *parts.shape[1:])
        drawn = scores_from_sums(drawn_sums, policy)
        found |= {(key, policy): Pooled(float(whole[keys[key]]), drawn[keys[key]]) for key in fitting}
    return found


def _pseudo_values(seeds: Sequence[Floats], values: Sequence[float], key: str) -> Floats | None:
    """(S, N) under the class policy that gives every seed's value; None if none does."""
    from bench.scoring.metrics.confusion import ABSENT_IS_ZERO, ABSENT_LEFT_OUT, scores_from_sums

    score = key.partition("_")[2]
    if len(seeds) < len(values) or score not in _SCORES:
        return None
    place = _SCORES.index(score)
    for policy in (ABSENT_IS_ZERO, ABSENT_LEFT_OUT):

        def of_totals(totals: Floats, policy: str = policy) -> Floats:
            return scores_from_sums(totals.reshape(len(totals), 3, -1), policy)[place]

        whole = [float(scores_from_sums(parts.sum(0), policy)[place]) for parts in seeds]
        if all(abs(one - value) <= _AGREES for one, value in zip(whole, values, strict=True)):
            return np.stack([pseudo_values(parts.reshape(len(parts), -1), of_totals) for parts in seeds])
    return None

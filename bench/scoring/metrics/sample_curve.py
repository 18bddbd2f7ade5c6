"""A metric's value at an eighth, a quarter and half of the test images: how it depends on their number.

Distances between sets of features shrink as N grows; means only get steadier. Each size is measured on
disjoint, evenly interleaved subsets (every 8th image from the 1st, from the 2nd, ...). So nothing is random,
and each prediction keeps its own target.

A curve is {"n": [...], "value": [...], "low": [...], "high": [...]}: sizes, growing to N; mean over the
subsets of a size; lowest and highest of the subsets, None at N and for a single subset. A record holds its
curves in the detail `sample_curve`, by metric key.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEY = "sample_curve"
STRIDES = (8, 4, 2)
SMALLEST = 4  # images in a subset; fewer give no useful spread
Curve = dict[str, list[Any]]


def sample_curve(
    n: int, measure: Callable[[NDArray[np.int64]], float], value: float | None, *, subsets: int = 8
) -> Curve | None:
    """The curve of one metric.

    Args:
        n: N, the number of test images.
        measure: places in the test split (K,) -> the metric over only those images.
        value: the metric over all of them; None: no value and no curve.
        subsets: largest number of subsets of each size, for slow metrics.

    Returns:
        The curve, or None if no smaller size can be measured.
    """
    points: list[tuple[int, float, float | None, float | None]] = []
    for stride in STRIDES:
        size = n // stride
        if size < SMALLEST or value is None:
            continue
        places = [first + stride * np.arange(size) for first in range(min(stride, subsets))]
        found = [measured for part in places if math.isfinite(measured := measure(part))]
        if found:
            several = len(found) > 1
            low, high = (min(found), max(found)) if several else (None, None)
            points.append((size, float(np.mean(found)), low, high))
    if not points or value is None:
        return None
    columns = zip(*points, (n, value, None, None), strict=True)
    return {name: list(column) for name, column in zip(("n", "value", "low", "high"), columns, strict=True)}


def mean_curve(values: NDArray[np.float64], value: float | None) -> Curve | None:
    """The curve of a mean over images, from its (N,) values."""
    return sample_curve(len(values), lambda places: float(values[places].mean()), value)


def detail(**curves: Curve | None) -> dict[str, Any]:
    """The detail that holds these curves, by metric key; empty without curves."""
    known = {key: curve for key, curve in curves.items() if curve is not None}
    return {KEY: known} if known else {}


def joined(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Update the details `before` with those of `now`; curves are replaced metric by metric."""
    curves = {**(before.get(KEY) or {}), **(now.get(KEY) or {})}
    return {**before, **now, **({KEY: curves} if curves else {})}

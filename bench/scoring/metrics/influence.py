"""How much each test image contributes to a distance between sets, as pseudo-values.

A naive bootstrap of a Fréchet distance is off centre and too wide: resampled sets hold duplicates, which bias
the distance upwards. The infinitesimal jackknife needs no resampled distance. The influence of image i is the
derivative of the distance by its weight, and its pseudo-value is distance + influence. The mean of the
pseudo-values is the distance, and their spread over sqrt(N) its standard error. So intervals and paired
differences of distances are computed like those of a mean.

The estimand is *the distance at this N*: the expectation over test sets of this size, its bias included.

Prediction i and target i belong to the same test image and count as one. All sums are float64. Images are
processed in blocks, so memory does not grow with N beyond the features themselves.

Sources: Jaeckel, "The infinitesimal jackknife", 1972; Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapters 11 and 21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.bootstrap import Interval, bootstrap_mean
from bench.scoring.metrics.frechet import (
    Floats,
    Gaussian,
    KernelDistance,
    gaussian,
    kernel,
    kernel_distance,
    squared_distance,
)

_ROWS = 512
_ANCHORS = 2000  # images used for the kernel's means; up to this number all are used
_RANK = 1e-10  # eigenvalues below this share of the largest are rounding errors


@dataclass(frozen=True)
class Estimate:
    """A distance and its pseudo-values.

    Attributes:
        value: the distance.
        pseudo: (N,) float64 with mean `value`; None if the sets differ in size (no pairs).
    """

    value: float
    pseudo: Floats | None

    @property
    def interval(self) -> Interval | None:
        """95 % interval over test images at this N; the distance is never negative."""
        found = None if self.pseudo is None else bootstrap_mean(self.pseudo)
        return None if found is None else (max(0.0, found[0]), max(0.0, found[1]))


def frechet_estimate(a: NDArray[Any], b: NDArray[Any]) -> Estimate:
    """Squared Fréchet distance of (N, D) and (M, D) features, with pseudo-values if N = M.

    With weights w the distance is |m1 - m2|^2 + tr S1 + tr S2 - 2 C. C = tr (S1^½ S2 S1^½)^½ has the
    derivatives T/2 by S1 and T^-1/2 by S2, where T is the optimal transport map from the first normal
    distribution to the second. One singular value decomposition gives all of it.
    """
    first, second = gaussian(a), gaussian(b)
    left, singular, right = np.linalg.svd(first.root.T @ second.root, full_matrices=False)
    value = squared_distance(first, second, float(singular.sum()))
    if len(a) != len(b):
        return Estimate(value, None)
    gap = first.mean - second.mean
    pull = _pull(a, first, gap, left, singular) + _pull(b, second, -gap, right.T, singular)
    return Estimate(value, value + pull - pull.mean())


def _pull(features: NDArray[Any], normal: Gaussian, gap: Floats, turn: Floats, singular: Floats) -> Floats:
    """(N,) influence of each vector of one side, up to a constant.

    Args:
        features: (N, D) of this side.
        normal: its normal distribution.
        gap: (D,) its mean minus the other's.
        turn: (R, K) singular vectors of this side.
        singular: (K,) singular values.
    """
    n, dim = features.shape
    unit = n / (n - 1)
    whiten = None if n <= dim else _inverse_root(normal) @ turn
    pull = np.empty(n)
    for start in range(0, n, _ROWS):
        rows = np.asarray(features[start : start + _ROWS], dtype=np.float64) - normal.mean
        if whiten is None:  # the root is the centred vectors themselves
            transported = n * (turn[start : start + _ROWS] ** 2 @ singular)
        else:
            transported = unit * ((rows @ whiten) ** 2 @ singular)
        pull[start : start + _ROWS] = 2 * rows @ gap + unit * (rows**2).sum(1) - transported
    return pull


def _inverse_root(normal: Gaussian) -> Floats:
    """(D, R) matrix that whitens, for a root of scaled eigenvectors."""
    values = (normal.root**2).sum(0)
    kept = values > _RANK * values.max(initial=0.0)
    return np.asarray(np.where(kept, normal.root, 0.0) / np.where(kept, values, 1.0))


@dataclass(frozen=True)
class KernelEstimate:
    """A kernel distance and its pseudo-values, as in `Estimate`."""

    distance: KernelDistance
    pseudo: Floats | None

    @property
    def interval(self) -> Interval | None:
        """95 % interval over test images; may be below zero, like the distance itself."""
        return None if self.pseudo is None else bootstrap_mean(self.pseudo)


def kernel_estimate(a: NDArray[Any], b: NDArray[Any]) -> KernelEstimate:
    """Kernel distance of (N, D) and (M, D) features, with pseudo-values if N = M.

    The influence is that of the distance over all pairs of different images. If the value is a mean over
    random subsets, the influence is scaled so that its variance includes that of drawing them.
    """
    distance = kernel_distance(a, b)
    if len(a) != len(b):
        return KernelEstimate(distance, None)
    pull = _kernel_pull(a, b)
    variance = float(pull.var(ddof=1)) / len(pull)
    if distance.std is not None and variance > 0:
        pull = pull * np.sqrt(1 + distance.std**2 / distance.subsets / variance)
    return KernelEstimate(distance, distance.value + pull)


def _kernel_pull(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """(N,) influence of each pair on the squared maximum mean discrepancy, with mean 0."""
    n = len(a)
    chosen = np.arange(n)
    if n > _ANCHORS:
        chosen = np.sort(np.random.default_rng(0).choice(n, _ANCHORS, replace=False))
    x, y = (np.asarray(side[chosen], dtype=np.float64) for side in (a, b))
    place = np.full(n, -1)
    place[chosen] = np.arange(len(chosen))
    pull = np.empty(n)
    for start in range(0, n, _ROWS):
        part = slice(start, start + _ROWS)
        rows, others = (np.asarray(side[part], dtype=np.float64) for side in (a, b))
        within = kernel(rows, x) + kernel(others, y)
        across = kernel(rows, y) + kernel(others, x)
        own = place[part]
        itself = own >= 0
        within[itself, own[itself]] = 0.0
        pull[part] = 2 * (within.sum(1) / (len(chosen) - itself) - across.mean(1))
    return np.asarray(pull - pull.mean())

"""Fréchet and kernel distances between two sets of feature vectors, in float64.

Sources: Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982; Heusel
et al., "GANs trained by a two time-scale update rule", 2017 (FID); Binkowski et al., "Demystifying MMD
GANs", 2018 (KID).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KID_SUBSETS, KID_SUBSET_SIZE, KID_SEED = 100, 1000, 2020
_ROWS = 512  # feature vectors converted to float64 at once
Floats = NDArray[np.float64]


class Moments:
    """Mean and covariance, gathered batch by batch (Chan, Golub and LeVeque 1983, parallel update).

    Args:
        dim: D, length of a feature vector.
    """

    def __init__(self, dim: int) -> None:
        self.n = 0
        self.mean: Floats = np.zeros(dim)
        self._scatter: Floats = np.zeros((dim, dim))

    def update(self, features: NDArray[Any]) -> None:
        """Add (N, D) features of any float type."""
        rows = np.asarray(features, dtype=np.float64)
        if not len(rows):
            return
        mean, total = rows.mean(0), self.n + len(rows)
        gap, centred = mean - self.mean, rows - mean
        self._scatter += centred.T @ centred + np.outer(gap, gap) * (self.n * len(rows) / total)
        self.mean = self.mean + gap * (len(rows) / total)
        self.n = total

    @property
    def covariance(self) -> Floats:
        """(D, D) sample covariance (n - 1) of at least two vectors."""
        return self._scatter / (self.n - 1)


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution with the covariance `root @ root.T`.

    Attributes:
        mean: (D,) float64.
        root: (D, R) float64, R = min(number of vectors, D).
    """

    mean: Floats
    root: Floats


def gaussian(features: NDArray[Any]) -> Gaussian:
    """The normal distribution with the mean and sample covariance (n - 1) of (N, D) features, N at least 2.

    With at most as many vectors as dimensions, the centred vectors themselves are a root of the covariance.
    With more, its symmetric eigenvectors give one.
    """
    n, dim = features.shape
    if n <= dim:
        rows = np.asarray(features, dtype=np.float64)
        mean = rows.mean(0)
        return Gaussian(mean, (rows - mean).T / np.sqrt(n - 1))
    moments = Moments(dim)
    for start in range(0, n, _ROWS):
        moments.update(features[start : start + _ROWS])
    return from_moments(moments.mean, moments.covariance)


def from_moments(mean: Floats, covariance: Floats) -> Gaussian:
    """The normal distribution of a (D,) mean and a (D, D) covariance; negative rounding errors become 0."""
    values, vectors = np.linalg.eigh(covariance)
    return Gaussian(mean, vectors * np.sqrt(np.maximum(values, 0.0)))


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Squared Fréchet distance |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr sqrt(S1^(1/2) S2 S1^(1/2)).

    With S1 = R1 R1' and S2 = R2 R2' the last trace is the sum of the singular values of R1' R2. So there is
    no matrix square root, singular covariances (N < D) need no offset, and no value becomes complex.
    """
    return squared_distance(a, b, float(np.linalg.svd(a.root.T @ b.root, compute_uv=False).sum()))


def squared_distance(a: Gaussian, b: Gaussian, cross: float) -> float:
    """The same with the last trace given; negative rounding errors become 0."""
    gap = a.mean - b.mean
    distance = gap @ gap + (a.root**2).sum() + (b.root**2).sum() - 2 * cross
    return float(max(distance, 0.0))


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance.

    Attributes:
        value: mean over subsets; unbiased, so it may be slightly below zero.
        std: standard deviation over subsets; None if one subset holds all vectors.
        subsets: number of subsets drawn.
        subset_size: vectors of each side in a subset.
    """

    value: float
    std: float | None
    subsets: int
    subset_size: int


def kernel_distance(
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    subsets: int = KID_SUBSETS,
    subset_size: int = KID_SUBSET_SIZE,
) -> KernelDistance:
    """Squared maximum mean discrepancy under the kernel (x.y / D + 1)^3, averaged over random subsets.

    Subsets are drawn as in torch-fidelity (same generator, seed and order), so the values agree subset by
    subset. If a subset would hold all vectors of both sides, only one is used.

    Args:
        a: (N, D) features, N at least 2.
        b: (M, D) features, M at least 2.
        subsets: number of subsets.
        subset_size: vectors of each side in a subset, at most min(N, M).
    """
    size = min(subset_size, len(a), len(b))
    if size == len(a) == len(b):
        return KernelDistance(unbiased_mmd2(a, b), None, 1, size)
    rng = np.random.RandomState(KID_SEED)
    values = [
        unbiased_mmd2(a[rng.choice(len(a), size, replace=False)], b[rng.choice(len(b), size, replace=False)])
        for _ in range(subsets)
    ]
    return KernelDistance(float(np.mean(values)), float(np.std(values)), subsets, size)


def unbiased_mmd2(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Unbiased squared MMD of (N, D) and (M, D) features under the kernel (x.y / D + 1)^3."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    within = _mean_off_diagonal(kernel(x, x)) + _mean_off_diagonal(kernel(y, y))
    return float(within - 2 * kernel(x, y).mean())


def kernel(x: Floats, y: Floats) -> Floats:
    """(N, M) kernel (x.y / D + 1)^3 of (N, D) and (M, D) vectors."""
    return np.asarray((x @ y.T / x.shape[1] + 1.0) ** 3)


def _mean_off_diagonal(matrix: Floats) -> float:
    n = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (n * (n - 1)))

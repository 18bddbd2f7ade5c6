"""Precision, recall, density and coverage of two sets of feature vectors, by nearest neighbours, in float64.

The manifold of a set is a ball around each of its vectors, as wide as the distance to its k-th neighbour in
the set (the vector itself does not count). A vector on its edge is outside, as in the code of Naeem et al.

Distances come block by block from |x|² + |y|² - 2 x.y of centred vectors. Those below 1e-12 of |x|² + |y|²,
where this form knows nothing any more, count as 0: equal images are equal.

Sources: Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models", 2019
(precision, recall); Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020
(density, coverage).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.scoring.metrics.frechet import Floats

_BLOCK = 2**23  # distances held at once: 64 MB
_NOTHING = 1e-12  # of |x|² + |y|²


@dataclass(frozen=True)
class Neighbours:
    """What nearest neighbours say of generated vectors against real ones.

    Attributes:
        precision: share of generated vectors inside the real manifold: realism.
        recall: share of real vectors inside the generated manifold: variety.
        density: number of real balls around a generated vector, over k; may be above 1.
        coverage: share of real balls that hold a generated vector: variety.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighbours(generated: NDArray[Any], real: NDArray[Any], k: int) -> Neighbours:
    """All four of (N, D) generated and (M, D) real features, N and M above k.

    Memory: both sets in float64, and one block of distances.
    """
    x, y = np.asarray(generated, dtype=np.float64), np.asarray(real, dtype=np.float64)
    centre = y.mean(0)
    x, y = x - centre, y - centre
    reach, real_reach = _to_kth(x, k), _to_kth(y, k)
    inside, balls = 0, 0
    reached, nearest = np.zeros(len(y), bool), np.full(len(y), np.inf)
    for part, distances in _blocks(x, y):
        held = (distances < real_reach).sum(1)
        inside, balls = inside + int((held > 0).sum()), balls + int(held.sum())
        reached |= (distances < reach[part, None]).any(0)
        nearest = np.minimum(nearest, distances.min(0))
    covered = float((nearest < real_reach).mean())
    return Neighbours(inside / len(x), float(reached.mean()), balls / (k * len(x)), covered)


def _to_kth(vectors: Floats, k: int) -> Floats:
    """(N,) squared distance of each vector to its k-th neighbour among the others."""
    found = np.empty(len(vectors))
    for part, distances in _blocks(vectors, vectors):
        found[part] = np.partition(distances, k, axis=1)[:, k]  # place 0 is the vector itself, at distance 0
    return found


def _blocks(x: Floats, y: Floats) -> Iterator[tuple[slice, Floats]]:
    """(B, M) squared distances of blocks of `x` to all of `y`, with the block's place in `x`."""
    lengths, step = (y**2).sum(1), max(1, _BLOCK // len(y))
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        both = (x[part] ** 2).sum(1)[:, None] + lengths
        distances = both - 2 * x[part] @ y.T
        distances[distances < _NOTHING * both] = 0.0
        yield part, distances

"""How many seeds and test images a difference needs, from the variance components of what was measured.

A variant's value on image i with seed s is taken as mean + seed + image + rest. Two variants on the same
images then differ by delta + (difference of seeds) + (how differently an image suits the two) + rest; more
training seeds shrink the first, more images the second, both the rest. Components come from a two-way
analysis of variance; power is the share of simulated experiments in which the report's rule (images *and*
seeds, `bench.analysis.differences`) finds the difference, with the right sign.

Source: Searle, Casella, McCulloch, "Variance Components", 1992, chapter 4 (estimates from mean squares).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WANTED = 0.8  # power
MOST_SEEDS, MOST_IMAGES = 100, 1_000_000
_DRAWS, _SEED = 4000, 0


@dataclass(frozen=True)
class Components:
    """Variances in a metric's own unit, squared.

    Attributes:
        seeds: between the seeds of a variant; None where no variant has two.
        images: between images, of the difference of two variants.
        rest: of an image's value between seeds of one variant, beyond the two above.
    """

    seeds: float | None
    images: float
    rest: float


def components(first: Floats, second: Floats) -> Components:
    """Variance components from two variants' values on the same images.

    Args:
        first: (S, N) values by seed and image, N at least 2.
        second: (S', N).

    Raises:
        ValueError: if the images differ in number, or are fewer than two.
    """
    if first.shape[1] != second.shape[1] or first.shape[1] < 2:
        raise ValueError(f"expected two or more shared images, found {first.shape[1]}, {second.shape[1]}")
    n = first.shape[1]
    repeated = [values for values in (first, second) if len(values) > 1]
    freedom = sum(len(values) - 1 for values in repeated)
    rest, seeds = 0.0, None
    if freedom:
        within = sum(float(_interaction(values).sum()) for values in repeated) / (freedom * (n - 1))
        between = sum((len(values) - 1) * float(values.mean(1).var(ddof=1)) for values in repeated) / freedom
        rest, seeds = within, max(0.0, between - within / n)
    gaps = first.mean(0) - second.mean(0)
    images = float(gaps.var(ddof=1)) - rest * (1 / len(first) + 1 / len(second))
    return Components(seeds, max(0.0, images), rest)


def _interaction(values: Floats) -> Floats:
    """(S, N) squares of what neither the seed's nor the image's mean explains."""
    left = values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + values.mean()
    return np.asarray(left**2)


def power(found: Components, difference: float, seeds: int, images: int, *, comparisons: int = 1) -> float:
    """Chance that a true difference is found, with the right sign.

    Args:
        found: the variances.
        difference: true one of the two variants, in the metric's unit.
        seeds: training seeds of each variant; with 1, or unknown variance between seeds, images alone decide,
            and what is found holds for those seeds.
        images: test images.
        comparisons: differences in the table: the test over images is made at 5 % over this (Bonferroni; a
            little stricter than Holm).
    """
    from scipy.special import stdtrit

    rng = np.random.default_rng(_SEED)
    spread = math.sqrt((found.seeds or 0.0) + found.rest / images)
    means = rng.normal(size=(2, _DRAWS, seeds)) * spread
    common = rng.normal(size=_DRAWS) * math.sqrt(found.images / images)
    gap = difference + common + means[0].mean(1) - means[1].mean(1)
    error = math.sqrt(found.images / images + 2 * found.rest / (seeds * images))
    hits = np.abs(gap) > stdtrit(max(1, images - 1), 1 - 0.025 / comparisons) * error
    if seeds > 1 and found.seeds is not None:
        parts = means.var(axis=2, ddof=1) / seeds
        total = parts.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = np.where(total > 0, total**2 / (parts**2).sum(0) * (seeds - 1), 1.0)
        hits &= np.abs(gap) > stdtrit(freedom, 0.975) * np.sqrt(total)
    return float(np.mean(hits & (np.sign(gap) == np.sign(difference))))


def seeds_needed(found: Components, difference: float, images: int, *, comparisons: int = 1) -> int | None:
    """Smallest number of seeds (from 2) with a power of 0.8; None beyond 100, or where seeds are unknown."""
    if found.seeds is None:
        return None
    return _smallest(
        2, MOST_SEEDS, lambda seeds: power(found, difference, seeds, images, comparisons=comparisons)
    )


def images_needed(found: Components, difference: float, seeds: int, *, comparisons: int = 1) -> int | None:
    """Smallest number of images with a power of 0.8; None where no million suffices: seeds are the limit."""
    return _smallest(
        2, MOST_IMAGES, lambda images: power(found, difference, seeds, images, comparisons=comparisons)
    )


def detectable(found: Components, seeds: int, images: int, *, comparisons: int = 1) -> float:
    """Smallest difference with a power of 0.8, to 1 %."""
    scale = math.sqrt(((found.seeds or 0.0) + found.rest / images) * 2 / seeds + found.images / images)
    if scale == 0:
        return 0.0
    low, high = 0.0, scale
    while power(found, high, seeds, images, comparisons=comparisons) < WANTED:
        low, high = high, 2 * high
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        reached = power(found, middle, seeds, images, comparisons=comparisons) >= WANTED
        low, high = (low, middle) if reached else (middle, high)
    return high


def _smallest(low: int, high: int, reached: Callable[[int], float]) -> int | None:
    """Smallest whole number in [low, high] with the wanted power, by halving; None where `high` has not."""
    if reached(high) < WANTED:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= WANTED else (middle + 1, high)
    return low

"""Uncertainty over test images: percentile bootstrap, paired differences, corrections.

All resampling is over images (rows), with replacement, from a seeded generator: the same values give the
same interval everywhere. Intervals say how much a score depends on *which* test images were drawn. They say
nothing about the training seed; `bench.core.seed_stats` does.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 (percentile interval)
and 15 (paired data).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]
Floats = NDArray[np.float64]
SumStatistic = Callable[[Floats], Floats]

_CHUNK = 4_000_000  # drawn indices held at once: 32 MB


class PairedDifference(NamedTuple):
    """How far two scores of the same test images are apart.

    Attributes:
        difference: score of a minus score of b; None where there is no pair to compare.
        interval: its bootstrap interval, or None for fewer than two pairs.
        p_value: two-sided, of no difference; None without an interval.
        error: standard error of the difference; None without an interval.
    """

    difference: float | None
    interval: Interval | None = None
    p_value: float | None = None
    error: float | None = None


def bootstrap_mean(
    values: ArrayLike, *, replicates: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval | None:
    """Percentile bootstrap interval of a mean.

    Args:
        values: (N,) one value an image; NaN (undefined for that image) is left out.
        replicates: number of resamples.
        seed: of the resampling.
        level: coverage in (0, 1).

    Returns:
        (low, high), or None for fewer than two values.
    """
    given = _vector(values)
    given = given[~np.isnan(given)]
    if len(given) < 2:
        return None
    return bootstrap_sum(
        given[:, None], lambda total: total[:, 0] / len(given), replicates=replicates, seed=seed, level=level
    )


def bootstrap_sum(
    stats: ArrayLike,
    statistic: SumStatistic,
    *,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval | None:
    """Percentile bootstrap interval of a score that is a function of a sum over images.

    Confusion matrices, histograms and power spectra are such sums: images are resampled, their rows added
    up, and the score computed from each total.

    Args:
        stats: (N, D) one row of additive statistics an image.
        statistic: maps (R, D) totals to (R,) scores; NaN where a total has none.
        replicates: number of resamples.
        seed: of the resampling.
        level: coverage in (0, 1).

    Returns:
        (low, high), or None for fewer than two images or where most resamples have no score.
    """
    rows = _matrix(stats)
    if len(rows) < 2:
        return None
    scores = np.concatenate([statistic(draws @ rows) for draws in _draws(len(rows), replicates, seed)])
    return _percentile(scores, level)


def pseudo_values(stats: ArrayLike, statistic: SumStatistic) -> Floats:
    """Jackknife pseudo-values of a score that is a function of a sum over images, shifted to its value.

    Their mean is the score of the whole, and their spread over sqrt(N) its standard error.

    Args:
        stats: (N, D) one row of additive statistics an image, N at least 2.
        statistic: maps (R, D) totals to (R,) scores.

    Returns:
        (N,) float64; an image without which there is no score has the score itself.
    """
    rows = _matrix(stats)
    total = rows.sum(0, keepdims=True)
    whole = float(statistic(total)[0])
    pulls = (len(rows) - 1) * (whole - statistic(total - rows))
    pulls = np.where(np.isfinite(pulls), pulls, 0.0)
    return np.asarray(whole + pulls - pulls.mean())


def paired_difference(
    a: ArrayLike, b: ArrayLike, *, replicates: int = 1000, seed: int = 0, level: float = 0.95
) -> PairedDifference:
    """Difference of two means over the same images, resampled as pairs.

    Args:
        a: (N,) values of one system.
        b: (N,) values of the other, same images in the same order; a pair with a NaN is left out.
        replicates: number of resamples.
        seed: of the resampling.
        level: coverage in (0, 1).

    Raises:
        ValueError: if the lengths differ.
    """
    first, second = _vector(a), _vector(b)
    if len(first) != len(second):
        raise ValueError(f"expected pairs, found {len(first)} and {len(second)} values")
    gaps = first - second
    gaps = gaps[~np.isnan(gaps)]
    if not len(gaps):
        return PairedDifference(None)
    difference = float(gaps.mean())
    if len(gaps) < 2:
        return PairedDifference(difference)
    scores = np.concatenate([draws @ gaps for draws in _draws(len(gaps), replicates, seed)]) / len(gaps)
    return paired_replicates(difference, scores, len(gaps), level)


def resampled_sums(stats: ArrayLike, *, replicates: int = 1000, seed: int = 0) -> Floats:
    """(R, D) sums of (N, D) additive statistics over resampled images: the same resamples for the same N."""
    rows = _matrix(stats)
    return np.concatenate([draws @ rows for draws in _draws(len(rows), replicates, seed)])


def paired_replicates(difference: float, scores: Floats, n: int, level: float = 0.95) -> PairedDifference:
    """A difference over n images by its replicates: percentile interval, p from their spread (Student's t).

    Counting replicates beyond zero could give no p below 1 / replicates, too coarse for a correction over
    many comparisons.
    """
    interval = _percentile(scores, level)
    if interval is None:
        return PairedDifference(difference)
    error = float(np.nanstd(scores, ddof=1))
    p_value = two_sided_p(difference, error, n - 1)
    return PairedDifference(difference, interval, p_value, error)


def two_sided_p(difference: float, error: float, freedom: float) -> float:
    """p-value of a difference of zero under Student's t.

    Args:
        difference: as estimated.
        error: its standard error; 0 makes any difference certain.
        freedom: degrees of freedom of `error`.
    """
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(difference) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for how many they are, in the order given.

    All those at most alpha are significant together: the chance of even one false among them is at most
    alpha, however they depend on one another.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _draws(n: int, replicates: int, seed: int) -> Iterator[Floats]:
    """Resamples of n images as counts: matrices (R, n) whose rows sum to n, `replicates` rows in all."""
    if n * replicates <= _CHUNK:
        yield _all_draws(n, replicates, seed)
        return
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // n)
    for start in range(0, replicates, step):
        yield _counts(rng, n, min(step, replicates - start))


@lru_cache(maxsize=4)
def _all_draws(n: int, replicates: int, seed: int) -> Floats:
    """The same in one piece, kept: a table's comparisons resample the same images again and again."""
    return _counts(np.random.default_rng(seed), n, replicates)


def _counts(rng: np.random.Generator, n: int, rows: int) -> Floats:
    chosen = rng.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
    return np.bincount(chosen.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _percentile(scores: Floats, level: float) -> Interval | None:
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, found {level}")
    given = scores[np.isfinite(scores)]
    if 2 * len(given) <= len(scores):
        return None
    low, high = np.quantile(given, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _vector(values: ArrayLike) -> Floats:
    return _shaped(values, 1)


def _matrix(values: ArrayLike) -> Floats:
    return _shaped(values, 2)


def _shaped(values: Any, ndim: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"expected {ndim} dimension(s), found shape {array.shape}")
    return array

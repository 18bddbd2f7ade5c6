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
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]
Floats = NDArray[np.float64]
SumStatistic = Callable[[Floats], Floats]

REPLICATES = 1000
_SEED, _LEVEL = 0, 0.95
_CHUNK = 4_000_000  # drawn indices held at once: 32 MB


class PairedDifference(NamedTuple):
    """How far two scores of the same test images are apart.

    Attributes:
        difference: score of a minus score of b; None without a pair to compare.
        interval: its bootstrap interval, or None for fewer than two pairs.
        p_value: two-sided, of no difference; None without an interval.
        error: standard error of the difference; None without an interval.
    """

    difference: float | None
    interval: Interval | None = None
    p_value: float | None = None
    error: float | None = None


def bootstrap_mean(values: ArrayLike, *, replicates: int = REPLICATES) -> Interval | None:
    """Percentile bootstrap interval (95 %) of a mean.

    Args:
        values: (N,) one value an image; NaN (undefined for that image) is left out.
        replicates: number of resamples.

    Returns:
        (low, high), or None for fewer than two values.
    """
    given = _floats(values)
    given = given[~np.isnan(given)]
    if len(given) < 2:
        return None
    return bootstrap_sum(given[:, None], lambda total: total[:, 0] / len(given), replicates=replicates)


def bootstrap_sum(
    stats: ArrayLike, statistic: SumStatistic, *, replicates: int = REPLICATES
) -> Interval | None:
    """Percentile bootstrap interval (95 %) of a score that is a function of a sum over images.

    Confusion matrices, histograms and power spectra are such sums: images are resampled, their rows added
    up, and the score computed from each total.

    Args:
        stats: (N, D) one row of additive statistics an image.
        statistic: maps (R, D) totals to (R,) scores; NaN where a total has none.
        replicates: number of resamples.

    Returns:
        (low, high), or None for fewer than two images or where most resamples have no score.
    """
    rows = _floats(stats)
    if len(rows) < 2:
        return None
    return _percentile(np.concatenate([statistic(draws @ rows) for draws in _draws(len(rows), replicates)]))


def pseudo_values(stats: ArrayLike, statistic: SumStatistic) -> Floats:
    """Jackknife pseudo-values of a score that is a function of a sum over images, shifted to its value.

    Their mean is the score of the whole, and their spread over sqrt(N) its standard error.

    Args:
        stats: (N, D) one row of additive statistics an image, N at least 2.
        statistic: maps (R, D) totals to (R,) scores.

    Returns:
        (N,) float64. If the score does not exist without an image, that image gets the score itself.
    """
    rows = _floats(stats)
    total = rows.sum(0, keepdims=True)
    whole = float(statistic(total)[0])
    pulls = (len(rows) - 1) * (whole - statistic(total - rows))
    pulls = np.where(np.isfinite(pulls), pulls, 0.0)
    return np.asarray(whole + pulls - pulls.mean())


def paired_difference(a: ArrayLike, b: ArrayLike, *, replicates: int = REPLICATES) -> PairedDifference:
    """Difference of two means over the same images, resampled as pairs.

    Args:
        a: (N,) values of one system.
        b: (N,) values of the other, same images in the same order; a pair with a NaN is left out.
        replicates: number of resamples.
    """
    gaps = _floats(a) - _floats(b)
    gaps = gaps[~np.isnan(gaps)]
    if not len(gaps):
        return PairedDifference(None)
    difference = float(gaps.mean())
    if len(gaps) < 2:
        return PairedDifference(difference)
    scores = np.concatenate([draws @ gaps for draws in _draws(len(gaps), replicates)]) / len(gaps)
    return paired_replicates(difference, scores, len(gaps))


def resampled_sums(stats: ArrayLike) -> Floats:
    """(R, D) sums of (N, D) additive statistics over resampled images: the same resamples for the same N."""
    rows = _floats(stats)
    return np.concatenate([draws @ rows for draws in _draws(len(rows), REPLICATES)])


def paired_replicates(difference: float, scores: Floats, n: int) -> PairedDifference:
    """A difference over n images by its replicates: percentile interval, p from their spread (Student's t).

    Counting replicates beyond zero could give no p below 1 / replicates, too coarse for a correction over
    many comparisons.
    """
    interval = _percentile(scores)
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
    alpha, for any dependence between them.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _draws(n: int, replicates: int) -> Iterator[Floats]:
    """Resamples of n images as counts: matrices (R, n) whose rows sum to n, `replicates` rows in all."""
    if n * replicates <= _CHUNK:
        yield _all_draws(n, replicates)
        return
    rng = np.random.default_rng(_SEED)
    step = max(1, _CHUNK // n)
    for start in range(0, replicates, step):
        yield _counts(rng, n, min(step, replicates - start))


@lru_cache(maxsize=4)
def _all_draws(n: int, replicates: int) -> Floats:
    """All resamples at once, cached: the comparisons of a table resample the same images many times."""
    return _counts(np.random.default_rng(_SEED), n, replicates)


def _counts(rng: np.random.Generator, n: int, rows: int) -> Floats:
    chosen = rng.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
    return np.bincount(chosen.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _percentile(scores: Floats) -> Interval | None:
    given = scores[np.isfinite(scores)]
    if 2 * len(given) <= len(scores):
        return None
    low, high = np.quantile(given, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)

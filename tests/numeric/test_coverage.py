"""How often 95 % intervals hold the truth, and how often "differs" is wrong, on data of known truth.

The short version runs always; the long one (`make test-slow`) makes the table of docs/metrics.md. A truth is
known in closed form, or (distances at a given N, whose estimand has a bias) is the mean over the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.core.bootstrap import (
    bootstrap_mean,
    bootstrap_sum,
    holm,
    paired_difference,
    paired_replicates,
    resampled_sums,
)
from bench.scoring.metrics.confusion import ABSENT_LEFT_OUT, scores_from_confusion
from bench.scoring.metrics.influence import frechet_estimate, kernel_estimate

Floats = NDArray[np.float64]
Rng = np.random.Generator
Outcome = tuple[float, tuple[float, float] | None]  # value, interval
SEED = 20_240


def _mean(rng: Rng) -> Outcome:
    """SSIM-like values: skewed, in [0, 1], mean 0.4."""
    values = rng.beta(2, 3, size=100)
    return float(values.mean()), bootstrap_mean(values)


CONFUSION = np.array([[30.0, 5, 1], [4, 20, 2], [2, 3, 6]])


def _confusions(rng: Rng, n: int, expected: Floats) -> Floats:
    """(N, 9) confusion matrices: how much of each class an image holds varies, as does how hard it is."""
    amount = rng.gamma(2.0, 0.5, size=(n, 3, 1))
    hard = rng.gamma(4.0, 0.25, size=(n, 1, 1))
    off = expected * (1 - np.eye(3))
    mean = np.eye(3) * expected + off * hard
    return rng.poisson(amount * mean).reshape(n, 9).astype(np.float64)


def _iou(totals: Floats) -> Floats:
    return scores_from_confusion(totals.reshape(-1, 3, 3), ABSENT_LEFT_OUT)[2]


def _sum(rng: Rng) -> Outcome:
    rows = _confusions(rng, 150, CONFUSION)
    return float(_iou(rows.sum(0, keepdims=True))[0]), bootstrap_sum(rows, _iou)


def _power(rng: Rng, n: int, ratio: float) -> Floats:
    """(N, 2) power of prediction and target, correlated and skewed, with expectations ratio : 1."""
    shared = rng.lognormal(-0.18, 0.6, size=n)
    own = rng.gamma(6.0, 1 / 6, size=(2, n))
    return np.stack([ratio * shared * own[0], shared * own[1]], axis=1)


def _quotient(totals: Floats) -> Floats:
    return np.asarray(totals[:, 0] / totals[:, 1])


def _ratio(rng: Rng) -> Outcome:
    rows = _power(rng, 150, 0.7)
    return float(rows[:, 0].sum() / rows[:, 1].sum()), bootstrap_sum(rows, _quotient)


def _sets(rng: Rng, n: int, dim: int, shift: float = 0.5) -> tuple[Floats, Floats]:
    """Normal features of falling variance; the prediction of an image resembles its target, but duller."""
    scale = np.arange(1, dim + 1) ** -0.5
    target = rng.normal(size=(n, dim))
    own = rng.normal(size=(n, dim))
    fade = np.exp(-np.arange(dim) / dim)
    return (0.6 * target + 0.5 * own) * scale * fade + shift * scale, target * scale


def _frechet(n: int, dim: int) -> Callable[[Rng], Outcome]:
    def one(rng: Rng) -> Outcome:
        found = frechet_estimate(*_sets(rng, n, dim))
        return found.value, found.interval

    return one


def _kernel(n: int, dim: int) -> Callable[[Rng], Outcome]:
    def one(rng: Rng) -> Outcome:
        found = kernel_estimate(*_sets(rng, n, dim))
        return found.distance.value, found.interval

    return one


IOU = float(_iou(CONFUSION.reshape(1, 9))[0])
CASES: dict[str, tuple[Callable[[Rng], Outcome], float | None]] = {
    "mean, N 100": (_mean, 0.4),
    "IoU of summed confusion matrices, N 150": (_sum, IOU),
    "ratio of summed power, N 150": (_ratio, 0.7),
    "Fréchet, N 80 below D 128": (_frechet(80, 128), None),
    "Fréchet, N 200 above D 24": (_frechet(200, 24), None),
    "KID, N 100, D 32": (_kernel(100, 32), None),
}


def coverage(case: str, repetitions: int) -> float:
    """Share of intervals that hold the truth."""
    draw, truth = CASES[case]
    rng = np.random.default_rng(SEED)
    found = [draw(rng) for _ in range(repetitions)]
    aim = float(np.mean([value for value, _ in found])) if truth is None else truth
    return float(
        np.mean([interval is not None and interval[0] <= aim <= interval[1] for _, interval in found])
    )


def _table_under_no_difference(rng: Rng, n: int = 100) -> list[float]:
    """p-values of three variants that are equal in all five metrics, on the same images."""
    hard = rng.normal(size=n)
    means = [hard + 0.5 * rng.normal(size=n) for _ in range(3)]
    skewed = [np.exp(0.5 * hard) * rng.gamma(3.0, size=n) for _ in range(3)]
    sums = [_confusions(rng, n, CONFUSION) for _ in range(3)]
    sets = [_sets(rng, n, 12) for _ in range(3)]
    target = sets[0][1]
    scale = np.arange(1, 13) ** -0.5
    predictions = [
        (0.6 * target / scale + 0.5 * rng.normal(size=target.shape)) * scale + 0.3 * scale for _ in sets
    ]
    distances = [frechet_estimate(one, target).pseudo for one in predictions]
    kernels = [kernel_estimate(one, target).pseudo for one in predictions]
    p_values: list[float | None] = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        gap = float(_iou(sums[a].sum(0, keepdims=True))[0] - _iou(sums[b].sum(0, keepdims=True))[0])
        drawn = _iou(resampled_sums(sums[a])) - _iou(resampled_sums(sums[b]))
        p_values.append(paired_replicates(gap, drawn, n).p_value)
        for held in (means, skewed, distances, kernels):
            first, second = held[a], held[b]
            assert first is not None
            assert second is not None
            p_values.append(paired_difference(first, second).p_value)
    return [p for p in p_values if p is not None]


def false_positives(repetitions: int) -> tuple[float, float]:
    """Share of tables in which anything differs, after Holm's correction and without it."""
    rng = np.random.default_rng(SEED)
    tables = [_table_under_no_difference(rng) for _ in range(repetitions)]
    assert all(len(table) == 15 for table in tables)
    corrected = np.mean([min(holm(table)) <= 0.05 for table in tables])
    return float(corrected), float(np.mean([min(table) <= 0.05 for table in tables]))


@pytest.mark.parametrize("case", CASES)
def test_intervals_cover_the_truth(case: str) -> None:
    assert 0.92 <= coverage(case, 400) <= 0.98


def test_differs_is_rarely_wrong_in_a_whole_table() -> None:
    corrected, plain = false_positives(200)
    assert corrected <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)
    assert plain > 0.15  # without the correction a table of 15 differences would often be wrong


def test_a_naive_bootstrap_of_a_frechet_distance_does_not_cover_it() -> None:
    """Why there are pseudo-values: resampled sets hold duplicates, and their distances are all too large."""
    rng = np.random.default_rng(SEED)
    a, b = _sets(rng, 60, 96)
    value = frechet_estimate(a, b).value
    drawn = [rng.integers(0, 60, 60) for _ in range(100)]
    replicates = [frechet_estimate(a[rows], b[rows]).value for rows in drawn]
    assert np.quantile(replicates, 0.025) > value


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_table_of_the_docs() -> None:
    for case in CASES:
        share = coverage(case, 4000)
        print(f"{case}: {share:.3f}")
        assert 0.92 <= share <= 0.98
    corrected, plain = false_positives(2000)
    print(f"tables with a false difference: {corrected:.3f} with Holm's correction, {plain:.3f} without")
    assert corrected <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_at_the_size_of_a_real_test_set() -> None:
    """500 images, 2048 features: singular covariances."""
    rng = np.random.default_rng(SEED)
    found = [frechet_estimate(*_sets(rng, 500, 2048)) for _ in range(300)]
    truth = float(np.mean([one.value for one in found]))
    intervals = [one.interval for one in found]
    share = np.mean([interval is not None and interval[0] <= truth <= interval[1] for interval in intervals])
    print(f"Fréchet, N 500 below D 2048: {share:.3f}, 300 repetitions")
    assert 0.92 <= share <= 0.98


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_equal_distributions_get_intervals_that_are_too_wide_not_too_narrow() -> None:
    """Where both sides are alike the distance has no slope; the jackknife doubles what curvature gives."""

    def share(n: int, dim: int, repetitions: int) -> float:
        rng = np.random.default_rng(SEED)
        scale = np.arange(1, dim + 1) ** -0.5
        pairs = [rng.normal(size=(2, n, dim)) * scale for _ in range(repetitions)]
        found = [frechet_estimate(a, b) for a, b in pairs]
        truth = np.mean([one.value for one in found])
        return float(np.mean([i is not None and i[0] <= truth <= i[1] for i in (o.interval for o in found)]))

    for n, dim, repetitions in ((80, 128, 1000), (200, 24, 1000)):
        covered = share(n, dim, repetitions)
        print(f"equal distributions, N {n}, D {dim}: {covered:.3f}, {repetitions} repetitions")
        assert covered > 0.93

"""Bootstrap intervals against theory, a plain loop and SciPy; paired differences; differences over seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.analysis.differences import leaves_out_zero
from bench.core.bootstrap import (
    bootstrap_mean,
    bootstrap_sum,
    holm,
    paired_difference,
    paired_replicates,
    pseudo_values,
    resampled_sums,
    two_sided_p,
)
from bench.core.seed_stats import one_sample, welch


def test_interval_of_a_mean_has_the_width_that_theory_gives() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=400)
    interval = bootstrap_mean(values, replicates=4000)
    assert interval is not None
    half = 1.96 * values.std() / math.sqrt(400)
    assert interval[0] == pytest.approx(values.mean() - half, abs=0.03)
    assert interval[1] == pytest.approx(values.mean() + half, abs=0.03)


def test_interval_of_a_mean_agrees_with_scipy_on_a_skewed_sample() -> None:
    values = np.random.default_rng(2).exponential(size=60)
    ours = bootstrap_mean(values, replicates=20000)
    theirs = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        interval = bootstrap_mean(rng.normal(size=50), replicates=300)
        assert interval is not None
        hits += interval[0] <= 0 <= interval[1]
    assert 0.9 <= hits / 300 <= 0.98


def test_interval_of_a_ratio_of_sums_agrees_with_a_plain_loop() -> None:
    rng = np.random.default_rng(4)
    rows = rng.gamma(2.0, size=(40, 2))
    ours = bootstrap_sum(rows, lambda total: total[:, 0] / total[:, 1], replicates=8000)
    scores = []
    for _ in range(8000):
        drawn = rows[rng.integers(0, 40, 40)].sum(0)
        scores.append(drawn[0] / drawn[1])
    assert ours == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.02)


def test_the_same_values_have_the_same_interval() -> None:
    values = np.random.default_rng(5).normal(size=30)
    assert bootstrap_mean(values) == bootstrap_mean(values)


def test_nan_is_left_out_and_too_few_values_have_no_interval() -> None:
    values = np.array([1.0, np.nan, 2.0, 4.0])
    assert bootstrap_mean(values) == bootstrap_mean(values[[0, 2, 3]])
    assert bootstrap_mean([1.0, np.nan]) is None
    assert bootstrap_mean([]) is None
    assert bootstrap_sum(np.ones((1, 3)), lambda total: total[:, 0]) is None
    assert bootstrap_mean([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_a_score_that_most_resamples_lack_has_no_interval() -> None:
    rows = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])

    def defined_only_with_two(total: np.ndarray) -> np.ndarray:
        return np.where(total[:, 1] >= 2, total[:, 0], np.nan)

    assert bootstrap_sum(rows, defined_only_with_two) is None


def test_many_images_are_resampled_in_chunks_to_the_same_effect() -> None:
    values = np.random.default_rng(6).normal(size=20_000)
    interval = bootstrap_mean(values, replicates=500)
    assert interval is not None
    assert interval[1] - interval[0] == pytest.approx(2 * 1.96 / math.sqrt(20_000), rel=0.15)


def test_pairing_finds_what_separate_intervals_cannot() -> None:
    rng = np.random.default_rng(8)
    hard = rng.normal(0, 1, size=100)
    a, b = hard + 0.1 + rng.normal(0, 0.05, 100), hard + rng.normal(0, 0.05, 100)
    alone_a, alone_b = bootstrap_mean(a), bootstrap_mean(b)
    assert alone_a is not None
    assert alone_b is not None
    assert alone_a[0] < alone_b[1]  # the separate intervals overlap
    found = paired_difference(a, b)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert leaves_out_zero(found.interval)
    assert not leaves_out_zero(paired_difference(b, b + rng.normal(0, 1, 100)).interval)


def test_paired_difference_of_sums_is_that_of_means_where_the_score_is_a_mean() -> None:
    rng = np.random.default_rng(9)
    a, b = rng.normal(1, 1, 50), rng.normal(0, 1, 50)
    plain = paired_difference(a, b)
    replicates = [resampled_sums(values[:, None])[:, 0] / 50 for values in (a, b)]
    summed = paired_replicates(float(a.mean() - b.mean()), replicates[0] - replicates[1], 50)
    assert summed.difference == pytest.approx(plain.difference)
    assert summed.interval == pytest.approx(plain.interval)
    assert leaves_out_zero(summed.interval)


def test_degenerate_pairs() -> None:
    assert paired_difference([], []) == (None, None, None, None)
    assert paired_difference([3.0], [1.0]) == (2.0, None, None, None)
    assert paired_difference([np.nan, 3.0], [1.0, 1.0]) == (2.0, None, None, None)
    assert paired_difference([3.0, 4.0], [1.0, 2.0]) == (2.0, (2.0, 2.0), 0.0, 0.0)
    assert paired_difference([3.0, 4.0], [3.0, 4.0]) == (0.0, (0.0, 0.0), 1.0, 0.0)
    assert paired_replicates(2.0, np.full(9, np.nan), 3) == (2.0, None, None, None)


def test_p_values_are_those_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(10)
    a = rng.normal(0.3, 1, 80)
    b = rng.normal(0, 1, 80)
    expected = scipy_stats.ttest_rel(a, b).pvalue
    assert paired_difference(a, b, replicates=20_000).p_value == pytest.approx(expected, rel=0.15)
    assert two_sided_p(2.0, 1.0, 5) == pytest.approx(2 * scipy_stats.t.sf(2.0, 5), rel=1e-12)
    assert 0 < two_sided_p(40.0, 1.0, 400) < 1e-100  # far tails do not become zero


def test_holm_equals_a_computation_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.2]) == [0.2]


def test_seed_differences_are_those_of_scipy() -> None:
    a, b = [0.70, 0.75, 0.72, 0.71], [0.81, 0.79, 0.84]
    found, expected = welch(a, b), scipy_stats.ttest_ind(a, b, equal_var=False)
    assert found is not None
    assert found.p_value() == pytest.approx(expected.pvalue, rel=1e-12)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()), rel=1e-9)
    shifted = scipy_stats.ttest_ind([value + 0.05 for value in a], b, equal_var=False)
    assert found.p_value(-0.05) == pytest.approx(shifted.pvalue, rel=1e-9)
    alone, wanted = one_sample(a, 0.69), scipy_stats.ttest_1samp(a, 0.69)
    assert alone is not None
    assert alone.p_value() == pytest.approx(wanted.pvalue, rel=1e-9)
    assert welch(a, [1.0]) is None
    assert one_sample([1.0], 0.0) is None
    same = welch([1.0, 1.0], [2.0, 2.0])
    assert same is not None
    assert (same.interval, same.p_value(), same.p_value(-1.0)) == ((-1.0, -1.0), 0.0, 1.0)


def test_pseudo_values_of_a_sum_have_its_value_and_spread() -> None:
    rng = np.random.default_rng(11)
    rows = rng.gamma(3.0, size=(200, 2))

    def ratio(total: np.ndarray) -> np.ndarray:
        return np.asarray(total[:, 0] / total[:, 1])

    found = pseudo_values(rows, ratio)
    assert found.mean() == pytest.approx(ratio(rows.sum(0, keepdims=True))[0], rel=1e-12)
    low, high = bootstrap_sum(rows, ratio, replicates=8000) or (0.0, 0.0)
    assert 1.96 * found.std(ddof=1) / math.sqrt(200) == pytest.approx((high - low) / 2, rel=0.05)
    plain = pseudo_values(rows[:, :1], lambda total: total[:, 0] / 200)  # of a sum: 200 * value / 200, about
    assert np.corrcoef(plain, rows[:, 0])[0, 1] == pytest.approx(1.0)

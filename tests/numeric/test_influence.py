"""Pseudo-values of set distances against numerical derivatives, plain loops and leave-one-out values."""

from __future__ import annotations

import numpy as np
import pytest
from metric_case import pooled_features as _features
from numpy.typing import NDArray
from scipy import linalg

from bench.scoring.metrics import influence
from bench.scoring.metrics.frechet import frechet_distance, gaussian, kernel_distance, unbiased_mmd2
from bench.scoring.metrics.influence import frechet_estimate, kernel_estimate

Floats = NDArray[np.float64]


def _weighted(a: Floats, b: Floats, weights: Floats) -> float:
    """The distance under weights that sum to 1, by the nuclear norm of the centred cross product."""
    unit = len(a) / (len(a) - 1)
    x, y = a - weights @ a, b - weights @ b
    root = np.sqrt(weights)[:, None]
    cross = unit * linalg.svdvals((root * x) @ (root * y).T).sum()
    gap = weights @ a - weights @ b
    spread = unit * (weights @ (x**2).sum(1) + weights @ (y**2).sum(1))
    return float(gap @ gap + spread - 2 * cross)


@pytest.mark.parametrize(("n", "dim"), [(12, 40), (20, 19), (60, 10)])
def test_influence_is_the_derivative_by_an_images_weight(n: int, dim: int) -> None:
    a, b = _features(n, dim, 1), _features(n, dim, 2, shift=0.3)
    found = frechet_estimate(a, b)
    assert found.pseudo is not None
    even = np.full(n, 1 / n)
    assert found.value == pytest.approx(_weighted(a, b, even), rel=1e-9)
    step = 1e-5
    for index in range(0, n, 5):
        one = np.eye(n)[index]
        up, down = (_weighted(a, b, even + sign * step * (one - even)) for sign in (1, -1))
        assert found.pseudo[index] - found.value == pytest.approx(
            (up - down) / (2 * step), rel=1e-4, abs=1e-5
        )


@pytest.mark.parametrize(("n", "dim"), [(30, 64), (200, 24)])
def test_value_mean_and_spread(n: int, dim: int) -> None:
    a, b = _features(n, dim, 3), _features(n, dim, 4, shift=0.4)
    found = frechet_estimate(a, b)
    assert found.value == pytest.approx(frechet_distance(gaussian(a), gaussian(b)), rel=1e-10)
    assert found.pseudo is not None
    assert found.pseudo.mean() == pytest.approx(found.value, rel=1e-10)
    left_out = [
        frechet_distance(gaussian(np.delete(a, i, 0)), gaussian(np.delete(b, i, 0))) for i in range(n)
    ]
    jackknife = np.sqrt((n - 1) / n * ((left_out - np.mean(left_out)) ** 2).sum())
    assert found.pseudo.std(ddof=1) / np.sqrt(n) == pytest.approx(jackknife, rel=0.25)


def test_features_without_spread_and_equal_sets() -> None:
    a = _features(80, 12, 5)
    a[:, 3] = 0.0  # a feature that never fires
    b = _features(80, 12, 6)
    b[:, 3] = 0.0
    found = frechet_estimate(a, b)
    assert found.pseudo is not None
    assert np.isfinite(found.pseudo).all()
    without = frechet_estimate(np.delete(a, 3, 1), np.delete(b, 3, 1))
    assert without.pseudo is not None
    assert found.pseudo == pytest.approx(without.pseudo, rel=1e-6, abs=1e-8)
    for n, dim in ((80, 12), (10, 30)):
        same = frechet_estimate(_features(n, dim, 7), _features(n, dim, 7))
        assert same.interval == pytest.approx((0.0, 0.0), abs=1e-8)
    flat = frechet_estimate(np.full((5, 8), 2.0), np.full((5, 8), 3.0))
    assert (flat.value, flat.interval) == (pytest.approx(8.0), pytest.approx((8.0, 8.0)))


def test_sets_of_different_size_have_a_value_and_no_interval() -> None:
    a, b = _features(30, 8, 1), _features(40, 8, 2)
    assert frechet_estimate(a, b).value == pytest.approx(frechet_distance(gaussian(a), gaussian(b)))
    assert frechet_estimate(a, b).interval is None
    assert kernel_estimate(a, b).interval is None


def test_interval_of_a_distance_is_never_negative() -> None:
    a, b = _features(6, 30, 8), _features(6, 30, 9)
    interval = frechet_estimate(a, b).interval
    assert interval is not None
    assert 0 <= interval[0] < interval[1]


def test_kernel_influence_equals_leave_one_out() -> None:
    """For a statistic of pairs, leaving one out moves it by influence / N, up to terms in 1 / N^2."""
    a, b = _features(60, 16, 10), _features(60, 16, 11, shift=0.5)
    found = kernel_estimate(a, b)
    assert found.pseudo is not None
    assert found.distance == kernel_distance(a, b)
    assert found.pseudo.mean() == pytest.approx(found.distance.value, rel=1e-9)
    whole = unbiased_mmd2(a, b)
    left_out = np.array([unbiased_mmd2(np.delete(a, i, 0), np.delete(b, i, 0)) for i in range(60)])
    expected = 59 * (whole - left_out)
    assert np.corrcoef(found.pseudo, expected)[0, 1] > 0.999
    assert found.pseudo.std() == pytest.approx(expected.std(), rel=0.05)


def test_kernel_influence_from_some_images_stands_for_that_from_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = _features(900, 8, 12), _features(900, 8, 13, shift=0.3)
    full = kernel_estimate(a, b).pseudo
    monkeypatch.setattr(influence, "_ANCHORS", 300)
    some = kernel_estimate(a, b).pseudo
    assert full is not None
    assert some is not None
    assert some.mean() == pytest.approx(full.mean(), rel=1e-9)
    assert some.std() == pytest.approx(full.std(), rel=0.1)
    assert np.corrcoef(full, some)[0, 1] > 0.95


def test_drawing_subsets_widens_the_interval_of_kid() -> None:
    """1,500 images, subsets of 1,000: the value is a mean over random subsets."""
    a, b = _features(1500, 8, 14), _features(1500, 8, 15, shift=0.2)
    found = kernel_estimate(a, b)
    assert found.distance.std is not None
    assert found.pseudo is not None
    plain = influence._kernel_pull(a, b).var(ddof=1) / 1500
    expected = plain + found.distance.std**2 / found.distance.subsets
    assert found.pseudo.var(ddof=1) / 1500 == pytest.approx(expected, rel=1e-9)

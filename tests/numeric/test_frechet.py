"""Fréchet and kernel distances against torch-fidelity, SciPy's sqrtm and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_case import pooled_features
from scipy import linalg
from torch_fidelity import metric_fid, metric_kid

from bench.scoring.metrics.frechet import (
    Moments,
    frechet_distance,
    from_moments,
    gaussian,
    kernel_distance,
    unbiased_mmd2,
)


def _features(n: int, dim: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return pooled_features(n, dim, seed, shift).astype(np.float32)


def _torch_fidelity_fid(a: np.ndarray, b: np.ndarray) -> float:
    stats = [metric_fid.fid_features_to_statistics(torch.from_numpy(x.astype(np.float64))) for x in (a, b)]
    return float(metric_fid.fid_statistics_to_metric(*stats, verbose=False)[metric_fid.KEY_METRIC_FID])


def _torch_fidelity_kid(a: np.ndarray, b: np.ndarray, size: int) -> tuple[float, float]:
    found = metric_kid.kid_features_to_metric(
        torch.from_numpy(a.astype(np.float64)),
        torch.from_numpy(b.astype(np.float64)),
        kid_subset_size=size,
        kid_subsets=100,
        verbose=False,
    )
    return found[metric_kid.KEY_METRIC_KID_MEAN], found[metric_kid.KEY_METRIC_KID_STD]


@pytest.mark.parametrize(("n", "m", "dim"), [(400, 300, 64), (60, 60, 200), (500, 80, 128)])
def test_frechet_equals_torch_fidelity(n: int, m: int, dim: int) -> None:
    a, b = _features(n, dim, seed=1), _features(m, dim, seed=2, shift=0.2)
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(_torch_fidelity_fid(a, b), rel=1e-6)


def test_frechet_equals_scipys_matrix_square_root() -> None:
    a, b = _features(400, 48, seed=3), _features(300, 48, seed=4, shift=0.1)
    s1, s2 = np.cov(a.astype(np.float64), rowvar=False), np.cov(b.astype(np.float64), rowvar=False)
    gap = a.mean(0, dtype=np.float64) - b.mean(0, dtype=np.float64)
    expected = gap @ gap + np.trace(s1) + np.trace(s2) - 2 * np.trace(linalg.sqrtm(s1 @ s2).real)
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_known_gaussians() -> None:
    mean, spread = np.array([1.0, -2.0, 0.0]), np.array([1.0, 4.0, 9.0])
    a, b = from_moments(np.zeros(3), np.diag(spread)), from_moments(mean, np.diag(4 * spread))
    assert frechet_distance(a, b) == pytest.approx(5.0 + (np.sqrt(spread) ** 2).sum())
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = [
        from_moments(turn @ m, turn @ np.diag(s) @ turn.T) for m, s in ((mean, spread), (0 * mean, spread))
    ]
    assert frechet_distance(*turned) == pytest.approx(5.0)


@pytest.mark.parametrize("n", [2, 30, 200])
def test_equal_sets_are_at_distance_zero_and_both_roots_agree(n: int) -> None:
    features = _features(n, 60, seed=5)
    same = gaussian(features)
    assert frechet_distance(same, same) == pytest.approx(0.0, abs=1e-9)
    moments = from_moments(
        features.mean(0, dtype=np.float64), np.cov(features.astype(np.float64), rowvar=False)
    )
    other = gaussian(_features(n, 60, seed=6))
    assert frechet_distance(same, other) == pytest.approx(frechet_distance(moments, other), rel=1e-6)
    assert np.allclose(same.root @ same.root.T, moments.root @ moments.root.T, atol=1e-12)


def test_constant_features() -> None:
    flat, other = np.full((5, 8), 2.0, np.float32), np.full((5, 8), 3.0, np.float32)
    assert frechet_distance(gaussian(flat), gaussian(other)) == pytest.approx(8.0)
    assert kernel_distance(flat, flat).value == pytest.approx(0.0, abs=1e-12)


def test_moments_do_not_depend_on_the_batches_and_survive_a_large_mean() -> None:
    features = _features(101, 16, seed=7).astype(np.float64) + 1e6
    for sizes in ((101,), (1,) * 101, (50, 0, 51)):
        moments, start = Moments(16), 0
        for size in sizes:
            moments.update(features[start : start + size])
            start += size
        assert moments.n == 101
        assert moments.mean == pytest.approx(features.mean(0), rel=1e-12)
        assert moments.covariance == pytest.approx(np.cov(features, rowvar=False), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("n", "m", "size"), [(300, 300, 100), (300, 250, 1000), (90, 90, 90)])
def test_kernel_distance_equals_torch_fidelity(n: int, m: int, size: int) -> None:
    a, b = _features(n, 64, seed=8), _features(m, 64, seed=9, shift=0.1)
    mean, std = _torch_fidelity_kid(a, b, min(size, n, m))
    found = kernel_distance(a, b, subset_size=size)
    assert found.value == pytest.approx(mean, rel=1e-9)
    if n == m == size:
        assert found.std is None
        assert std < 1e-12
    else:
        assert found.std == pytest.approx(std, rel=1e-6)


def test_kernel_distance_is_unbiased_and_repeats() -> None:
    values = [unbiased_mmd2(_features(40, 16, 2 * s), _features(40, 16, 2 * s + 1)) for s in range(200)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)
    a, b = _features(50, 16, 1), _features(60, 16, 2)
    assert kernel_distance(a, b, subset_size=20) == kernel_distance(a, b, subset_size=20)

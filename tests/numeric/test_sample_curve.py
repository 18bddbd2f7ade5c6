"""The curve over test images: its sizes and values against plain arithmetic, and a known bias."""

from __future__ import annotations

import numpy as np
import pytest

from bench.scoring.metrics.sample_curve import detail, joined, mean_curve, sample_curve
from bench.scoring.metrics.set_features import frechet_curve, kernel_curve


def test_sizes_and_means() -> None:
    values = np.arange(40, dtype=np.float64) ** 2
    curve = mean_curve(values, float(values.mean()))
    assert curve is not None
    assert curve["n"] == [5, 10, 20, 40]
    by_hand = [values[first::8].mean() for first in range(8)]
    assert curve["value"][0] == pytest.approx(np.mean(by_hand))
    assert (curve["low"][0], curve["high"][0]) == (min(by_hand), max(by_hand))
    assert curve["value"] == pytest.approx([values.mean()] * 4)  # 40 is a multiple of 8: nothing is left out
    assert curve["low"][-1] is None
    assert curve["high"][-1] is None


def test_subsets_are_disjoint_and_of_one_size() -> None:
    seen: dict[int, list[int]] = {}
    sample_curve(43, lambda places: seen.setdefault(len(places), []).extend(places) or 0.0, 1.0)
    assert sorted(seen) == [5, 10, 21]
    for size, places in seen.items():
        assert len(places) == len(set(places)) == (43 // size) * size
        assert max(places) < 43


def test_a_frechet_distance_shrinks_towards_its_value_and_a_kernel_distance_does_not() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(400, 16)).astype(np.float32) for _ in range(2))
    frechet = frechet_curve(a, b, 0.1)
    kernel = kernel_curve(a, b, 0.0)
    assert frechet is not None
    assert kernel is not None
    assert frechet["value"][0] > 1.7 * frechet["value"][1] > 2 * frechet["value"][2]
    assert frechet["low"][0] is not None
    assert all(low <= 0 <= high for low, high in zip(kernel["low"][:2], kernel["high"][:2], strict=True))
    assert frechet_curve(a[:300], b, 0.1) is None


def test_what_cannot_be_measured_leaves_no_curve() -> None:
    assert mean_curve(np.ones(7), 1.0) is None  # subsets of 3
    assert mean_curve(np.full(40, np.nan), None) is None
    assert detail(l1=None) == {}
    part = sample_curve(64, lambda places: float("nan") if len(places) < 16 else 2.0, 2.0)
    assert part is not None
    assert part["n"] == [16, 32, 64]


def test_metrics_scored_later_join_those_before() -> None:
    one, two = mean_curve(np.arange(16.0), 7.5), mean_curve(np.arange(32.0), 15.5)
    before = {"judge": {"hash": "a"}, **detail(l1=one, ssim=one)}
    assert joined(before, detail(l1=two)) == {"judge": {"hash": "a"}, **detail(l1=two, ssim=one)}
    assert joined({}, {"a": 1}) == {"a": 1}

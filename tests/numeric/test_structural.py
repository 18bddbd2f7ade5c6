"""SSIM, PSNR and L1 against scikit-image and analytic cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metric_case import by_name, context_for, images, run, value
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.scoring.metrics.structural import StructuralMetric, mae, psnr, ssim


def _reference_ssim(a: np.ndarray, b: np.ndarray) -> float:
    return float(
        structural_similarity(
            a,
            b,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=-1,
        )
    )


@pytest.mark.parametrize("size", [11, 32, 65])
def test_ssim_equals_scikit_image(size: int) -> None:
    target = images(4, size, seed=size)
    changed = np.stack(
        [images(1, size, seed=99)[0], 255 - target[1], np.roll(target[2], 1, axis=0), target[3] // 2]
    )
    expected = [_reference_ssim(a, b) for a, b in zip(changed, target, strict=True)]
    assert ssim(changed, target) == pytest.approx(expected, abs=1e-9)


def test_psnr_equals_scikit_image_and_is_capped() -> None:
    target = images(3, 32)
    noisy = target.copy()
    noisy[0] = images(1, 32, seed=5)[0]
    noisy[1, 0, 0, 0] ^= 1
    found = psnr(noisy, target)
    assert found[0] == pytest.approx(peak_signal_noise_ratio(target[0], noisy[0], data_range=255), abs=1e-9)
    assert found[1] == pytest.approx(10 * np.log10(255**2 * 32 * 32 * 3), abs=1e-9)
    assert found[2] == 100.0


def test_analytic_values() -> None:
    dark, bright = np.zeros((1, 16, 16, 3), np.uint8), np.full((1, 16, 16, 3), 255, np.uint8)
    assert mae(dark, bright) == pytest.approx([255.0])
    assert psnr(dark, bright) == pytest.approx([0.0])
    c1 = (0.01 * 255) ** 2
    assert ssim(dark, bright) == pytest.approx([c1 / (255.0**2 + c1)], abs=1e-12)
    assert ssim(dark, dark) == pytest.approx([1.0])
    assert mae(bright, bright - 7) == pytest.approx([7.0])


def test_metric_means_columns_and_batch_size(cache: Path) -> None:
    target, guess = images(7, 32), images(7, 32, seed=3)
    context = context_for(target, cache)
    whole = run(StructuralMetric(context), guess, target, batch=7)
    single = run(StructuralMetric(context), guess, target, batch=1)
    assert whole.results == single.results
    assert set(whole.per_image) == {"ssim", "psnr", "mae"}
    assert value(whole, "ssim") == pytest.approx(
        np.mean([_reference_ssim(a, b) for a, b in zip(guess, target, strict=True)]), abs=1e-9
    )
    for key, column in whole.per_image.items():
        result = by_name(whole)[key]
        assert column.shape == (7,)
        assert result.value == pytest.approx(column.mean())
        assert result.n == 7
        assert result.protocol["size_px"] == 32
        assert result.interval is not None
        assert result.value is not None
        assert result.interval[0] < result.value < result.interval[1]


def test_one_image_has_a_value_and_no_interval(cache: Path) -> None:
    target = images(1, 32)
    output = run(StructuralMetric(context_for(target, cache)), target, target)
    assert value(output, "ssim") == pytest.approx(1.0)
    assert value(output, "psnr") == 100.0
    assert value(output, "mae") == 0.0
    assert all(result.interval is None for result in output.results)


def test_missing_values_say_why(cache: Path) -> None:
    target = images(3, 32)
    real = run(StructuralMetric(context_for(target, cache, row="real")), target, target)
    assert {r.reason for r in real.results} == {"compares the images with themselves"}
    assert all(r.value is None and r.n == 3 for r in real.results)
    assert not real.per_image
    none = StructuralMetric(context_for(target, cache)).compute()
    assert {r.reason for r in none.results} == {"no images were scored"}
    tiny = images(2, 8)
    small = by_name(run(StructuralMetric(context_for(tiny, cache)), tiny, tiny))
    assert small["ssim"].reason == "the images are smaller than the window of 11 pixels"
    assert small["mae"].value == 0.0

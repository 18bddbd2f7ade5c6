"""Power spectra: a plain two-sided transform, and cases whose ratio is known in closed form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from metric_case import by_name, context_for, images, run, value
from scipy import ndimage

from bench.scoring.metrics.spectrum import SpectrumMetric, coefficients, hf_ratio, luminance, power


def _plain(plane: np.ndarray) -> tuple[np.ndarray, float]:
    """Radial sums and the upper band by the definition: full transform, explicit loops over radii."""
    size = len(plane)
    hann = np.array([0.5 - 0.5 * np.cos(2 * np.pi * i / size) for i in range(size)])
    energy = np.abs(np.fft.fft2(plane * hann[:, None] * hann[None, :])) ** 2
    frequency = np.fft.fftfreq(size) * size
    radius = np.sqrt(frequency[:, None] ** 2 + frequency[None, :] ** 2)
    bins = np.array([energy[np.rint(radius) == r].sum() for r in range(size // 2 + 1)])
    return bins, float(energy[(radius > size / 4) & (radius <= size / 2)].sum())


@pytest.mark.parametrize("size", [16, 33, 64])
def test_power_equals_the_definition(size: int) -> None:
    planes = np.random.default_rng(size).random((3, size, size))
    bins, band = power(planes)
    for plane, row, upper in zip(planes, bins, band, strict=True):
        expected_bins, expected_band = _plain(plane)
        assert row == pytest.approx(expected_bins, rel=1e-9)
        assert upper == pytest.approx(expected_band, rel=1e-9)


def test_coefficients_count_every_frequency_once() -> None:
    counts = coefficients(32, 32)
    frequency = np.fft.fftfreq(32) * 32
    radius = np.rint(np.hypot(frequency[:, None], frequency[None, :]))
    assert counts.tolist() == [float((radius == r).sum()) for r in range(17)]


def test_luminance_is_rec601_in_0_to_1() -> None:
    colours = np.array([[[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]]], np.uint8)
    assert luminance(colours).ravel() == pytest.approx([1.0, 0.299, 0.587, 0.114])


def test_copy_is_1_and_half_the_contrast_a_quarter() -> None:
    target = np.random.default_rng(0).random((4, 32, 32))
    assert hf_ratio(target, target) == 1.0
    assert hf_ratio(0.5 * target, target) == pytest.approx(0.25)
    assert hf_ratio(target + 0.3, target) == pytest.approx(1.0)  # brightness leaks into no high frequency


def test_white_noise_has_the_ratio_of_its_variances_at_every_frequency() -> None:
    rng = np.random.default_rng(1)
    target, guess = rng.normal(0, 0.1, (60, 64, 64)), rng.normal(0, 0.2, (60, 64, 64))
    assert hf_ratio(guess, target) == pytest.approx(4.0, rel=0.02)
    bins, _ = power(target)
    per_coefficient = bins.sum(0) / (60 * coefficients(64, 64))
    window_power = (3 / 8 * 64) ** 2  # sum of the squared Hann window, in both directions
    assert per_coefficient[4:] == pytest.approx(0.01 * window_power, rel=0.15)
    assert per_coefficient[4:].mean() == pytest.approx(0.01 * window_power, rel=0.02)


def test_gaussian_blur_gives_its_transfer_function() -> None:
    size, sigma = 64, 0.8
    target = np.random.default_rng(2).normal(size=(60, size, size))
    blurred = ndimage.gaussian_filter(target, (0, sigma, sigma), mode="wrap", truncate=8)
    frequency = np.fft.fftfreq(size)
    taps = np.exp(-0.5 * (np.arange(-7, 8) / sigma) ** 2)
    taps /= taps.sum()
    gain = np.array([(taps * np.cos(2 * np.pi * f * np.arange(-7, 8))).sum() for f in frequency]) ** 2
    radius = np.hypot(frequency[:, None], frequency[None, :]) * size
    upper = (radius > size / 4) & (radius <= size / 2)
    expected = np.outer(gain, gain)[upper].mean()
    assert 0.01 < expected < 0.2
    assert hf_ratio(blurred, target) == pytest.approx(expected, rel=0.05)


def test_a_wave_counts_only_inside_the_band() -> None:
    place = np.arange(64)

    def wave(cycles: int) -> np.ndarray:
        return np.broadcast_to(np.sin(2 * np.pi * cycles * place / 64), (1, 64, 64))

    noise = np.random.default_rng(3).normal(scale=0.1, size=(1, 64, 64))
    assert hf_ratio(noise + wave(10), noise) == pytest.approx(1.0, abs=1e-9)  # size/4 = 16, leak of one bin
    assert hf_ratio(noise + wave(24), noise) > 50


def test_blur_below_and_noise_above_1_on_images(cache: Path) -> None:
    target = images(8, 32)
    soft = ndimage.gaussian_filter(target, (0, 1, 1, 0))
    rng = np.random.default_rng(4)
    rough = np.clip(target + rng.normal(0, 15, target.shape), 0, 255).astype(np.uint8)
    context = context_for(target, cache)
    assert value(run(SpectrumMetric(context), target, target), "hf_ratio") == 1.0
    assert value(run(SpectrumMetric(context), soft, target), "hf_ratio") < 0.3
    assert value(run(SpectrumMetric(context), rough, target), "hf_ratio") > 2


def test_metric_curve_interval_and_batch_size(cache: Path) -> None:
    target, guess = images(9, 32), images(9, 32, seed=4) // 2
    context = context_for(target, cache)
    whole = run(SpectrumMetric(context), guess, target, batch=9)
    single = run(SpectrumMetric(context), guess, target, batch=1)
    assert whole.results == single.results
    assert whole.details == single.details
    result = by_name(whole)["hf_ratio"]
    assert result.goal == 1.0
    assert result.value == pytest.approx(hf_ratio(luminance(guess), luminance(target)))
    assert result.interval is not None
    assert result.interval[0] < hf_ratio(luminance(guess), luminance(target)) < result.interval[1]
    curve = json.loads(json.dumps(whole.details["spectrum"], allow_nan=False))
    assert curve["frequency"] == list(range(1, 17))
    ratios = np.array(curve["prediction"]) / np.array(curve["target"])
    assert curve["ratio"] == pytest.approx(ratios.tolist())
    assert min(curve["target"]) > 0


def test_constant_targets_have_no_ratio_and_constant_predictions_zero(cache: Path) -> None:
    flat, busy = np.full((3, 32, 32, 3), 77, np.uint8), images(3, 32)
    undefined = by_name(run(SpectrumMetric(context_for(flat, cache)), busy, flat))["hf_ratio"]
    assert undefined.value is None
    assert undefined.reason == "the targets have no power in the upper half of the spectrum"
    assert undefined.interval is None
    blank = run(SpectrumMetric(context_for(busy, cache)), flat, busy)
    assert value(blank, "hf_ratio") == pytest.approx(0.0, abs=1e-12)
    json.dumps(blank.details, allow_nan=False)


def test_the_real_row_compares_training_targets(cache: Path) -> None:
    target, train = images(4, 32), images(4, 32, seed=9)
    real = run(SpectrumMetric(context_for(target, cache, row="real", train_targets=train)), target, target)
    expected = run(SpectrumMetric(context_for(target, cache)), train, target)
    assert value(real, "hf_ratio") == value(expected, "hf_ratio") != 1.0
    without = by_name(run(SpectrumMetric(context_for(target, cache, row="real")), target, target))["hf_ratio"]
    assert without.value is None
    assert "no training targets" in str(without.reason)


def test_one_image(cache: Path) -> None:
    target = images(1, 32)
    result = by_name(run(SpectrumMetric(context_for(target, cache)), target, target))["hf_ratio"]
    assert result.value == 1.0
    assert result.interval is None

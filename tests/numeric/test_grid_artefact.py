"""Grid artefacts: what is on the lattice, patterns of known power, and images without a grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from metric_case import by_name, context_for, images, run, value
from scipy import ndimage

from bench.scoring.metrics import grid_artefact as grid
from bench.scoring.metrics.spectrum import SpectrumMetric, energy, luminance

PLACE = np.arange(64)
BOARD = (-1.0) ** (PLACE[:, None] + PLACE[None, :])


def score(prediction: np.ndarray, target: np.ndarray, periods: tuple[int, ...] = grid.PERIODS) -> float:
    """`grid_artefact` of (N, S, S) luminance."""
    sides = [
        np.stack([grid.peaks(energy(plane), plane.shape[1]) for plane in side])
        for side in (prediction, target)
    ]
    rows = np.hstack([side.reshape(len(side), -1) for side in sides])
    return float(grid.excess_of(target.shape[1:], periods)(rows.sum(0, keepdims=True))[0])


def noise(count: int = 100, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 0.1, (count, 64, 64))


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_the_lattice_is_every_multiple_of_an_eighth_once(size: int) -> None:
    where = grid.lattice(size, size)
    step = size // 8
    spanned = set()
    for row, column in zip(where.rows.tolist(), where.columns.tolist(), strict=True):
        spanned |= {(row, column), (-row % size, -column % size)}
    assert spanned == {(r, c) for r in range(0, size, step) for c in range(0, size, step)} - {(0, 0)}
    assert np.bincount(where.period)[[2, 4, 8]].tolist() == [3, 6, 24]
    assert not set(where.around.ravel().tolist()) & set(
        (where.rows * (size // 2 + 1) + where.columns).tolist()
    )


def test_power_around_is_that_of_the_whole_plane() -> None:
    plane = noise(1)[0]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * PLACE / 64)
    whole = np.abs(np.fft.fft2(plane * np.outer(hann, hann))) ** 2
    found = grid.peaks(energy(plane), plane.shape[1])
    where = grid.lattice(64, 64)
    for at, (row, column) in enumerate(zip(where.rows, where.columns, strict=True)):
        rows = [whole[(row + by) % 64, column] for by in (-3, -2, 2, 3)] if row else []
        columns = [whole[row, (column + by) % 64] for by in (-3, -2, 2, 3)] if column else []
        assert found[0, at] == pytest.approx(whole[row, column])
        assert found[1, at] == pytest.approx(np.mean(rows + columns))


def test_noise_images_and_blur_show_no_grid() -> None:
    assert score(noise(), noise()) == 0
    assert score(noise(seed=1), noise()) == pytest.approx(0, abs=0.06)
    assert score(0.5 + 2 * (noise(seed=1) - 0.5), noise()) == pytest.approx(0, abs=0.25)  # hf_ratio of 4
    blurred = ndimage.gaussian_filter(noise(), (0, 1.2, 1.2), mode="wrap")
    assert score(blurred, noise()) == pytest.approx(0, abs=0.06)


def test_a_checkerboard_has_the_power_of_its_amplitude() -> None:
    amplitude = 0.02  # a fifth of the noise: hf_ratio does not see it
    # its Hann transform is amplitude * (64/2)^2 in one coefficient; the noise's is sigma^2 * (3/8 * 64)^2
    expected = (amplitude * 32**2) ** 2 / (0.1**2 * (3 / 8 * 64) ** 2)
    assert score(noise() + amplitude * BOARD, noise(), (2,)) == pytest.approx(expected / 3, rel=0.1)
    assert score(noise() + amplitude * BOARD, noise()) == pytest.approx(expected / 33, rel=0.1)
    assert abs(score(noise() + amplitude * BOARD, noise(), (4,))) < 0.05


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_pattern_counts_at_its_own_period(period: int) -> None:
    stripes = 0.05 * ((PLACE % period) == 0)[None, None, :] * np.ones((1, 64, 1))
    found = {p: score(noise() + stripes, noise(), (p,)) for p in grid.PERIODS}
    assert found[period] > 0.4
    assert all(abs(found[p]) < 0.05 for p in grid.PERIODS if p > period)


def test_uneven_transposed_convolutions_show_and_even_ones_do_not() -> None:
    torch.manual_seed(0)
    content = ndimage.gaussian_filter(noise(60, seed=3), (0, 2, 2), mode="wrap")[:, None, ::2, ::2]
    deeper = torch.nn.functional.conv_transpose2d
    uneven = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    phases = [uneven[..., a::2, b::2].sum() for a in (0, 1) for b in (0, 1)]
    even = uneven.clone()
    for (a, b), total in zip([(0, 0), (0, 1), (1, 0), (1, 1)], phases, strict=True):
        even[..., a::2, b::2] /= total  # each output pixel gets weights that sum to 1
    made = [deeper(torch.from_numpy(content), w, stride=2, padding=1)[:, 0] for w in (uneven / 4, even)]
    natural = noise(60)
    assert score(made[0].numpy(), natural, (2,)) > 5
    assert abs(score(made[1].numpy(), natural, (2,))) < 0.2


def test_a_grid_that_the_targets_have_too_is_none() -> None:
    blocks = 0.1 * ((PLACE % 8) == 0)[None, :, None] * np.ones((1, 1, 64))  # as JPEG leaves them
    assert score(noise(seed=1) + blocks, noise() + blocks) == pytest.approx(0, abs=0.15)
    assert score(noise(seed=1), noise() + blocks) < -0.5


def test_an_invisible_grid_in_a_blurred_image_counts_little() -> None:
    faint = np.full((100, 64, 64), 0.5) + 0.001 * BOARD  # stands out of nothing, but nobody can see it
    assert score(faint, noise()) == pytest.approx(0, abs=0.06)


def test_metric_interval_batches_and_details(cache: Path) -> None:
    target = images(9, 64)
    guess = np.clip(images(9, 64, seed=4) + 6.0 * BOARD[None, :, :, None], 0, 255).astype(np.uint8)
    context = context_for(target, cache)
    whole = run(SpectrumMetric(context), guess, target, batch=9)
    assert whole.results == run(SpectrumMetric(context), guess, target, batch=1).results
    result = by_name(whole)["grid_artefact"]
    assert result.goal == 0.0
    assert result.value == pytest.approx(score(luminance(guess), luminance(target)))
    assert result.interval is not None
    assert 0 < result.interval[0] < result.value < result.interval[1]
    assert whole.per_image["grid_artefact_pseudo"].mean() == pytest.approx(result.value)
    assert whole.details["grid"]["2 px"] > 5 * abs(whole.details["grid"]["8 px"])
    assert value(run(SpectrumMetric(context), target, target), "grid_artefact") == 0


@pytest.mark.parametrize("size", [16, 33, 36])
def test_sizes_without_a_lattice_have_no_value(cache: Path, size: int) -> None:
    target = images(2, size)
    result = by_name(run(SpectrumMetric(context_for(target, cache)), target, target))["grid_artefact"]
    assert (result.value, result.reason) == (None, grid.UNFIT)


def test_targets_without_power_have_no_value(cache: Path) -> None:
    flat, busy = np.full((3, 32, 32, 3), 77, np.uint8), images(3, 32)
    result = by_name(run(SpectrumMetric(context_for(flat, cache)), busy, flat))["grid_artefact"]
    assert result.value is None
    assert "no power" in str(result.reason)

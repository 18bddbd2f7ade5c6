"""Metrics on images that are no squares, against other implementations and analytic cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from inception_file import write_inception
from metric_case import Images, by_name, context_for, images, run, value
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from bench.scoring.metrics import grid_artefact as grid
from bench.scoring.metrics.fid import FidMetric
from bench.scoring.metrics.spectrum import MIXED, SpectrumMetric, coefficients, energy, hf_ratio, power
from bench.scoring.metrics.structural import ssim
from bench.stages.trivial_rows import nearest_sources


def wide(count: int, seed: int = 0) -> Images:
    """(N, 256, 512, 3) uint8."""
    return images(count, 512, seed)[:, 100:356]


def test_ssim_of_512x256_equals_scikit_image() -> None:
    target, guess = wide(3), np.roll(wide(3, seed=1) // 2 + wide(3) // 3, 3, axis=2)
    for index in range(3):
        expected = structural_similarity(
            guess[index], target[index], gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            data_range=255, channel_axis=-1,
        )  # fmt: skip
        assert ssim(guess[index : index + 1], target[index : index + 1])[0] == pytest.approx(
            expected, abs=1e-6
        )


def test_fid_of_512x256_equals_torch_fidelitys(tmp_path: Path) -> None:
    """From PNG files, with random weights in the released format."""
    import torch_fidelity

    weights = write_inception(tmp_path / "inception.pth")
    sides = {"a": wide(6) // 2 + 20, "b": wide(6, seed=5)}
    for side, held in sides.items():
        (tmp_path / side).mkdir()
        for index, image in enumerate(held):
            Image.fromarray(image).save(tmp_path / side / f"{index:03d}.png")
    context = context_for(sides["b"], tmp_path / "cache", inception_weights=weights, size_px="512x256")
    found = value(run(FidMetric(context), sides["a"], sides["b"]), "fid")
    expected = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "a"), input2=str(tmp_path / "b"), fid=True, cuda=False, verbose=False,
        feature_extractor_weights_path=str(weights), cache=False, batch_size=6, save_cpu_ram=True,
    )["frechet_inception_distance"]  # fmt: skip
    print(f"FID of 512x256: {found:.6f} against {expected:.6f}, {abs(found / expected - 1):.1e} relative")
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("height", "width"), [(48, 96), (96, 48), (33, 50), (50, 33)])
def test_radial_bins_count_every_frequency_of_a_rectangle_once(height: int, width: int) -> None:
    """Against the whole plane of a complex transform, in cycles per pixel."""
    short = min(height, width)
    down, across = (np.fft.fftfreq(side, 1 / side).round() * short / side for side in (height, width))
    radius = np.hypot(down[:, None], across[None, :])
    bins = np.rint(radius).astype(int)
    expected = np.bincount(bins.ravel())[: short // 2 + 1]
    assert np.array_equal(coefficients(height, width), expected)
    plane = np.random.default_rng(0).random((1, height, width))
    window = np.outer(*(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n) for n in (height, width)))
    whole = np.abs(np.fft.fft2(plane[0] * window)) ** 2
    rows, band = power(plane)
    np.testing.assert_allclose(rows[0], np.bincount(bins.ravel(), whole.ravel())[: short // 2 + 1])
    upper = (radius > short / 4 + 1e-9) & (radius <= short / 2 + 1e-9)
    np.testing.assert_allclose(band[0], whole[upper].sum())


def test_a_frequency_means_the_same_detail_along_both_axes() -> None:
    """Stripes of 16 px (4 bins of 64 px) lie in one radial bin, across and down."""
    across = np.broadcast_to(np.cos(2 * np.pi * np.arange(128) / 16), (64, 128))
    down = np.broadcast_to(np.cos(2 * np.pi * np.arange(64) / 16)[:, None], (64, 128))
    for stripes in (across, down):
        rows, _ = power(0.5 + stripes[None] / 4)
        assert rows[0, 2:].argmax() + 2 == 4  # the window spreads the mean over 0 and 1


def test_hf_ratio_of_white_noise_is_its_share_at_every_shape() -> None:
    noise = np.random.default_rng(0).normal(size=(20, 64, 128))
    assert hf_ratio(0.5 * noise, noise) == pytest.approx(0.25)


@pytest.mark.parametrize(("height", "width"), [(32, 64), (64, 32), (64, 160)])
@pytest.mark.parametrize("period", grid.PERIODS)
def test_the_lattice_of_a_rectangle_finds_a_pattern_of_each_period(
    height: int, width: int, period: int
) -> None:
    y, x = np.mgrid[:height, :width]
    pattern = ((x % period == 0) & (y % period == 0)).astype(float)
    noise = np.random.default_rng(0).random((height, width))
    at, around = grid.peaks(energy(noise + 4 * pattern), width)
    where = grid.lattice(height, width)
    assert len(where.rows) == 33  # an eighth of both axes, without the mean, each mirror pair once
    shown = np.isin(where.period, [p for p in grid.PERIODS if p <= period])
    assert (at / around)[shown].min() > 2 * (at / around)[~shown].max(initial=0.0) or period == 8
    assert (at / around)[shown].min() > 5


def test_spectrum_metric_of_rectangles_states_its_unit_and_mixed_sizes_have_none(cache: Path) -> None:
    target, guess = images(3, 64)[:, :32], images(3, 64, seed=1)[:, :32]
    context = context_for(target, cache, size_px="64x32")
    output = run(SpectrumMetric(context), guess, target)
    found = by_name(output)
    assert found["hf_ratio"].protocol["band"] == "(size/4, size/2] cycles per shorter side"
    assert found["hf_ratio"].protocol["size_px"] == "64x32"
    assert output.details["spectrum"]["frequency"] == list(range(1, 17))
    assert found["grid_artefact"].value is not None
    square = by_name(run(SpectrumMetric(context_for(images(3, 32), cache)), images(3, 32, 1), images(3, 32)))
    assert square["hf_ratio"].protocol["band"] == "(size/4, size/2] cycles per picture"
    mixed = by_name(run(SpectrumMetric(context_for(target, cache, size_px="native")), guess, target))
    assert {name: (one.value, one.reason) for name, one in mixed.items()} == dict.fromkeys(
        ("hf_ratio", "grid_artefact"), (None, MIXED)
    )


def test_nearest_compares_areas_at_any_size() -> None:
    """Enlarging a 32 px image by whole pixels, and by 1.5, leaves its area means."""
    small = images(4, 32)
    larger: NDArray[np.uint8] = small.repeat(3, axis=1).repeat(5, axis=2)
    assert nearest_sources(larger[::-1], small).tolist() == [3, 2, 1, 0]
    between = np.stack([np.asarray(Image.fromarray(i).resize((50, 40), Image.Resampling.BOX)) for i in small])
    assert nearest_sources(between, small[::-1]).tolist() == [3, 2, 1, 0]

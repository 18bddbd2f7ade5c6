"""Graded faults of photos: each does what it says, by a known amount, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from bench.scoring.judges import faults
from bench.scoring.judges.faults import FAULTS, UNSPOILT, Scene

RNG = np.random.default_rng(4)
PHOTO = RNG.integers(40, 215, (64, 96, 3), dtype=np.uint8)
LABELS = np.repeat(np.repeat(RNG.integers(0, 3, (4, 6), dtype=np.uint8), 16, axis=0), 16, axis=1)
SCENE = Scene(PHOTO, LABELS, np.ascontiguousarray(PHOTO[:, ::-1]), 7)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind} {fault.grade}")
def test_size_and_type_stay_and_the_same_comes_again(fault: faults.Fault) -> None:
    made = fault.apply(SCENE)
    assert (made.shape, made.dtype) == (PHOTO.shape, np.uint8)
    assert np.array_equal(made, fault.apply(SCENE))
    assert fault.kind == "sub-sampling" or not np.array_equal(made, PHOTO)


def test_grades_rise() -> None:
    for kind in ("blur", "noise", "colour cast", "loss of colour", "JPEG"):
        off = [np.abs(f.apply(SCENE).astype(int) - PHOTO).mean() for f in FAULTS if f.kind == kind]
        assert off == sorted(off), kind
        assert len(set(off)) == len(off), kind
    assert np.array_equal(UNSPOILT.apply(SCENE), PHOTO)


def test_blur_is_separable_gaussian() -> None:
    expected = gaussian_filter1d(gaussian_filter1d(PHOTO.astype(float), 2.0, axis=0), 2.0, axis=1)
    assert np.array_equal(faults.blurred(PHOTO, 2.0), np.rint(expected).astype(np.uint8))


def test_a_checkerboard_has_all_its_power_at_its_period() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    for period in (2, 4):
        power = np.abs(np.fft.fft2(faults.with_checkerboard(grey, period)[..., 0].astype(float) - 128)) ** 2
        share = power[64 // period, 64 // period] / power.max()
        assert share == pytest.approx(1.0)
        assert power[0].sum() == pytest.approx(0.0)


def test_noise_has_the_deviation_that_it_says() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    assert (faults.with_noise(grey, 15, seed=1).astype(float) - 128).std() == pytest.approx(15, rel=0.02)


def test_loss_of_colour_keeps_luminance() -> None:
    weights = np.array([0.299, 0.587, 0.114])
    grey = faults.desaturated(PHOTO, 1.0)
    assert np.array_equal(grey[..., 0], grey[..., 1])
    assert np.abs(grey @ weights - PHOTO @ weights).max() <= 0.5 + 1e-9


def test_sub_sampling_of_a_small_photo_is_no_fault() -> None:
    assert faults.subsampled(PHOTO, 64) is PHOTO
    half = faults.subsampled(np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None].repeat(3, -1), 32)
    assert np.ptp(half) <= 1  # stripes of one pixel are grey at half the size


def test_shuffled_patches_keep_their_class_and_every_patch() -> None:
    labels = np.zeros((16, 32), np.uint8)
    labels[:, 16:] = 1
    photo = np.repeat(labels[..., None] * 100 + 20, 3, axis=-1).astype(np.uint8)
    photo[:8, :8] += 5
    made = faults.with_shuffled_patches(photo, labels, seed=3)
    assert sorted(made[:, :16].ravel()) == sorted(photo[:, :16].ravel())
    assert np.array_equal(made[:, 16:], photo[:, 16:])  # all alike there
    void = np.full_like(labels, 255)
    assert np.array_equal(faults.with_shuffled_patches(photo, void, seed=3), photo)

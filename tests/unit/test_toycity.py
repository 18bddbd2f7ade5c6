"""toycity: deterministic, the same scene at every size, many classes, many photos of one label map."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from toy_pairs import generate

from bench.data.cards import load_card
from bench.data.toycity import generator as toycity


@pytest.fixture(scope="module")
def sixty_four() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return generate("train", 120, 64)


def luminance(photos: NDArray[np.uint8]) -> NDArray[np.float64]:
    return photos @ np.array([0.299, 0.587, 0.114]) / 255


def band_power(photos: NDArray[np.uint8]) -> tuple[float, float]:
    """Power above a quarter of the sampling rate, and of everything but the mean, under a Hann window."""
    size = photos.shape[1]
    window = np.hanning(size)[:, None] * np.hanning(size)
    power = np.abs(np.fft.fft2(luminance(photos) * window)) ** 2
    frequency = np.fft.fftfreq(size) * size
    radius = np.hypot(frequency[:, None], frequency)
    high = (radius > size / 4) & (radius <= size / 2)
    return float(power[..., high].sum()), float(power[..., radius > 1.5].sum())


@pytest.mark.parametrize("size_px", [32, 64, 128, 256, 512])
def test_shapes_types_and_train_ids(size_px: int) -> None:
    photos, ids = generate("train", 2, size_px, start=7)
    assert photos.shape == (2, size_px, size_px, 3)
    assert ids.shape == (2, size_px, size_px)
    assert photos.dtype == ids.dtype == np.uint8
    assert set(np.unique(ids)) <= {*range(19), 255}
    assert photos.std() > 20


def test_a_sample_depends_on_split_and_index_alone() -> None:
    photos, ids = generate("test", 3, 64, start=4)
    for place in range(3):
        photo, labels = toycity.sample("test", 4 + place, 64)
        assert np.array_equal(photo, photos[place])
        assert np.array_equal(labels, ids[place])
    others = [toycity.sample("train", 4, 64)[1], toycity.sample("test", 5, 64)[1]]
    assert all((other != ids[0]).mean() > 0.05 for other in others)


def test_another_process_draws_the_same() -> None:
    program = (
        "import hashlib; from bench.data.toycity.generator import sample; "
        "p, i = sample('train', 3, 64); "
        "print(hashlib.sha256(p.tobytes() + i.tobytes()).hexdigest())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    photos, ids = toycity.sample("train", 3, 64)
    assert said.strip() == hashlib.sha256(photos.tobytes() + ids.tobytes()).hexdigest()


def test_at_least_ten_classes_are_common(sixty_four: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    _, ids = sixty_four
    present = np.array([(ids == k).any(axis=(1, 2)).mean() for k in range(19)])
    assert (present > 0.5).sum() >= 12
    assert (present > 0).all()
    share = np.bincount(ids.ravel(), minlength=256) / ids.size
    assert share[:19].max() < 0.4
    assert 0.005 < share[255] < 0.08
    assert share[:19].sum() + share[255] == pytest.approx(1)


def test_the_label_map_is_the_same_scene_at_every_size() -> None:
    for index in range(12):
        small, large = (toycity.sample("test", index, size)[1] for size in (64, 256))
        assert (small == large[2::4, 2::4]).mean() > 0.94  # centres differ by half a fine pixel
        shares = [np.bincount(ids.ravel(), minlength=256) / ids.size for ids in (small, large)]
        assert np.abs(shares[0] - shares[1]).max() < 0.012


def test_the_photo_is_the_same_scene_at_every_size() -> None:
    small, large = (toycity.sample("test", 3, size)[0].astype(float) for size in (64, 256))
    pooled = [
        a.reshape(16, a.shape[0] // 16, 16, a.shape[1] // 16, 3).mean(axis=(1, 3)) for a in (small, large)
    ]
    other = toycity.photo_variants("test", 3, 64, 2)[0][1].astype(float)
    other = other.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(pooled[0] - pooled[1]).mean() < 10
    assert np.abs(pooled[0] - other).mean() > 2 * np.abs(pooled[0] - pooled[1]).mean()


def test_one_label_map_has_many_photos() -> None:
    ratios = []
    for index in range(3):
        photos, ids = toycity.photo_variants("train", index, 64, 24)
        assert np.array_equal(ids, toycity.sample("train", index, 64)[1])
        assert np.array_equal(photos[0], toycity.sample("train", index, 64)[0])
        assert photos.astype(float).std(axis=0).mean() > 25  # grey levels
        blurred = photos.astype(float).mean(axis=0, keepdims=True).round().astype(np.uint8)
        ratios.append(band_power(blurred)[0] / (band_power(photos)[0] / len(photos)))
    assert np.mean(ratios) < 0.45, "the mean over valid photos must be much blurrier than a photo"


def test_photos_have_fine_texture(sixty_four: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    high, everything = band_power(sixty_four[0])
    assert high / everything > 0.15
    larger = generate("train", 6, 256)[0]
    assert np.divide(*band_power(larger)) > 0.01


def test_photo_and_labels_share_their_outlines() -> None:
    photos, ids = generate("train", 20, 128)
    grey = luminance(photos)
    step = np.abs(np.diff(grey, axis=2))
    border = ids[:, :, 1:] != ids[:, :, :-1]
    assert step[border].mean() > 2 * step[~border].mean()


def test_five_hundred_images_take_seconds() -> None:
    toycity.sample("train", 0, 64)  # noise tiles are made once
    began = time.process_time()
    generate("train", 50, 64)
    assert time.process_time() - began < 2.0  # 0.4 s on one 2020s core: 4 s for 500


def test_the_version_is_the_card_s() -> None:
    card = load_card("toycity")
    assert card.version == toycity.TOYCITY_VERSION
    assert len(card.train_classes) == 19

"""`copy`, `nearest`, `random` and `real`: rows that no training made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.data.types import SplitArrays
from bench.stages.trivial_rows import nearest_sources, random_targets, reference_predictions


def split(count: int, seed: int, channels: int = 3, dtype: Any = np.uint8) -> SplitArrays:
    rng = np.random.default_rng(seed)
    high = 65536 if dtype == np.uint16 else 256
    source = rng.integers(0, high, (count, 64, 64, channels)).astype(dtype)
    target = rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    return SplitArrays(tuple(map(str, range(count))), source, target, None, None, str(seed))


def test_nearest_is_the_smallest_distance_of_area_means() -> None:
    train, test = split(300, 0), split(7, 1)  # more than one chunk
    pooled = [s.source.astype(float).reshape(-1, 32, 2, 32, 2, 3).mean(axis=(2, 4)) for s in (train, test)]
    expected = [int(((pooled[0] - one) ** 2).sum(axis=(1, 2, 3)).argmin()) for one in pooled[1]]
    assert nearest_sources(train.source, test.source).tolist() == expected


def test_nearest_finds_the_same_image_and_the_first_of_equals() -> None:
    train = split(5, 0, channels=1, dtype=np.uint16)
    again = np.concatenate([train.source, train.source])
    assert nearest_sources(again, train.source[[3, 0]]).tolist() == [3, 0]


@pytest.mark.parametrize(("row", "wanted"), [("copy", "source"), ("real", "target")])
def test_copy_and_real_take_the_test_split_alone(row: str, wanted: str) -> None:
    test = split(3, 2)

    def no_training() -> SplitArrays:
        raise AssertionError("the training split is not needed")

    predictions = reference_predictions(row, no_training, test)
    assert np.array_equal(predictions(1), getattr(test, wanted)[1])


def test_nearest_gives_the_training_target() -> None:
    train, test = split(6, 3), split(2, 4)
    test.source[1] = train.source[4]
    predictions = reference_predictions("nearest", lambda: train, test)
    assert np.array_equal(predictions(1), train.target[4])


def test_sixteen_bits_stay_sixteen() -> None:
    train, test = split(6, 3), split(2, 4)
    deep = replace(train, target=train.target[..., :1].astype(np.uint16) * 200)
    for row in ("nearest", "random"):
        image = reference_predictions(row, lambda: deep, test)(0)
        assert image.dtype == np.uint16
        assert any(np.array_equal(image, target) for target in deep.target)


def test_random_gives_training_targets_and_looks_at_no_source() -> None:
    train, test = split(6, 3), split(4, 4)
    predictions = reference_predictions("random", lambda: train, test)
    made = [predictions(index) for index in range(4)]
    test.source[:] = train.source[:4]
    again = reference_predictions("random", lambda: train, test)
    assert all(np.array_equal(image, again(index)) for index, image in enumerate(made))
    assert all(any(np.array_equal(image, target) for target in train.target) for image in made)


@pytest.mark.parametrize(("train_n", "test_n"), [(2975, 500), (5, 17), (1, 3)])
def test_every_target_is_drawn_as_often_as_any_other(train_n: int, test_n: int) -> None:
    counts = np.bincount(random_targets(train_n, test_n), minlength=train_n)
    assert counts.sum() == test_n
    assert counts.max() - counts.min() <= 1
    assert random_targets(train_n, test_n).tolist() == random_targets(train_n, test_n).tolist()


def test_gray_sources_are_copied_as_rgb() -> None:
    test = split(2, 5, channels=1)
    assert reference_predictions("copy", lambda: test, test)(0).shape == (64, 64, 3)

"""A judge is trained on the training split alone, and says how many test photos it has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.core.progress import Reporter
from bench.data.open_dataset import open_dataset
from bench.data.types import SplitArrays
from bench.scoring.judges import trained as store
from bench.scoring.judges.train_test_overlap import seen_photos
from bench.scoring.one_pass import score
from bench.spec.pairs_used import data_spec
from bench.spec.scoring_choice import ScoringChoice
from bench.stages.data_in_use import Workbench

SIZE, TRAIN_N, TEST_N = 32, 12, 5


def photos(count: int, seed: int, channels: int = 3, dtype: Any = np.uint8) -> np.ndarray:
    high = 65536 if dtype == np.uint16 else 256
    return np.random.default_rng(seed).integers(0, high, (count, 8, 8, channels)).astype(dtype)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    recipe = store.default_recipe
    monkeypatch.setattr(store, "default_recipe", lambda *a: replace(recipe(*a), steps=2))
    dataset = open_dataset("toycity")
    choice = ScoringChoice(judge="fcn-small", metrics=("fcn_pixel_acc",))
    spec = data_spec(dataset, TRAIN_N, TEST_N)
    return Workbench(dataset, spec, tmp_path, "cpu", choice, Reporter())


def plant(split: SplitArrays, index: int, photo: np.ndarray) -> SplitArrays:
    target = np.array(split.target)
    target[index] = photo
    return replace(split, target=target, key=split.key + "planted")


def test_disjoint_splits_have_nothing_in_common() -> None:
    assert seen_photos(photos(130, 0), photos(70, 1), 8) == {
        "training_photos": 130,
        "test_photos": 70,
        "in_common": 0,
        "compared": "sha256 of the decoded pictures at 8 px",
    }


def test_planted_photos_are_counted_wherever_they_lie() -> None:
    training, test = photos(130, 0), photos(70, 1)
    test[[0, 69]], test[65] = training[[129, 0]], training[64]
    assert seen_photos(training, test, 8)["in_common"] == 3
    test[1] = test[0]  # each test photo counts, also one that is there twice
    assert seen_photos(training, test, 8)["in_common"] == 4
    test[0, 0, 0, 0] ^= 1  # one bit makes another photo
    assert seen_photos(training, test, 8)["in_common"] == 3


def test_photos_are_compared_as_eight_bit_rgb() -> None:
    gray, deep = photos(3, 0, channels=1), photos(3, 1, dtype=np.uint16) // 257 * 257
    assert seen_photos(gray, np.repeat(gray, 3, axis=-1), 8)["in_common"] == 3
    assert seen_photos(deep, (deep // 257).astype(np.uint8), 8)["in_common"] == 3


def test_memory_maps_are_compared_too(tmp_path: Path) -> None:
    np.save(tmp_path / "photos.npy", photos(150, 0))
    mapped = np.load(tmp_path / "photos.npy", mmap_mode="r")
    assert seen_photos(mapped[:140], mapped[130:], 8)["in_common"] == 10


def test_a_judge_is_trained_without_opening_the_test_split(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    load = type(bench.dataset).load

    def watched(self: Any, split: str, **options: Any) -> SplitArrays:
        opened.append(split)
        return load(self, split, **options)

    monkeypatch.setattr(type(bench.dataset), "load", watched)
    judge, reason = bench.judges.open(SIZE)[0]
    assert (opened, reason) == (["train"], None)
    assert judge.meta["train_n"] + judge.meta["held_out_n"] == TRAIN_N
    assert judge.meta["data_key"] == bench.train(SIZE).key


def test_the_record_says_that_no_test_photo_was_seen(bench: Workbench) -> None:
    context = bench.context(SIZE, "run")
    output, _ = score(lambda i: context.test.target[i], context, ("fcn_pixel_acc",), lambda done, text: None)
    assert output.details["judge"]["seen"] == {
        "training_photos": TRAIN_N,
        "test_photos": TEST_N,
        "in_common": 0,
        "compared": f"sha256 of the decoded pictures at {SIZE} px",
    }
    assert output.details["judge"]["hash"] == bench.judges.open(SIZE)[0][0].hash
    assert "seen" not in str(output.results[0].protocol)


def test_a_test_photo_planted_in_the_training_split_is_counted(bench: Workbench) -> None:
    key = ("train", SIZE)
    bench._splits[key] = plant(bench.train(SIZE), 7, bench.test(SIZE).target[2])
    seen = bench.context(SIZE, "run").judge.meta["seen"]
    assert (seen["in_common"], seen["training_photos"], seen["test_photos"]) == (1, TRAIN_N, TEST_N)


def test_each_test_set_is_compared_once(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(*arrays: Any) -> dict[str, Any]:
        calls.append(len(arrays[1]))
        return seen_photos(*arrays)

    monkeypatch.setattr("bench.scoring.judges.train_test_overlap.seen_photos", counted)
    first = bench.context(SIZE, "run").judge
    assert bench.context(SIZE, "copy").judge is first
    foreign = plant(bench.test(SIZE), 0, bench.train(SIZE).target[0])
    assert bench.judges.compared(foreign, SIZE)[0][0].meta["seen"]["in_common"] == 1
    assert (calls, first.meta["seen"]["in_common"]) == ([TEST_N, TEST_N], 0)

"""Validation images held out of the training images, and other choices among a data set's pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.core.errors import UsageError
from bench.core.resources import cache_dir
from bench.data.acquire.prepare import info
from bench.data.cards import card_names, load_card
from bench.data.chosen import drawn, hold_out, some_of
from bench.data.dataset import Dataset
from bench.data.open_dataset import open_dataset
from bench.spec.grid import GridRequest, Plan, resolve
from bench.spec.pairs_used import data_spec, open_again, with_val_share

SIZE = 32


@pytest.fixture
def mine(tmp_path: Path, write_pairs: Callable[..., Any]) -> Dataset:
    write_pairs(tmp_path / "mine", {"train": 10, "test": 3}, size_px=SIZE)
    return open_dataset("mine", root=tmp_path)


def test_training_and_validation_images_share_the_training_images(mine: Dataset) -> None:
    held = hold_out(mine, 10, 3)
    assert held.splits == {"train": 7, "val": 3, "test": 3}
    train, val = held.names("train"), held.names("val")
    assert sorted(train + val) == sorted(mine.names("train"))
    assert not set(train) & set(val)
    assert (held.names("test"), held.fingerprint("test")) == (mine.names("test"), mine.fingerprint("test"))
    for split in ("train", "val"):
        loaded = held.load(split, size_px=SIZE, cache=cache_dir())
        whole = mine.load("train", size_px=SIZE, cache=cache_dir())
        for name, source in zip(loaded.names, loaded.source, strict=True):
            np.testing.assert_array_equal(source, whole.source[whole.names.index(name)])


def test_the_draw_is_seeded_and_spread() -> None:
    kept, held = drawn(1000, 100)
    again = drawn(1000, 100)
    assert held.tolist() == again[1].tolist()
    assert sorted([*kept, *held]) == list(range(1000))
    assert drawn(5, 2)[1].tolist() == [2, 4]  # pinned: runs are found by the images they saw
    assert 400 < held.mean() < 600


@pytest.mark.parametrize("share", [math.nan, -0.1, 1.0])
def test_a_share_that_is_none_is_refused(share: float, mine: Dataset) -> None:
    with pytest.raises(UsageError, match="expected --val-share from 0 to below 1"):
        with_val_share(mine, 6, share)


def test_a_limit_comes_first_and_a_spec_opens_the_same_images_again(mine: Dataset) -> None:
    held = with_val_share(mine, 6, 0.34)
    data = data_spec(held, 6, None)
    assert (data.train_n, data.val_n, data.test_n) == (4, 2, 3)
    limited = set(mine.names("train", 6))
    assert set(held.names("train")) | set(held.names("val")) == limited
    again = open_again(data, mine.root)
    assert data_spec(again, data.train_n, data.test_n) == data
    assert again.names("val") == held.names("val")
    assert data.to_dict()["val_n"] == 2
    plain = data_spec(mine, 6, None)
    assert "val" not in open_again(plain, mine.root).splits
    assert set(plain.to_dict()) == {
        "name", "direction", "source", "train_n", "test_n", "train_fingerprint", "test_fingerprint"
    }  # fmt: skip


@pytest.fixture
def whole(tmp_path: Path, write_pairs: Callable[..., Any]) -> Dataset:
    """With a validation split of its own."""
    write_pairs(tmp_path / "whole", {"train": 4, "val": 7, "test": 3}, size_px=SIZE)
    return open_dataset("whole", root=tmp_path)


def grid(dataset: Dataset, **asked: Any) -> Plan:
    fields = {"steps": 8, "size_px": SIZE, "base_filters": 4, **asked}
    (plan,) = resolve(
        GridRequest(("l1",), datasets=(dataset.name,), data_roots=(str(dataset.root),), **fields)
    )
    return plan


def test_a_limit_of_the_own_validation_pairs(whole: Dataset) -> None:
    plan, plain = grid(whole, val_limit=3), grid(whole)
    assert plan.dataset.splits == {"train": 4, "val": 3, "test": 3}
    names = whole.names("val")
    assert plan.dataset.names("val") == (names[0], names[2], names[4]) == whole.names("val", 3)
    for split in ("train", "test"):
        assert plan.dataset.fingerprint(split) == whole.fingerprint(split)
    assert plan.dataset.fingerprint("val") == whole.fingerprint("val", 3) != whole.fingerprint("val")
    loaded = plan.dataset.load("val", size_px=SIZE, cache=cache_dir())
    np.testing.assert_array_equal(
        loaded.source, whole.load("val", size_px=SIZE, cache=cache_dir(), limit=3).source
    )
    again = open_again(plan.data, whole.root)  # as a worker does
    assert data_spec(again, plan.data.train_n, plan.data.test_n) == plan.data
    assert again.names("val") == plan.dataset.names("val")
    assert plan.data.to_dict() == {**plain.data.to_dict(), "val_limit": 3}
    assert plan.runs[0].id != plain.runs[0].id
    assert grid(whole, val_limit=7).runs[0].id == grid(whole, val_limit=99).runs[0].id == plain.runs[0].id
    assert "val_limit" not in plain.data.to_dict()  # so ids of before stay


def test_the_step_is_chosen_on_the_limited_validation_pairs(whole: Dataset) -> None:
    choice = grid(whole, val_limit=3, eval_every=2, choose="best:ssim").runs[0].choice
    assert choice is not None
    assert (choice.val_n, choice.val_fingerprint) == (3, whole.fingerprint("val", 3))


@pytest.mark.parametrize(("share", "found"), [(0.0, "train and test only"), (0.3, "--val-share")])
def test_a_limit_without_an_own_validation_split_is_refused(mine: Dataset, share: float, found: str) -> None:
    with pytest.raises(UsageError, match=f"expected a val split of mine itself .* found {found}: leave"):
        grid(mine, val_limit=3, val_share=share)


@pytest.mark.parametrize(("used", "held"), [(10, 0), (10, 10), (1, 1)])
def test_nothing_left_on_one_side_is_refused(mine: Dataset, used: int, held: int) -> None:
    with pytest.raises(UsageError, match="at least one image to train on and one for validation"):
        hold_out(mine, used, held)


def test_some_pairs_of_a_split(mine: Dataset) -> None:
    some = some_of(hold_out(mine, 10, 3), "val", [2, 0])
    names = hold_out(mine, 10, 3).names("val")
    assert some.names("val") == (names[2], names[0])
    assert some.splits == {"val": 2}


def test_data_info_says_where_validation_images_come_from_and_the_rule(
    mine: Dataset, tmp_path: Path, write_pairs: Callable[..., Any]
) -> None:
    def said(dataset: Dataset) -> str:
        return dict(info(dataset))["validation"]

    assert said(mine) == "no split of its own: --val-share 0.1 holds a tenth of the training pairs out"
    write_pairs(tmp_path / "whole", {"train": 2, "val": 3, "test": 2}, size_px=SIZE)
    own = open_dataset("whole", root=tmp_path)
    assert said(own) == "split val, 3 pairs: it is no part of training or test"
    write_pairs(tmp_path / "maps", {"train": 2, "val": 3}, size_px=SIZE)
    maps = open_dataset("maps", root=tmp_path)
    assert maps.splits == {"train": 2, "test": 3}
    assert said(maps).endswith(". The release has train and val: val is the test split")


def test_every_card_that_tests_on_val_says_so() -> None:
    for name in card_names():
        card = load_card(name)
        if "val" in str(card.splits["test"]):
            assert "val is the test split" in card.split_rule, name

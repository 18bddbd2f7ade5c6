"""The pieces of `--judge A,B`, and which resolution a judge gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench.core.errors import UsageError
from bench.data.cards import load_card, make_card
from bench.data.dataset import Dataset
from bench.data.open_dataset import open_dataset
from bench.data.types import DatasetCard
from bench.records.record import RunRecord
from bench.scoring.judges.augment import augment
from bench.scoring.judges.choice import Trained, as_asked, identity_of, named, panel
from bench.scoring.judges.train_network import Recipe, recipe_at_own_size
from bench.stages.judges_in_use import JudgesInUse
from bench.stages.reproduce import judge_of


@pytest.mark.parametrize(
    ("text", "judges"),
    [
        ("auto", ("auto",)),
        ("fcn-small,judge_px=64", ("fcn-small,judge_px=64",)),
        ("fcn-lite0,fcn-small", ("fcn-lite0", "fcn-small")),
        ("auto,judge_px=size,auto,judge_px=256", ("auto,judge_px=size", "auto,judge_px=256")),
        ("caffe:f.caffemodel,policy=guarded,fcn-small", ("caffe:f.caffemodel,policy=guarded", "fcn-small")),
        ("fcn-small,onnx:a,b.onnx,size=64", ("fcn-small", "onnx:a,b.onnx,size=64")),
        ("auto,torchvision:fcn_resnet50=w.pth", ("auto", "torchvision:fcn_resnet50=w.pth")),
        ("auto,fcn-smal", ("auto", "fcn-smal")),
    ],
)  # fmt: skip
def test_pieces_with_an_equals_sign_belong_to_the_judge_before(text: str, judges: tuple[str, ...]) -> None:
    assert panel(text) == judges


@pytest.mark.parametrize("text", ["fcn-small,fcn-small", "none,fcn-small", "fcn-small,", "auto,,none"])
def test_panels_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="--judge NAME"):
        panel(text)


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("fcn-lite0", "fcn-lite0,judge_px=size"),
        ("fcn-lite0,judge_px=256", "fcn-lite0,judge_px=256"),
        ("fcn-small,fcn-lite0,judge_px=256", "fcn-small,judge_px=size,fcn-lite0,judge_px=256"),
        ("caffe:0123456789abcdef", None),
        (None, "none"),
    ],
)
def test_what_a_record_names_is_asked_for_again(recorded: str | None, asked: str | None) -> None:
    assert as_asked(recorded) == asked
    spec = {"data": {"name": "toycity", "direction": "labels2photo"}}
    details = {"scoring": {"metrics": [], "judge": recorded}}
    before = RunRecord("l1", "run", "l1", spec, "finished", details=details)
    assert judge_of(before, "auto") == (asked or "auto")
    assert judge_of(before, "fcn-small") == "fcn-small"


def pairs_of(folder: Path, side: int, card: DatasetCard) -> Dataset:
    """A folder of pix2pix pairs of that side, as a data set with `card`."""
    pixels = np.random.default_rng(0).integers(0, 255, (side, 2 * side, 3), dtype=np.uint8)
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / split / "1.png")
    return replace(open_dataset("cityscapes", root=folder), card=card)


def in_use(dataset: Dataset, asked: str, device: str = "cpu") -> JudgesInUse:
    def nothing(size_px: int) -> Any:
        raise AssertionError

    return JudgesInUse(dataset, asked, Path(), device, nothing, 1, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("card_px", "photo_px", "asked", "identity"),
    [
        (512, 256, "auto", "fcn-lite0,judge_px=256"),  # never larger than the photos
        (128, 256, "auto", "fcn-lite0,judge_px=128"),
        (64, 256, "auto", "fcn-small,judge_px=64"),
        (512, 256, "fcn-small", "fcn-small,judge_px=256"),
        (512, 256, "fcn-small,judge_px=size", "fcn-small"),
        (512, 256, "fcn-small,judge_px=64", "fcn-small,judge_px=64"),
        ("size", 256, "auto", "fcn-small"),
        ("1024x512", 256, "auto", "fcn-lite0,judge_px=256"),  # the pairs: squares, as before
        ("256x128", 256, "auto", "fcn-lite0,judge_px=256x128"),
        ("128x128", 256, "auto", "fcn-lite0,judge_px=128"),
        ("192x64", 256, "auto", "fcn-small,judge_px=192x64"),
        (512, 256, "fcn-small,judge_px=96x64", "fcn-small,judge_px=96x64"),
        (512, 256, "fcn-small,judge_px=64x64", "fcn-small,judge_px=64"),
    ],
)
def test_the_card_names_the_resolution_and_the_photos_bound_it(
    tmp_path: Path, card_px: Any, photo_px: int, asked: str, identity: str
) -> None:
    card = replace(load_card("cityscapes"), judge_px=card_px)
    judges = in_use(pairs_of(tmp_path, photo_px, card), asked)
    assert list(map(identity_of, judges.names(64))) == [identity]


@pytest.mark.parametrize(
    ("photo", "judge_px"),
    [((2048, 1024), "1024x512"), ((1024, 512), "1024x512"), ((512, 256), "512x256"), ((256, 256), 256)],
)
def test_no_axis_of_a_judge_is_larger_than_the_photos(
    photo: tuple[int, int], judge_px: int | str, tmp_path: Path
) -> None:
    """Official Cityscapes has 2048x1024; prepared copies and the pairs are smaller."""
    pixels = np.zeros((photo[1], photo[0], 3), np.uint8)
    for folder in ("train/photo", "train/labels", "val/photo", "val/labels"):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(pixels if "photo" in folder else pixels[..., 0]).save(tmp_path / folder / "1.png")
    (found,) = in_use(open_dataset("cityscapes", root=tmp_path), "auto").names(256)
    assert found == Trained("fcn-lite0", judge_px)


def test_cards() -> None:
    named_px = {name: load_card(name).judge_px for name in ("cityscapes", "facades", "toycity", "maps")}
    assert named_px == {"cityscapes": "1024x512", "facades": 256, "toycity": "size", "maps": "size"}
    plain = {
        "name": "x", "title": "x", "version": "1", "licence": "-", "homepage": "", "domains": ["a", "b"],
        "roles": ["photo", "photo"], "direction": "a2b", "layouts": ["folders"], "size_px": 64,
        "splits": {"train": "train", "test": "test"}, "how_to_get": "-",
    }  # fmt: skip
    assert make_card(plain).judge_px == "size"
    assert make_card({**plain, "judge_px": "96x64"}).judge_px == "96x64"
    for wrong in (16, 4096, "large", 0.5, "16x64", "64x4096", "64x", "0064x64", "64x64\n"):
        with pytest.raises(ValueError, match="judge_px"):
            make_card({**plain, "judge_px": wrong})


def test_a_judge_of_whole_images_keeps_its_recipe() -> None:
    assert not {"crop_px", "colour"} & set(Recipe(steps=5).to_dict())
    own = recipe_at_own_size("fcn-lite0", 2975, 256)
    assert (own.crop_px, own.max_zoom, own.brightness, own.colour) == (48, 1.0, 0.3, 0.15)
    assert own.to_dict()["crop_px"] == 48
    assert recipe_at_own_size("fcn-small", 40, 64).crop_px == 32
    # A fifth of the photo's width (404 of 2048), in steps of 16; never higher than the photo.
    assert recipe_at_own_size("fcn-lite0", 2975, "1024x512").crop_px == 208
    assert recipe_at_own_size("fcn-lite0", 2975, "2048x128").crop_px == 128


def test_colours_change_channel_by_channel_and_stay_in_range() -> None:
    photos = np.full((64, 16, 16, 3), 128, np.uint8)
    labels = np.zeros((64, 16, 16), np.uint8)
    images, _ = augment(photos, labels, 1.0, 0.0, torch.Generator().manual_seed(1), 8, colour=0.15)
    flat = images.mean((2, 3))
    assert (images.std((2, 3)) < 1e-6).all()  # a photo changes as a whole
    middle, reach = 128 / 255, 128 / 255 * 0.15 + 0.06
    assert ((flat - middle).abs() <= reach + 1e-6).all()
    assert (flat[:, 0] - flat[:, 1]).abs().max() > 0.05  # a tint, not light alone
    plain, _ = augment(photos, labels, 1.0, 0.0, torch.Generator().manual_seed(1), 8)
    assert torch.equal(plain, torch.full_like(plain, 128 / 255))


def test_crops_are_pieces_of_the_photos_with_their_labels() -> None:
    photos = np.random.default_rng(0).integers(0, 255, (3, 64, 96, 3), dtype=np.uint8)
    labels = photos[..., 0]  # so that each label tells its pixel
    images, truth = augment(photos, labels, 1.0, 0.0, torch.Generator().manual_seed(1), 32)
    assert (images.shape, truth.shape) == ((3, 3, 32, 32), (3, 32, 32))
    assert torch.equal((images[:, 0] * 255).round().long(), truth)
    assert named("fcn-lite0") == ("fcn-lite0", None)

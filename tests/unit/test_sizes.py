"""Sizes that are no squares of a power of two: their form, padding, windows, and images of mixed sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from baselines.generators import Generator
from baselines.padding import cropped, padded
from baselines.pairs import batch_at, choices_at, raw_tensor, windows
from baselines.settings import TestSettings, TrainingSettings
from baselines.sizes import (
    LARGER_NATIVE,
    ImageSize,
    image_size,
    parse_size,
    size_for,
    size_order,
)
from baselines.trainer import Trainer
from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint, translations
from baselines.variants import parse_variant
from bench.data.cache import Sample, load_split
from bench.data.types import SplitArrays


@pytest.mark.parametrize(
    ("text", "size"),
    [("256", 256), ("512x256", "512x256"), ("256X256", 256), (" 200x250 ", "200x250"), ("native", "native")],
)
def test_a_square_is_a_number_and_all_else_is_text(text: str, size: int | str) -> None:
    assert parse_size(text) == size
    if size != "native":
        assert image_size(size).document == size


@pytest.mark.parametrize(
    "text", ["", "x", "256x", "x256", "0", "0256", "25.6", "256x256x3", "-64", "big", "1e3"]
)
def test_what_is_no_size_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="512x256 \\(WIDTHxHEIGHT\\) or native, found"):
        parse_size(text)


def test_native_keeps_a_size_and_others_replace_it() -> None:
    own = ImageSize(200, 250)
    assert size_for(None, own) == size_for("native", own) == own
    assert size_for(64, own) == ImageSize(64, 64)
    assert size_for("512x256", own) == ImageSize(512, 256)
    assert size_for(LARGER_NATIVE, own) == ImageSize(223, 279)


def test_enlarging_can_be_undone_at_every_side() -> None:
    sides = [ImageSize(side, side + 7) for side in range(32, 2042)]
    assert [size.enlarged.before_enlarging for size in sides] == sides


def test_sizes_sort_by_area_and_native_is_last() -> None:
    assert sorted(["native", 256, "128x64", 64], key=size_order) == [64, "128x64", 256, "native"]


@pytest.mark.parametrize(("height", "width"), [(40, 56), (32, 40), (33, 64), (17, 19), (5, 3)])
def test_padding_mirrors_the_image_and_is_cropped_back(height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width)
    whole, window = padded(images, 32)
    assert whole.shape == (2, 3, -(-height // 32) * 32, -(-width // 32) * 32)
    assert torch.equal(cropped(whole, window), images)
    down, across = whole.shape[2] - height, whole.shape[3] - width
    ends = ((0, 0), (0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2))
    if max(down, across) // 2 < min(height, width) - 1:  # one reflection is enough: numpy's is the same
        assert np.array_equal(whole.numpy(), np.pad(images.numpy(), ends, mode="reflect"))


def test_one_row_has_nothing_to_mirror() -> None:
    with pytest.raises(ValueError, match="expected images of 2 px or more on each side to mirror, found 9x1"):
        padded(torch.rand(1, 3, 1, 9), 32)


def test_what_fits_is_not_padded_at_all() -> None:
    images = torch.rand(1, 3, 64, 32)
    whole, window = padded(images, 32)
    assert whole is images
    assert window is None
    assert cropped(images, window) is images


@pytest.mark.parametrize("size", ["96x64", "64x96", 100, "200x40"])
@pytest.mark.parametrize("kind", ["unet", "encdec"])
def test_a_generator_gives_back_the_size_of_its_source(size: int | str, kind: str) -> None:
    sides = image_size(size)
    generator = Generator(3, 1, size, base_filters=2, skips=kind == "unet").eval()
    source = torch.rand(2, 3, *sides.shape) * 2 - 1
    made = generator(source)
    assert made.shape == (2, 1, *sides.shape)
    levels = sides.shorter.bit_length() - 1
    ends = []
    for side in (sides.width, sides.height):
        missing = -side % 2**levels
        ends += [missing // 2, missing - missing // 2]
    whole = functional.pad(source, ends, mode="reflect")
    top, left = ends[2], ends[0]
    inside = generator(whole)[..., top : top + sides.height, left : left + sides.width]
    torch.testing.assert_close(made, inside, rtol=0, atol=0)


def test_jitter_loads_each_axis_larger_and_windows_stay_inside() -> None:
    settings = TrainingSettings(steps=1, size_px="128x64")
    assert settings.load_size_px == "143x72"
    assert replace(settings, jitter=False).load_size_px == "128x64"
    assert TrainingSettings(steps=1, size_px=256).load_size_px == 286
    corners = np.concatenate([choices_at(step, 7, settings, 0) for step in range(200)])
    assert set(corners[:, 1]) == set(range(72 - 64 + 1))
    assert set(corners[:, 2]) == set(range(143 - 128 + 1))


def pairs(count: int, *shape: int) -> SplitArrays:
    rng = np.random.default_rng(1)
    source, target = (rng.integers(0, 256, (count, *shape, 3), np.uint8) for _ in range(2))
    return SplitArrays(tuple(map(str, range(count))), source, target, None, None, "key")


def test_windows_of_rectangles_are_the_same_on_the_device() -> None:
    settings = TrainingSettings(steps=1, size_px="48x32", batch_size=3)
    data = pairs(5, *image_size(settings.load_size_px).shape)
    source, _ = batch_at(2, data, settings, 0)
    assert source.shape == (3, 32, 48, 3)
    choices = torch.from_numpy(choices_at(2, 5, settings, 0))
    (there,) = windows([raw_tensor(data.source)], choices, ImageSize(48, 32))
    assert np.array_equal(there.numpy(), source)


def mixed(tmp_path: Path, sizes: list[tuple[int, int]], scale: bool) -> SplitArrays:
    """Pairs of several sizes, through the cache; enlarged as jitter wants them if `scale`."""
    rng = np.random.default_rng(2)

    def read(index: int) -> Sample:
        size = ImageSize(*sizes[index])
        height, width = (size.enlarged if scale else size).shape
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        return Sample(image, 255 - image, image[..., 0] % 5)

    return load_split(tmp_path, f"k{scale}", tuple(map(str, range(len(sizes)))), read, mixed=True)


SIZES = [(64, 40), (33, 50), (70, 70)]


def test_images_of_mixed_sizes_come_back_from_the_cache(tmp_path: Path) -> None:
    first, again = mixed(tmp_path, SIZES, False), mixed(tmp_path, SIZES, False)
    assert [image.shape for image in first.source] == [(40, 64, 3), (50, 33, 3), (70, 70, 3)]
    assert first.labels is not None
    for index in range(len(SIZES)):
        assert np.array_equal(first.target[index], 255 - first.source[index])
        assert np.array_equal(first.labels[index], first.source[index][..., 0] % 5)
        assert np.array_equal(first.source[index], again.source[index])


def test_native_trains_on_windows_of_each_images_own_size_and_translates_any(tmp_path: Path) -> None:
    settings = TrainingSettings(steps=4, size_px="native", levels=5, base_filters=2)
    data = mixed(tmp_path, SIZES, True)
    shapes = {batch_at(step, data, settings, 0)[0].shape[1:3] for step in range(3)}
    assert shapes == {(height, width) for width, height in SIZES}
    trainer = Trainer(parse_variant("l1+cgan/16"), settings, data, 0, torch.device("cpu"))
    history = list(trainer.train(log_every=4))
    assert np.isfinite(history[-1]["loss_l1"])
    about = Checkpoint(trainer.generator, trainer.variant, settings, 3, "uint8", "bicubic", "uint8", "run")
    save_checkpoint(tmp_path / "g.safetensors", about)
    back = load_checkpoint(tmp_path / "g.safetensors", torch.device("cpu"))
    assert back.settings == settings
    sources = [(image, 0) for image in mixed(tmp_path, SIZES, False).source]
    made = list(translations(back, sources, TestSettings(), batch_size=2))
    assert [image.shape for image in made] == [image.shape for image, _ in sources]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"batch_size": 2, "levels": 5}, "batch size 1 with size native"),
        ({"engine": "captured", "levels": 5}, "engine eager with size native"),
        ({}, "levels with size native"),
        ({"levels": 4}, "5 to 9 levels"),
    ],
)
def test_native_refuses_what_needs_one_size(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TrainingSettings(steps=1, size_px="native", **fields)


def test_a_rectangle_trains_repeats_and_resumes(tmp_path: Path) -> None:
    settings = TrainingSettings(steps=4, size_px="48x32", base_filters=2)
    data = pairs(3, *image_size(settings.load_size_px).shape)

    def trained(stop_at: int) -> Trainer:
        trainer = Trainer(parse_variant("l1+cgan/16"), settings, data, 0, torch.device("cpu"))
        while trainer.steps_done < stop_at:
            trainer.step()
        return trainer

    whole, part = trained(4), trained(2)
    part.save(tmp_path / "state", "run")
    resumed = trained(0)
    resumed.restore(tmp_path / "state", "run")
    while resumed.steps_done < 4:
        resumed.step()
    for one, other in zip(whole.generator.parameters(), resumed.generator.parameters(), strict=True):
        assert torch.equal(one, other)

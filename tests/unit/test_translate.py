"""Translation: a seed an image, its own statistics, and checkpoints that come back or are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from one_image import translate
from safetensors.torch import save_file

from baselines.build import build_generator
from baselines.checksummed import load_checked, save_checked
from baselines.engine import arithmetic
from baselines.pairs import to_image, to_tensor
from baselines.settings import TestSettings, TrainingSettings
from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint, translations
from baselines.variants import parse_variant

CPU = torch.device("cpu")
PAPER = TestSettings()
RUNNING = TestSettings(dropout=False, norm="running")


def make(
    name: str = "l1", channels: tuple[int, int] = (3, 3), dtype: str = "uint8", norm: str = "batch"
) -> Checkpoint:
    variant = replace(parse_variant(name), norm=norm)
    settings = TrainingSettings(steps=1, size_px=32, base_filters=4)
    torch.manual_seed(0)
    generator = build_generator(variant, settings, *channels).train()
    for layer in generator.modules():  # as if trained: running statistics of their own
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(generator.up[-1][1].weight, std=0.3)  # visible differences
    return Checkpoint(generator, variant, settings, channels[0], dtype, "bicubic", dtype, "run-1")


def image(seed: int = 0, channels: int = 3, dtype: type = np.uint8) -> NDArray[Any]:
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (32, 32, channels), dtype, endpoint=True)


def test_the_seed_decides_the_dropout() -> None:
    checkpoint, source = make(), image()
    one = translate(checkpoint, source, PAPER, 1)
    assert (one.shape, one.dtype) == ((32, 32, 3), np.uint8)
    np.testing.assert_array_equal(one, translate(checkpoint, source, PAPER, 1))
    assert not np.array_equal(one, translate(checkpoint, source, PAPER, 2))


def test_an_image_does_not_depend_on_those_before_it() -> None:
    checkpoint = make()
    alone = translate(checkpoint, image(0), PAPER, 5)
    for seed in range(1, 4):
        translate(checkpoint, image(seed), PAPER, seed)
    torch.manual_seed(99)
    np.testing.assert_array_equal(alone, translate(checkpoint, image(0), PAPER, 5))


@pytest.mark.parametrize("test", [PAPER, TestSettings(dropout=False), RUNNING])
def test_translating_leaves_the_generator_and_the_random_state_alone(test: TestSettings) -> None:
    checkpoint = make()
    before = {name: value.clone() for name, value in checkpoint.generator.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    translate(checkpoint, image(), test, 1)
    assert torch.equal(torch.rand(1), expected)
    after = checkpoint.generator.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(layer.training for layer in checkpoint.generator.modules())


def test_without_dropout_the_seed_does_not_matter() -> None:
    checkpoint, off = make(), TestSettings(dropout=False)
    np.testing.assert_array_equal(
        translate(checkpoint, image(), off, 1), translate(checkpoint, image(), off, 2)
    )
    assert not np.array_equal(
        translate(checkpoint, image(), off, 1), translate(checkpoint, image(), PAPER, 1)
    )
    none = make("no-dropout")
    np.testing.assert_array_equal(translate(none, image(), PAPER, 1), translate(none, image(), PAPER, 2))


def expected_image(checkpoint: Checkpoint, source: NDArray[Any]) -> NDArray[np.uint8]:
    with torch.no_grad():
        made = checkpoint.generator(to_tensor(source[None], CPU))
    return to_image(made, np.dtype(np.uint8))[0]


def test_running_statistics_are_pytorchs_eval() -> None:
    checkpoint = make()
    running = translate(checkpoint, image(), RUNNING, 1)
    own = translate(checkpoint, image(), TestSettings(dropout=False), 1)
    checkpoint.generator.eval()
    np.testing.assert_array_equal(running, expected_image(checkpoint, image()))
    assert not np.array_equal(running, own)


def test_own_statistics_are_train_mode_on_a_batch_of_one() -> None:
    checkpoint = make("no-dropout")
    own = translate(checkpoint, image(), PAPER, 1)
    np.testing.assert_array_equal(own, expected_image(checkpoint, image()))


@pytest.mark.parametrize("test", [PAPER, TestSettings(dropout=False), RUNNING, TestSettings(norm="running")])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("name", ["l1", "encdec:l1"])
def test_a_batch_holds_what_each_image_is_alone(name: str, norm: str, test: TestSettings) -> None:
    checkpoint = make(name, norm=norm)
    sources = [(image(seed), seed) for seed in range(7)]
    alone = np.stack([translate(checkpoint, source, test, seed) for source, seed in sources])
    if name == "l1" or (norm, test.norm) == ("batch", "batch"):  # untrained, the others all but ignore them
        assert np.ptp(alone.astype(int), axis=0).any()
    for batch_size in (3, 16):
        made = np.stack(list(translations(checkpoint, sources, test, batch_size)))
        assert np.abs(made.astype(int) - alone).max() <= 1  # convolutions sum in another order
        assert (made != alone).mean() < 0.01


def test_batches_leave_the_random_state_and_the_statistics_alone() -> None:
    checkpoint = make()
    before = {name: value.clone() for name, value in checkpoint.generator.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    list(translations(checkpoint, [(image(seed), seed) for seed in range(5)], PAPER, 4))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(value, before[name]) for name, value in checkpoint.generator.state_dict().items())


@pytest.mark.parametrize(("channels", "dtype"), [((1, 3), "uint8"), ((3, 1), "uint16"), ((1, 1), "uint8")])
def test_channels_and_sample_types(channels: tuple[int, int], dtype: str) -> None:
    made = translate(make(channels=channels, dtype=dtype), image(channels=channels[0]), PAPER, 0)
    assert (made.shape, made.dtype) == ((32, 32, channels[1]), np.dtype(dtype))
    if dtype == "uint16":
        assert np.unique(made % 257).size > 1  # more than 8 bits are in use
    wide = translate(make(channels=channels, dtype=dtype), image(0, channels[0], np.uint16), PAPER, 0)
    assert wide.dtype == np.dtype(dtype)


@pytest.mark.parametrize("name", ["l1", "encdec:l1+cgan", "no-dropout", "imagegan"])
def test_a_checkpoint_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    path = tmp_path / "generator.safetensors"
    saved = make(name, channels=(1, 3))
    save_checkpoint(path, saved)
    loaded = load_checkpoint(path, CPU)
    assert (loaded.variant, loaded.settings, loaded.identity) == (saved.variant, saved.settings, "run-1")
    assert (loaded.source_channels, loaded.target_dtype) == (1, "uint8")
    assert loaded.generator.training
    source = image(channels=1)
    for test in (PAPER, RUNNING):
        np.testing.assert_array_equal(translate(saved, source, test, 4), translate(loaded, source, test, 4))


def spoil_content(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Callable[[Path], None]:
    """Write weights and description again after `change`, with a checksum that matches."""

    def apply(path: Path) -> None:
        weights, about = load_checked(path)
        change(weights, about)
        save_checked(path, weights, about)

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x80\x04no safetensors"),
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: save_file({"weight": torch.ones(2)}, path),
        lambda path: save_file({"weight": torch.ones(2)}, path, metadata={"about": "[]"}),
        lambda path: save_file({"weight": torch.ones(2)}, path, metadata={"about": "{"}),
        spoil_content(lambda weights, _: weights.pop("up.0.1.weight")),
        spoil_content(lambda _, about: about.update(format="pix2pix-bench generator 99")),
        spoil_content(lambda _, about: about.pop("settings")),
        spoil_content(lambda _, about: about["variant"].update(norm="layer")),
        spoil_content(lambda _, about: about["variant"].update(colour="red")),
        spoil_content(lambda _, about: about["settings"].update(size_px=64)),
        spoil_content(lambda _, about: about["settings"].update(size_px=100)),
        spoil_content(lambda _, about: about.update(variant=None)),
    ],
)
def test_what_is_no_checkpoint_is_refused_by_name(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "generator.safetensors"
    save_checkpoint(path, make())
    spoil(path)
    with pytest.raises(ValueError, match=r"checkpoint") as caught:
        load_checkpoint(path, CPU)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_translation_has_the_precision_of_its_training() -> None:
    """It does not depend on the settings of the process, which are the same afterwards."""
    checkpoint, seen = make(), []
    checkpoint.generator.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    for precision, expected in (("fp32", False), ("tf32", True), ("default", True)):
        asked = replace(checkpoint, settings=replace(checkpoint.settings, precision=precision))
        with arithmetic("fp32" if expected else "tf32"):
            translate(asked, image(), PAPER, 1)
            assert seen.pop() is expected
            assert torch.backends.cudnn.allow_tf32 is not expected

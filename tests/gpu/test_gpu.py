"""The same code on a CUDA device: it trains, resumes, translates, and agrees with the CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_pairs import noise_pairs
from one_image import translate

from baselines.engine import describe_device, resolve_device, set_precision
from baselines.settings import TestSettings, TrainingSettings
from baselines.trainer import Trainer
from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint
from baselines.variants import parse_variant

pytestmark = pytest.mark.gpu
SETTINGS = TrainingSettings(steps=8, size_px=64, base_filters=16, precision="fp32")


@pytest.fixture(autouse=True)
def _defaults() -> Any:
    """Leave TF32 as the framework has it."""
    yield
    set_precision("default", resolve_device("cuda"))


def trainer(name: str, device: str, settings: TrainingSettings = SETTINGS) -> Trainer:
    data = noise_pairs(6, settings.load_size_px, seed=0)
    return Trainer(parse_variant(name), settings, data, 0, resolve_device(device))


def losses(run: Trainer, log_every: int = 1) -> dict[str, list[float]]:
    entries = list(run.train(log_every=log_every))
    return {key: [entry[key] for entry in entries] for key in entries[0] if key.startswith("loss")}


def test_auto_is_the_gpu() -> None:
    assert resolve_device("auto").type == "cuda"
    assert describe_device(resolve_device("cuda:0")) == torch.cuda.get_device_name(0)
    with pytest.raises(ValueError, match="does not find it"):
        resolve_device("cuda:99")


def test_weights_start_alike_on_both_devices() -> None:
    here, there = trainer("l1+cgan", "cpu"), trainer("l1+cgan", "cuda")
    for one, other in zip(here.generator.parameters(), there.generator.parameters(), strict=True):
        assert torch.equal(one, other.cpu())


@pytest.mark.parametrize("name", ["l1", "gan", "l1+cgan", "encdec:l1+cgan"])
def test_the_first_steps_agree_with_the_cpu(name: str) -> None:
    """Without dropout, whose masks come from another generator on each device."""
    settings = replace(SETTINGS, steps=3)
    variant = parse_variant(name).with_fields({"dropout": 0.0})

    def curves(device: str) -> dict[str, list[float]]:
        run = trainer(name, device, settings)
        return losses(Trainer(variant, settings, run.data, 0, resolve_device(device)))

    here, there = curves("cpu"), curves("cuda")
    for key in here:
        np.testing.assert_allclose(here[key], there[key], rtol=2e-3, err_msg=key)


@pytest.mark.parametrize("precision", ["default", "fp32", "tf32", "bf16"])
def test_every_precision_trains_to_about_the_same_losses(precision: Any) -> None:
    exact = losses(trainer("l1+cgan", "cuda"), log_every=8)
    other = losses(trainer("l1+cgan", "cuda", replace(SETTINGS, precision=precision)), log_every=8)
    for key, values in exact.items():
        np.testing.assert_allclose(other[key], values, rtol=0.1, err_msg=key)


def test_a_run_resumes_on_the_gpu(tmp_path: Path) -> None:
    whole = losses(trainer("l1+cgan", "cuda"), log_every=4)
    first = trainer("l1+cgan", "cuda")
    next(iter(first.train(log_every=4)))
    first.save(tmp_path / "state.safetensors", "me")
    resumed = trainer("l1+cgan", "cuda")
    resumed.restore(tmp_path / "state.safetensors", "me")
    rest = losses(resumed, log_every=4)
    for key, values in whole.items():  # cuDNN may sum in another order: close, not equal
        np.testing.assert_allclose(rest[key], values[1:], rtol=1e-2, err_msg=key)


def test_a_checkpoint_made_on_the_gpu_translates_on_both(tmp_path: Path) -> None:
    run = trainer("l1+cgan", "cuda")
    losses(run, log_every=8)
    checkpoint = Checkpoint(run.generator, run.variant, SETTINGS, 3, "uint8", "bicubic", "uint8", "run")
    save_checkpoint(tmp_path / "g.safetensors", checkpoint)
    here = load_checkpoint(tmp_path / "g.safetensors", resolve_device("cpu"))
    there = load_checkpoint(tmp_path / "g.safetensors", resolve_device("cuda"))
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    off = TestSettings(dropout=False)
    difference = np.abs(translate(here, image, off, 0).astype(int) - translate(there, image, off, 0))
    assert difference.max() <= 2
    once, again = (translate(there, image, TestSettings(), 5) for _ in range(2))
    assert np.abs(once.astype(int) - again).max() <= 1


def test_the_full_size_fits_and_steps() -> None:
    settings = TrainingSettings(steps=3, size_px=256, batch_size=1)
    curves = losses(trainer("l1+cgan", "cuda", settings))
    assert all(np.isfinite(values).all() for values in curves.values())

"""The captured step: the same numbers as the eager one, for every kind of variant, resumed and streamed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agreement import compare_engines
from step_checks import VARIANTS

import bench.core.plugins  # noqa: F401 - brings the features of EfficientNet-Lite0
from baselines import feed
from baselines.engine import set_precision
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant
from bench.launch.cost.step_worker import random_pairs

pytestmark = pytest.mark.gpu
GPU = torch.device("cuda")
SETTINGS = TrainingSettings(steps=12, size_px=64, base_filters=16, precision="fp32", engine="captured")


@pytest.fixture(autouse=True)
def _defaults() -> Any:
    """Leave TF32 as the framework has it."""
    yield
    set_precision("default", GPU)


def trainer(name: str = "l1+cgan", **changes: Any) -> Trainer:
    settings = replace(SETTINGS, **changes)
    data = random_pairs(settings.load_size_px, (3, 3))
    return Trainer(parse_variant(name), settings, data, 0, GPU)


def curves(run: Trainer, log_every: int = 1) -> dict[str, list[float]]:
    entries = list(run.train(log_every=log_every))
    return {key: [entry[key] for entry in entries] for key in entries[0] if key.startswith("loss")}


@pytest.mark.parametrize(
    ("name", "batch_size"), [("l1+cgan", 1), ("l1+cgan", 3), ("discogan[update_interval=5]", 3)]
)
def test_a_step_is_the_eager_one_from_ten_shared_states(name: str, batch_size: int) -> None:
    """Of DiscoGAN steps of D and of G, each from its own graph."""
    found = compare_engines(name, replace(SETTINGS, batch_size=batch_size), GPU)
    assert found.engine == "captured"
    assert found.captured.loss <= 1e-5
    assert found.captured.update <= max(1e-4, 3 * found.eager.update)


PARTS = (
    "resnet9:l1+cgan", "l1+cgan[gan_loss=lsgan,init=xavier]", "l1+cgan[gan_loss=hinge,spectral_norm=on]",
    "l1+cgan[upsample=resize,norm=instance-plain]", "l1+cgan[lambda_fm=10,lambda_ssim=1,lambda_tv=1]",
    "l1[lambda_perceptual=10]", "l1+cgan[dropout_at=released]", "cyclegan",
    "discogan",
)  # fmt: skip


@pytest.mark.parametrize("name", [*VARIANTS, *PARTS])
def test_every_variant_is_captured(name: str) -> None:
    run = trainer(name, size_px=256 if "142" in name or name == "imagegan" else 64)
    found = curves(run, 4)
    assert (run.engine_used, run.engine_reason) == ("captured", None)
    assert all(np.isfinite(values).all() for values in found.values())


def test_the_learning_rate_reaches_a_captured_step() -> None:
    """At a rate of nearly nothing in the last steps, weights stay."""
    run = trainer("l1", lr_schedule="linear", steps=1000)
    for _ in range(6):
        run.step()
    run.steps_done = 999
    before = [value.clone() for value in run.generator.parameters()]
    run.step()
    moved = max(
        (one - other).abs().max().item()
        for one, other in zip(before, run.generator.parameters(), strict=True)
    )
    assert 0 < moved < 0.05 * SETTINGS.lr


def test_the_average_of_weights_is_taken_in_a_captured_step() -> None:
    """Its decay changes from step to step; it follows the recursion over the trained weights."""
    run = trainer("l1", ema=0.999)
    trained, average = run.objective.networks["generator"], run.objective.networks["average"]
    expected = [weight.detach().double() for weight in trained.parameters()]
    for step in range(1, 9):
        run.step()
        keep = (1 + step) / (10 + step)
        expected = [
            keep * old + (1 - keep) * new.detach().double()
            for old, new in zip(expected, trained.parameters(), strict=True)
        ]
    assert run.engine_used == "captured"
    for found, wanted in zip(average.parameters(), expected, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-6)


def test_pairs_that_stream_give_the_same_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    resident = curves(trainer("l1"))
    monkeypatch.setattr(feed, "RESIDENT_SHARE", 0.0)
    run = trainer("l1")
    assert isinstance(run._feed, feed.StreamedFeed)
    for key, values in curves(run).items():
        np.testing.assert_allclose(values, resident[key], rtol=1e-3, err_msg=key)


def test_a_captured_run_resumes(tmp_path: Path) -> None:
    whole = curves(trainer(), 6)
    first = trainer()
    next(iter(first.train(log_every=6)))
    first.save(tmp_path / "state.safetensors", "me")
    resumed = trainer()
    resumed.restore(tmp_path / "state.safetensors", "me")
    rest = curves(resumed, 6)
    assert resumed.engine_used == "captured"
    for key, values in whole.items():  # cuDNN may sum in another order: close, not equal
        np.testing.assert_allclose(rest[key], values[1:], rtol=1e-2, err_msg=key)


def test_weights_and_images_between_steps_do_not_disturb_the_graph() -> None:
    """Translating draws random numbers and changes layers' modes, as samples of a training do."""
    from one_image import translate

    from baselines.settings import TestSettings
    from baselines.translate import Checkpoint

    def losses(*, sampled: bool) -> dict[str, list[float]]:
        run, found = trainer(), []
        made = Checkpoint(run.generator, run.variant, run.settings, 3, "uint8", "bicubic", "uint8", "run")
        for entry in run.train(log_every=2):
            found.append(entry)
            if sampled:
                translate(made, np.zeros((64, 64, 3), np.uint8), TestSettings(), 0)
        return {key: [entry[key] for entry in found] for key in found[0] if key.startswith("loss")}

    plain = losses(sampled=False)
    for key, values in losses(sampled=True).items():
        np.testing.assert_allclose(values, plain[key], rtol=1e-2, err_msg=key)


def test_what_cannot_be_captured_trains_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer()
    step = run.objective.step

    def waiting(*given: Any) -> Any:
        prediction, losses = step(*given)
        losses["loss_l1"].item()  # waits for the device, which a graph cannot
        return prediction, losses

    monkeypatch.setattr(run.objective, "step", waiting)
    found = curves(run, 4)
    assert run.engine_used == "eager"
    assert "could not be captured" in str(run.engine_reason)
    assert "previous error" not in str(run.engine_reason)
    for key, values in curves(trainer(engine="eager"), 4).items():
        np.testing.assert_allclose(found[key], values, rtol=1e-2, err_msg=key)


def test_after_a_failed_capture_others_are_captured() -> None:
    """Stands after the test of one: torch keeps nothing of it that a capture, or a training, minds."""
    assert torch.cuda.current_stream(GPU) == torch.cuda.default_stream(GPU)
    run = trainer(steps=40)
    assert all(np.isfinite(values).all() for values in curves(run, 8).values())
    assert (run.engine_used, run.engine_reason) == ("captured", None)

"""What is noticed of a training that goes wrong, and that healthy ones give no alarm."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from noise_pairs import Pairs, noise_pairs

from baselines.health import DivergedError, Health, spreads
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant

VARIANTS = ["l1", "gan", "cgan", "l1+gan", "l1+cgan"]
NETWORK = [torch.nn.Linear(2, 2)]


def trainer(name: str = "l1+cgan", steps: int = 20) -> Trainer:
    settings = TrainingSettings(steps=steps, size_px=32, base_filters=4)
    source = noise_pairs(8, seed=0).source
    return Trainer(parse_variant(name), settings, Pairs(source, 255 - source), 0, torch.device("cpu"))


def means(**changes: float) -> dict[str, float]:
    return {"loss_l1": 0.1, "loss_d": 0.3, "spread_prediction": 1.5, "spread_target": 1.8} | changes


@pytest.mark.parametrize("name", VARIANTS)
def test_a_healthy_training_gives_no_alarm(name: str) -> None:
    run = trainer(name, steps=120)
    entries = list(run.train(log_every=10))
    assert len(entries) == 12
    assert run.health.warnings == []
    assert not [key for entry in entries for key in entry if "spread" in key]
    assert run.is_finite


def test_the_alarms_are_far_from_what_a_discriminator_ahead_reaches() -> None:
    health = Health()
    for step in range(100, 2001, 100):
        health.check(step, 100, means(loss_d=0.001, spread_prediction=0.05), NETWORK)
    assert health.warnings == []


@pytest.mark.parametrize("broken", ["generator", "discriminator"])
def test_a_weight_that_is_not_finite_is_noticed_in_the_interval(broken: str) -> None:
    run = trainer()
    entries = run.train(log_every=5)
    next(entries)
    next(run.objective.networks[broken].parameters()).data.view(-1)[0] = float("nan")
    with pytest.raises(DivergedError, match=r"not finite.* by step 10$") as caught:
        next(entries)
    assert caught.value.step == 10
    assert [entry["step"] for entry in caught.value.history] == [5]
    assert not run.is_finite


def test_a_weight_may_be_infinite_while_the_losses_are_not() -> None:
    network = torch.nn.Linear(2, 2)
    network.bias.data[1] = float("inf")
    with pytest.raises(DivergedError, match="a weight was not finite by step 7"):
        Health().check(7, 1, means(), [network])


def test_constant_output_ends_a_training_once_it_has_lasted() -> None:
    health = Health()
    health.check(40, 40, means(spread_prediction=0.001), NETWORK)
    health.check(50, 10, means(), NETWORK)  # it has recovered
    health.check(90, 40, means(spread_prediction=0.001), NETWORK)
    with pytest.raises(DivergedError, match="output was constant for 60 steps by step 110"):
        health.check(110, 20, means(spread_prediction=0.001), NETWORK)
    blank = Health()
    for step in range(100, 1000, 100):  # constant images are to be learnt: nothing is wrong
        blank.check(step, 100, means(spread_prediction=0.001, spread_target=0.0), NETWORK)


def test_a_generator_that_paints_gray_is_noticed() -> None:
    run = trainer("l1", steps=200)
    for parameter in run.generator.parameters():
        parameter.data.zero_()
    run._set_lr = lambda lr: None  # type: ignore[method-assign]
    run.objective.adams["generator"].param_groups[0]["lr"] = 0.0
    with pytest.raises(DivergedError, match="constant for 50 steps by step 50"):
        list(run.train(log_every=10))


def test_a_discriminator_that_is_always_right_is_written_down() -> None:
    health = Health()
    for step in (100, 200, 300):
        health.check(step, 100, means(loss_d=1e-6), NETWORK)
    health.check(400, 100, means(), NETWORK)
    health.check(500, 100, means(loss_d=1e-6), NETWORK)
    sign = "the discriminator is always right"
    assert health.warnings == [
        {"sign": sign, "from_step": 0, "to_step": 300},
        {"sign": sign, "from_step": 400, "to_step": 500},
    ]
    again = Health()
    again.load(health.state())
    again.check(600, 100, means(loss_d=1e-6), NETWORK)
    assert again.warnings[-1] == {"sign": sign, "from_step": 400, "to_step": 600}


def test_a_critics_loss_below_zero_is_no_sign() -> None:
    """WGAN: D minimises a difference of means, which falls below 0 from the start."""
    health = Health()
    for step in (100, 200):
        health.check(step, 100, means(loss_d=-3.0), NETWORK)
    assert health.warnings == []


def test_a_resumed_training_remembers_the_signs(tmp_path: Path) -> None:
    run, resumed = trainer(), trainer()
    next(run.train(log_every=5))
    run.step()
    run.health.load({"warnings": [], "constant": 30, "saturated": 2})
    run.save(tmp_path / "state", "me")
    resumed.restore(tmp_path / "state", "me")
    assert resumed.health.state() == run.health.state()
    assert resumed._totals().keys() == run._totals().keys()


def test_spreads_are_those_of_the_batch() -> None:
    prediction, target = torch.tensor([[0.5, -0.25]]), torch.tensor([[1.0, 1.0]])
    assert {name: value.item() for name, value in spreads(prediction, target).items()} == {
        "spread_prediction": 0.75,
        "spread_target": 0.0,
    }
    broken = torch.tensor([[0.5, float("nan")]])
    assert spreads(broken, target)["spread_prediction"].isnan()
    halves = spreads(prediction.bfloat16(), target)["spread_prediction"]
    assert (halves.dtype, halves.item()) == (torch.float32, 0.75)

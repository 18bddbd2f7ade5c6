"""CycleGAN: its step and its pool against ones that are written out; resumed bit for bit; what it refuses."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_pairs import noise_pairs
from torch import Tensor, nn
from torch.nn import functional

from baselines.feed import HostFeed, ResidentFeed, StreamedFeed
from baselines.objectives import pool as pool_module
from baselines.objectives.pool import Pool, choices
from baselines.objectives.scheme import check_fits
from baselines.pairs import choices_at
from baselines.parallel import Ranks
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(steps=8, size_px=32, base_filters=4, lr_schedule="linear")
SMALL = "cyclegan[receptive_field=16,pool_size=3]"


def trainer(name: str = SMALL, settings: TrainingSettings = SETTINGS) -> Trainer:
    return Trainer(parse_variant(name), settings, noise_pairs(side=settings.load_size_px), 0, CPU)


def finish(run: Trainer) -> Trainer:
    list(run.train(log_every=2))
    return run


def in_float64(objective: Any) -> Any:
    for network in objective.networks.values():
        network.double()
    return objective


def written_out_step(
    nets: dict[str, Any], adams: list[torch.optim.Adam], real_a: Tensor, real_b: Tensor
) -> None:
    """One step of Zhu et al. 2017 with empty pools, which give each image back."""
    g_there, g_back, d_there, d_back = (
        nets[name] for name in ("generator", "generator_back", "discriminator", "discriminator_back")
    )
    d_b, d_a = partial(d_there, None), partial(d_back, None)
    adam_g, adam_d = adams
    fake_b, fake_a = g_there(real_a), g_back(real_b)
    apart = functional.l1_loss
    loss_g = (
        (d_b(fake_b) - 1).square().mean()
        + (d_a(fake_a) - 1).square().mean()
        + 10 * apart(g_back(fake_b), real_a)
        + 10 * apart(g_there(fake_a), real_b)
        + 5 * apart(g_there(real_b), real_b)
        + 5 * apart(g_back(real_a), real_a)
    )
    adam_g.zero_grad()
    loss_g.backward()  # type: ignore[no-untyped-call]
    adam_g.step()
    adam_d.zero_grad()
    for judge, real, fake in ((d_b, real_b, fake_b), (d_a, real_a, fake_a)):
        loss = ((judge(real) - 1).square().mean() + judge(fake.detach()).square().mean()) / 2
        loss.backward()
    adam_d.step()


def test_a_step_is_the_one_written_out() -> None:
    """In float64: Adam enlarges rounding errors of gradients that are 0, of biases before a normalisation."""
    objective = in_float64(trainer().objective)
    nets = dict(in_float64(trainer().objective).networks)
    torch.manual_seed(0)
    both = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    adams = [
        both(list(chain(nets[kind].parameters(), nets[f"{kind}_back"].parameters())))
        for kind in ("generator", "discriminator")
    ]
    for _ in range(2):  # fewer than the pool holds
        source, target = torch.rand(2, 1, 3, 32, 32, dtype=torch.float64) * 2 - 1
        written_out_step(nets, adams, source, target)
        objective.prepare(0)  # the pool gives each image back, at full learning rate
        objective.step(source, target, None)
    for name in objective.adams:
        for key, value in nets[name].state_dict().items():
            torch.testing.assert_close(objective.networks[name].state_dict()[key], value, rtol=0, atol=1e-9)


def test_the_pool_is_the_one_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the released code, image by image, by the same draws; over batches of two."""
    draws, slots = random.Random(1), random.Random(2)
    given = [(draws.random(), slots.randrange(3)) for _ in range(40)]

    class Stream:
        def __init__(self, step: int) -> None:
            self._left = iter(given[2 * step : 2 * step + 2])

        def random(self) -> float:
            share, self._slot = next(self._left)
            return share

        def integers(self, _: int) -> int:
            return self._slot

    monkeypatch.setattr(pool_module, "pool_stream", lambda seed, step, number: Stream(step))
    pool, kept = Pool(3, (1, 2, 2), 2, 0, 0, CPU), []
    for step in range(20):
        images = torch.arange(2.0)[:, None, None, None].expand(2, 1, 2, 2) + 2 * step
        pool.prepare(step)
        wanted = []
        for image, (share, slot) in zip(images, given[2 * step : 2 * step + 2], strict=True):
            if len(kept) < 3:
                kept.append(image)
                wanted.append(image)
            elif share > 0.5:
                wanted.append(kept[slot])
                kept[slot] = image
            else:
                wanted.append(image)
        torch.testing.assert_close(pool(images), torch.stack(wanted), rtol=0, atol=0)
    torch.testing.assert_close(pool.images, torch.stack(kept), rtol=0, atol=0)


def test_a_full_pool_gives_an_older_image_half_of_the_time() -> None:
    told = np.concatenate([choices(step, 50, 1, 0, 0) for step in range(50, 4050)])
    assert abs(told[:, 1].mean() - 0.5) < 0.03
    assert np.bincount(told[:, 0][told[:, 1] == 1], minlength=50).min() > 10
    assert not np.array_equal(told, np.concatenate([choices(s, 50, 1, 0, 1) for s in range(50, 4050)]))


@pytest.mark.parametrize("changes", [{}, {"batch_size": 2, "ema": 0.9}])
def test_a_resumed_training_is_the_uninterrupted_one(changes: dict[str, Any], tmp_path: Path) -> None:
    """With pools that are full by then."""
    settings = replace(SETTINGS, **changes)
    whole, first = finish(trainer(settings=settings)), trainer(settings=settings)
    for entry in first.train(log_every=2):
        if entry["step"] == 4:
            break
    first.save(tmp_path / "state.safetensors", "me")
    resumed = trainer(settings=settings)
    resumed.restore(tmp_path / "state.safetensors", "me")
    finish(resumed)
    names = {"generator", "generator_back", "discriminator", "discriminator_back", "pool", "pool_back"}
    assert set(whole.objective.networks) - {"average", "average_back"} == names
    for name, network in whole.objective.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, resumed.objective.networks[name].state_dict()[key]), (name, key)
    losses = [
        [{k: v for k, v in entry.items() if "seconds" not in k and k != "data_wait"} for entry in run.history]
        for run in (whole, resumed)
    ]
    assert losses[0] == losses[1]


def test_a_pool_that_is_lost_would_be_noticed(tmp_path: Path) -> None:
    """The images of the pool do count: without them the training goes another way."""
    whole, first = finish(trainer()), trainer()
    for entry in first.train(log_every=2):
        if entry["step"] == 4:
            break
    pools: Any = first.objective.networks["pool"]
    pools.images.zero_()
    finish(first)
    ends = [run.objective.networks["discriminator"].state_dict() for run in (whole, first)]
    assert any(not torch.equal(value, ends[1][key]) for key, value in ends[0].items())


def test_the_pairing_is_taken_away() -> None:
    """In an epoch each side shows every image once, in an order and with windows of its own."""
    settings = replace(SETTINGS, size_px=64)
    sides = [
        np.concatenate([choices_at(step, 100, settings, 0, apart=apart) for step in range(100)])
        for apart in (False, True)
    ]
    for side in sides:
        assert sorted(side[:, 0]) == list(range(100))
    assert (sides[0][:, 0] == sides[1][:, 0]).sum() < 6  # one is expected by chance
    for column in (1, 2, 3):
        assert abs(np.corrcoef(sides[0][:, column], sides[1][:, column])[0, 1]) < 0.3


@pytest.mark.parametrize("kind", [ResidentFeed, StreamedFeed])
def test_every_feed_gives_the_same_unpaired_images(kind: Any) -> None:
    settings, data = replace(SETTINGS, batch_size=3), noise_pairs(20, 36, (1, 3))
    one, other = (make(data, settings, 3, range(3), CPU, paired=False) for make in (HostFeed, kind))
    for step in (0, 1, 6, 7, 13):
        one.fetch(step)
        other.fetch(step)
        for expected, found in zip(one.images(), other.images(), strict=True):
            assert torch.equal(expected, found)


def test_the_generator_of_the_asked_direction_is_saved() -> None:
    run = finish(trainer())
    assert run.generator is run.objective.networks["generator"]
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in run.generator.modules())


@pytest.mark.parametrize(
    ("name", "channels", "said"),
    [
        ("cyclegan[adversarial=cgan]", (3, 3), "adversarial=gan"),
        ("cyclegan[lambda_l1=10]", (3, 3), "lambda_l1"),
        ("cyclegan[lambda_tv=1]", (3, 3), "tv"),
        ("cyclegan", (1, 3), "lambda_identity=0"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, channels: tuple[int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_fits(parse_variant(name), TrainingSettings(1, 64), channels)


def test_fields_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="pool_size has no effect"):
        parse_variant("l1+cgan[pool_size=3]")
    with pytest.raises(ValueError, match="pool_size from 0"):
        parse_variant("cyclegan[pool_size=-1]")
    with pytest.raises(ValueError, match="finite lambda_cycle"):
        parse_variant("cyclegan[lambda_cycle=-1]")
    check_fits(parse_variant("cyclegan[lambda_identity=0]"), TrainingSettings(1, 64), (1, 3))


def test_several_processes_are_refused() -> None:
    data = noise_pairs(side=SETTINGS.load_size_px)
    with pytest.raises(ValueError, match="one process"):
        Trainer(parse_variant(SMALL), replace(SETTINGS, batch_size=2), data, 0, CPU, Ranks(0, 2, "gloo"))

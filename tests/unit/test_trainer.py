"""The trainer: bit for bit, whole or interrupted; its step against one written out with plain torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_pairs import Pairs
from noise_pairs import noise_pairs as pairs
from torch.nn import functional

from baselines.components.gan_losses import adversarial_loss, discriminator_loss, l1_loss
from baselines.engine import autocast, resolve_device, set_precision
from baselines.health import DivergedError
from baselines.pairs import batch_at, dropout_seed
from baselines.settings import TestSettings, TrainingSettings
from baselines.trainer import Trainer
from baselines.translate import Checkpoint, translations
from baselines.variants import Variant, parse_variant

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(steps=6, size_px=32, base_filters=4)


def trainer(
    name: str = "l1+cgan", settings: TrainingSettings = SETTINGS, seed: int = 0, **more: Any
) -> Trainer:
    side = settings.load_size_px
    return Trainer(parse_variant(name), settings, more.pop("data", pairs(side=side)), seed, CPU)


def network_d(run: Trainer) -> Any:
    return run.objective.networks.get("discriminator")


def finish(run: Trainer, log_every: int = 2) -> Trainer:
    list(run.train(log_every=log_every))
    return run


def same_state(one: Trainer, other: Trainer) -> bool:
    modules = [(one.generator, other.generator)]
    if network_d(one) is not None and network_d(other) is not None:
        modules.append((network_d(one), network_d(other)))
    return all(
        torch.equal(value, right.state_dict()[key])
        for left, right in modules
        for key, value in left.state_dict().items()
    )


def losses_of(run: Trainer) -> list[dict[str, float]]:
    return [{k: v for k, v in entry.items() if k not in ("seconds", "data_wait")} for entry in run.history]


@pytest.mark.parametrize("name", ["l1", "l1+cgan", "gan/16"])
def test_equal_seeds_repeat_bit_for_bit(name: str) -> None:
    one, other = finish(trainer(name)), finish(trainer(name))
    assert same_state(one, other)
    assert losses_of(one) == losses_of(other)


def test_the_global_random_state_does_not_matter() -> None:
    torch.manual_seed(1)
    one = finish(trainer())
    torch.manual_seed(2)
    np.random.seed(3)
    assert same_state(one, finish(trainer()))


def test_another_seed_differs_from_the_start() -> None:
    one, other = trainer(seed=0), trainer(seed=1)
    assert not same_state(one, other)
    batches = [batch_at(0, pairs(), SETTINGS, seed)[0] for seed in (0, 1)]
    assert not np.array_equal(*batches)
    assert dropout_seed(0, 0) != dropout_seed(1, 0)


@pytest.mark.parametrize("name", ["l1", "l1+cgan"])
def test_a_resumed_training_is_the_uninterrupted_one(name: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, lr_schedule="linear", batch_size=2)
    whole = finish(trainer(name, settings))
    first = trainer(name, settings)
    for entry in first.train(log_every=2):
        if entry["step"] == 4:
            break
    first.save(tmp_path / "state.safetensors", "me")
    resumed = trainer(name, settings, seed=0)
    resumed.restore(tmp_path / "state.safetensors", "me")
    assert resumed.steps_done == 4
    finish(resumed)
    assert same_state(whole, resumed)
    assert losses_of(whole) == losses_of(resumed)
    seconds = [entry["seconds"] for entry in resumed.history]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_translating_between_steps_changes_nothing(batch_size: int) -> None:
    """A visit uses the generator as the validation does: dropout on, statistics of each image."""
    settings = replace(SETTINGS, steps=7, batch_size=batch_size)
    plain, visited = finish(trainer(settings=settings), 3), trainer(settings=settings)
    made = Checkpoint(visited.generator, visited.variant, settings, 3, "uint8", "bicubic", "uint8", "run")
    seen = []

    def visit() -> None:
        seen.append((visited.steps_done, len(visited.history)))
        torch.manual_seed(visited.steps_done)
        images = pairs(side=32).source[:2]
        list(translations(made, zip(images, (1, 2), strict=True), TestSettings()))

    entries = visited.train(log_every=3, visit_every=2, visit=visit)
    steps = [(entry["step"], list(seen)) for entry in entries]
    assert seen == [(2, 0), (4, 1), (6, 2), (7, 3)]  # (step, entries so far): after the entry's checks
    assert [step for step, _ in steps] == [3, 6, 7]
    assert steps[1][1][-1][0] == 6  # before the entry is yielded, and a state saved
    assert same_state(plain, visited)
    assert losses_of(plain) == losses_of(visited)


def test_the_time_of_a_visit_is_no_training_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which a step takes 1 s and a visit 100 s; a visit at an entry, others between entries."""
    clock, step = [0.0], Trainer.step

    def ticking(self: Trainer) -> None:
        step(self)
        clock[0] += 1.0

    def visit() -> None:
        clock[0] += 100.0

    monkeypatch.setattr(Trainer, "step", ticking)
    monkeypatch.setattr("baselines.trainer.time.perf_counter", lambda: clock[0])
    run = trainer()
    list(run.train(log_every=4, visit_every=2, visit=visit))
    assert clock[0] == 6 + 3 * 100
    assert [entry["seconds"] for entry in run.history] == [4, 6]
    assert run.train_seconds == 6


def test_weights_that_lie_channels_last_resume_with_moments_that_do(tmp_path: Path) -> None:
    """A fused Adam reads weights and moments in memory order and ignores their strides."""

    def fresh() -> Trainer:
        run = trainer()
        run.generator.to(memory_format=torch.channels_last)
        return run

    whole, first, resumed = finish(fresh()), fresh(), fresh()
    next(iter(first.train(log_every=2)))
    first.save(tmp_path / "state.safetensors", "me")
    resumed.restore(tmp_path / "state.safetensors", "me")
    finish(resumed)
    assert same_state(whole, resumed)
    weight = resumed.generator.down[1][1].weight
    moments = resumed.objective.adams["generator"].state[weight]
    assert weight.stride() == moments["exp_avg"].stride() == moments["exp_avg_sq"].stride()
    assert not weight.is_contiguous()


def test_a_state_of_another_run_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    finish(trainer()).save(path, "me")
    with pytest.raises(ValueError, match="expected the state of run you"):
        trainer().restore(path, "you")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match="damaged"):
        trainer().restore(path, "me")
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="does not fit this run") as caught:  # weights of other shapes
        trainer(settings=replace(SETTINGS, base_filters=5)).restore(path, "me")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="damaged"):
        trainer().restore(tmp_path / "none.safetensors", "me")


def test_the_learning_rate_schedules() -> None:
    linear = TrainingSettings(steps=200, lr_schedule="linear")
    rates = [linear.lr_at(step) / linear.lr for step in range(200)]
    assert rates[:101] == [1.0] * 101
    np.testing.assert_allclose(rates[100:], np.linspace(1, 0.01, 100))
    assert {TrainingSettings(steps=200).lr_at(step) for step in range(200)} == {2e-4}


def test_the_schedule_reaches_both_optimisers() -> None:
    run = trainer(settings=replace(SETTINGS, lr_schedule="linear"))
    finish(run, log_every=1)
    assert [entry["lr"] for entry in run.history] == [run.settings.lr_at(step) for step in range(6)]
    for adam in (run.objective.adams["generator"], run.objective.adams.get("discriminator")):
        assert adam is not None
        assert adam.param_groups[0]["lr"] == run.settings.lr_at(5)
        assert adam.param_groups[0]["betas"] == (0.5, 0.999)


@pytest.mark.parametrize("name", ["l1", "gan", "cgan", "l1+gan", "l1+cgan"])
def test_two_steps_are_those_of_the_paper_written_out(name: str) -> None:
    """Section 3.1 with plain torch: -log D(x, G(x)) + 100 L1, D's loss halved, Adam(2e-4, 0.5, 0.999)."""
    run, copy = trainer(name), trainer(name)
    generator, network = copy.generator, network_d(copy)
    adam_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999), foreach=False)
    adam_d = (
        None
        if network is None
        else torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999), foreach=False)
    )
    for step in range(2):
        source, target = (
            torch.from_numpy(np.ascontiguousarray(p)) for p in batch_at(step, pairs(), SETTINGS, 0)
        )
        x, y = (p.permute(0, 3, 1, 2).float() / 127.5 - 1 for p in (source, target))
        torch.manual_seed(dropout_seed(0, step))
        fake = generator(x)
        l1 = (fake - y).abs().mean()
        loss_g = 100 * l1 if "l1" in name else torch.zeros(())
        expected = {"loss_l1": l1}
        if network is not None:
            assert adam_d is not None
            see = (lambda p: torch.cat([x, p], 1)) if "cgan" in name else (lambda p: p)  # noqa: B023
            real = torch.sigmoid(network.layers(see(y)))
            made = torch.sigmoid(network.layers(see(fake.detach())))
            loss_d = -(real.log().mean() + (1 - made).log().mean()) / 2
            adam_d.zero_grad()
            loss_d.backward()
            adam_d.step()
            loss_gan = -torch.sigmoid(network.layers(see(fake))).log().mean()
            loss_g = loss_g + loss_gan
            expected |= {"loss_d": loss_d, "loss_g_gan": loss_gan}
        adam_g.zero_grad()
        loss_g.backward()
        adam_g.step()
        run.step()
        measured = run._log_entry()
        for key, value in expected.items():
            assert measured[key] == pytest.approx(value.item(), rel=1e-4), key
        assert {key for key in measured if key.startswith("loss")} == set(expected)
    for mine, its in zip(generator.parameters(), run.generator.parameters(), strict=True):
        # Adam's first steps are about lr in size for any gradient: compare their direction
        torch.testing.assert_close(mine, its, rtol=0, atol=2e-5)


def test_norms_count_their_batches() -> None:
    """Once a step in G; in D the real and the generated pair, and once more in the update of G."""
    run = finish(trainer())
    tracked = {name: value.item() for name, value in run._tensors().items() if name.endswith("tracked")}
    assert len(tracked) == 10
    for name, count in tracked.items():
        assert count == run.steps_done * (3 if name.startswith("discriminator") else 1), name
    run.generator(torch.zeros(1, 3, 32, 32))  # outside of a step: at once
    assert run.generator.down[1][2].num_batches_tracked.item() == run.steps_done + 1


def test_losses_by_hand() -> None:
    logits = torch.tensor([[[[0.0, 2.0]]]])
    p = torch.sigmoid(logits).flatten()
    assert adversarial_loss(logits, real=True).item() == pytest.approx(-p.log().mean().item())
    assert adversarial_loss(logits, real=False).item() == pytest.approx(-(1 - p).log().mean().item())
    undecided = torch.zeros(1, 1, 4, 4)
    assert discriminator_loss(undecided, undecided).item() == pytest.approx(np.log(2))
    assert l1_loss(-torch.ones(2, 3), torch.ones(2, 3)).item() == 2
    assert functional.softplus(-logits).mean().item() == pytest.approx(
        adversarial_loss(logits, real=True).item()
    )


def test_l1_alone_has_no_discriminator() -> None:
    run = finish(trainer("l1"))
    assert network_d(run) is None
    assert run.objective.adams.get("discriminator") is None
    assert set(run.history[-1]) == {"step", "images_seen", "lr", "seconds", "data_wait", "loss_l1"}


def test_only_the_conditional_discriminator_sees_the_source() -> None:
    data = pairs(channels=(1, 3))
    first = {name: trainer(name, data=data) for name in ("gan", "cgan", "l1+gan", "l1+cgan")}
    channels = {name: network_d(run).layers[0].in_channels for name, run in first.items() if network_d(run)}
    assert channels == {"gan": 3, "cgan": 4, "l1+gan": 3, "l1+cgan": 4}


def test_each_loss_moves_what_it_should() -> None:
    run = trainer("l1+cgan")
    assert network_d(run) is not None
    before = [p.clone() for p in (*run.generator.parameters(), *network_d(run).parameters())]
    run.step()
    after = (*run.generator.parameters(), *network_d(run).parameters())
    assert all(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(p.grad is None or p.grad.isfinite().all() for p in after)


def test_training_lowers_the_l1_loss() -> None:
    settings = replace(SETTINGS, steps=100, lr=2e-3, jitter=False, mirror=False)
    data = pairs(count=1, side=32)
    data.target[:] = 230
    run = finish(trainer("l1", settings, data=data), log_every=10)
    assert run.history[-1]["loss_l1"] < 0.5 * run.history[0]["loss_l1"]


def test_divergence_is_an_error_that_names_step_and_losses() -> None:
    run = trainer("l1", replace(SETTINGS, lr=1e38))
    with pytest.raises(DivergedError, match=r"not finite \(loss_l1 (nan|inf)\) by step \d+") as caught:
        finish(run)
    assert caught.value.step == run.steps_done


def test_history_is_means_at_multiples_and_at_the_end() -> None:
    settings = replace(SETTINGS, steps=5, batch_size=3)
    every, pairwise = finish(trainer("l1", settings), 1), finish(trainer("l1", settings), 2)
    assert [entry["step"] for entry in pairwise.history] == [2, 4, 5]
    assert [entry["images_seen"] for entry in pairwise.history] == [6, 12, 15]
    single = [entry["loss_l1"] for entry in every.history]
    means = [np.mean(single[:2]), np.mean(single[2:4]), single[4]]
    np.testing.assert_allclose([entry["loss_l1"] for entry in pairwise.history], means, rtol=1e-6)


def test_pairs_of_the_wrong_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected pairs of 36 px, found 32 px"):
        trainer(data=pairs(side=32))


def test_16_bits_and_gray_train() -> None:
    run = finish(trainer(data=pairs(channels=(3, 1), dtype=np.uint16)))
    assert run.generator.target_channels == 1
    assert np.isfinite(run.history[-1]["loss_l1"])


def test_an_epoch_is_a_permutation_and_batches_reach_over_its_end() -> None:
    data = pairs()
    data.source[:] = np.arange(5)[:, None, None, None]
    settings = replace(SETTINGS, batch_size=2)
    seen = [int(b[0, 0, 0]) for step in range(10) for b in batch_at(step, data, settings, 0)[0]]
    epochs = [seen[start : start + 5] for start in range(0, 20, 5)]
    assert [sorted(epoch) for epoch in epochs] == [[0, 1, 2, 3, 4]] * 4
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_jitter_and_mirror_are_the_same_for_both_halves_and_cover_all_windows() -> None:
    rows, columns = np.mgrid[0:36, 0:36]
    ramp = np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype(np.uint8)[None]
    data = Pairs(ramp, ramp)
    tops, lefts, flips = set(), set(), set()
    for step in range(200):
        (source,), (target,) = batch_at(step, data, SETTINGS, 0)
        np.testing.assert_array_equal(source, target)
        flip = bool(source[0, 0, 1] > source[0, 1, 1])
        unflipped = source[:, ::-1] if flip else source
        top, left = (int(v) for v in unflipped[0, 0, :2])
        np.testing.assert_array_equal(unflipped, ramp[0, top : top + 32, left : left + 32])
        tops.add(top), lefts.add(left), flips.add(flip)
    assert (tops, lefts, flips) == ({0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}, {False, True})


def test_without_jitter_and_mirror_images_come_as_they_are() -> None:
    settings = replace(SETTINGS, jitter=False, mirror=False)
    data = pairs(count=1, side=32)
    for step in range(4):
        source, target = batch_at(step, data, settings, 0)
        np.testing.assert_array_equal(source, data.source)
        np.testing.assert_array_equal(target, data.target)


@pytest.mark.parametrize(("size_px", "load"), [(32, 36), (64, 72), (128, 143), (256, 286), (512, 572)])
def test_the_load_size_follows_the_paper(size_px: int, load: int) -> None:
    assert TrainingSettings(steps=1, size_px=size_px).load_size_px == load
    assert TrainingSettings(steps=1, size_px=size_px, jitter=False).load_size_px == size_px


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 0}, {"size_px": 31}, {"size_px": "64x64"}, {"size_px": "native"}, {"levels": 9},
        {"batch_size": 0}, {"base_filters": 0}, {"lr": 0.0}, {"lr": -1.0},
        {"lr": float("nan")}, {"lr": float("inf")}, {"beta1": 1.0}, {"beta2": float("nan")},
        {"lr_schedule": "cosine"}, {"precision": "fp16"}, {"engine": "turbo"},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TrainingSettings(**{"steps": 1, **fields})


def test_the_defaults_are_the_papers() -> None:
    paper = TrainingSettings(steps=1)
    assert (paper.size_px, paper.batch_size, paper.base_filters, paper.lr) == (256, 1, 64, 2e-4)
    assert (paper.beta1, paper.beta2, paper.lr_schedule) == (0.5, 0.999, "constant")
    assert (paper.jitter, paper.mirror) == (True, True)
    assert TestSettings() == TestSettings(dropout=True, norm="batch")


def test_a_receptive_field_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="286 px receptive field cannot be built at 32 px"):
        trainer("l1+cgan/286")


@pytest.mark.parametrize("name", ["tpu", "mps", "cuda:99", ""])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="device"):
        resolve_device(name)


def test_precisions_on_the_cpu() -> None:
    assert resolve_device("cpu") == CPU
    with pytest.raises(ValueError, match="CUDA"):
        set_precision("tf32", CPU)
    with autocast("bf16", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    run = finish(trainer(settings=replace(SETTINGS, precision="bf16")))
    assert all(np.isfinite(entry["loss_g_gan"]) for entry in run.history)
    assert {p.dtype for p in run.generator.parameters()} == {torch.float32}


def test_a_precision_does_not_outlast_its_run() -> None:
    def switches() -> tuple[bool, bool]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    gpu, before = torch.device("cuda"), switches()  # no GPU is needed to set them
    try:
        for precision, expected in (("fp32", (False, False)), ("tf32", (True, True)), ("default", before)):
            set_precision(precision, gpu)
            assert switches() == expected
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def test_a_variant_of_the_users_own_trains() -> None:
    own = Variant("mine", generator="encdec", receptive_field=16, norm="instance", dropout=0.1, lambda_l1=5.0)
    run = Trainer(own, SETTINGS, pairs(), 0, CPU)
    assert np.isfinite(finish(run).history[-1]["loss_g_gan"])

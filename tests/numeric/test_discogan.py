"""DiscoGAN: its steps against ones that are written out, and against the authors' own; resumed bit for bit.

The authors' code is no part of this project: https://github.com/SKTBrain/DiscoGAN. One test runs its lines:

    PIX2PIX_BENCH_DISCOGAN=CHECKOUT pytest tests/numeric/test_discogan.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from itertools import chain, pairwise
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
import torch
from noise_pairs import noise_pairs
from torch import Tensor, nn
from torch.nn import functional

from baselines.build import build_discriminator, build_generator
from baselines.layers import parameter_count
from baselines.objectives.scheme import check_fits, scheme_of
from baselines.parallel import ALONE, Ranks
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant

CPU = torch.device("cpu")
CHECKOUT = os.environ.get("PIX2PIX_BENCH_DISCOGAN")
SETTINGS = TrainingSettings(
    steps=12, size_px=64, base_filters=4, jitter=False, mirror=False, weight_decay=1e-5, batch_size=3
)
NAME = "discogan[gan_curriculum=5]"
NAMES = ("generator", "generator_back", "discriminator", "discriminator_back")


def objective(settings: TrainingSettings = SETTINGS, seed: int = 0) -> Any:
    """In float64, where Adam does not enlarge rounding errors."""
    variant = parse_variant(NAME)
    torch.manual_seed(seed)
    made = scheme_of(variant).start(variant, settings, (3, 3), CPU, ALONE, 0)
    for network in made.networks.values():
        network.double()
    return made


def batch(step: int) -> Tensor:
    """Of sources and of targets, in [0, 1] as the authors have them."""
    torch.manual_seed(100 + step)
    return torch.rand(2, 3, 3, 64, 64, dtype=torch.float64)


def steps_of(ours: Any, count: int) -> None:
    for step in range(count):
        source, target = 2 * batch(step) - 1
        ours.prepare(step)
        ours.step(source, target, None)


# --- written out from the paper and the authors' numbers, on plain tensors ------------------------------


def _generated(weights: dict[str, Tensor], image: Tensor) -> Tensor:
    """4x4 convolutions of stride 2 and back, batch normalisation on all but the first and the last."""
    convolutions = [name for name, value in weights.items() if value.ndim == 4]
    out = image
    for place, name in enumerate(convolutions):
        down, last = place < 4, place == 7
        convolve: Any = functional.conv2d if down else functional.conv_transpose2d
        out = convolve(out, weights[name], stride=2, padding=1)
        if last:
            return out.sigmoid()
        if place:
            out = _normalised(weights, name, out)
        out = functional.leaky_relu(out, 0.2) if down else out.relu()
    raise AssertionError


def _judged(weights: dict[str, Tensor], image: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Probability of "real", and the features that are matched: after the second to fourth convolution."""
    features, out = [], image
    *strided, last = [name for name, value in weights.items() if value.ndim == 4]
    for place, name in enumerate(strided):
        out = functional.conv2d(out, weights[name], stride=2, padding=1)
        out = functional.leaky_relu(out if place == 0 else _normalised(weights, name, out), 0.2)
        features.append(out)
    return functional.conv2d(out, weights[last]).sigmoid(), features[1:]


def _normalised(weights: dict[str, Tensor], name: str, out: Tensor) -> Tensor:
    """By mean and population variance over batch and positions."""
    names = list(weights)
    scale, shift = (weights[names[names.index(name) + after]] for after in (1, 2))
    mean = out.mean((0, 2, 3), keepdim=True)
    var = (out - mean).square().mean((0, 2, 3), keepdim=True)
    return (out - mean) / (var + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


def written_out_steps(nets: dict[str, dict[str, Tensor]], count: int) -> None:
    """Iterations from the first; Adam with L2 decay is written out too."""
    moments: dict[tuple[str, str], list[Tensor]] = {}
    updates = {"generator": 0, "discriminator": 0}
    for iters in range(count):
        a, b = batch(iters)
        g_b, g_a, d_b, d_a = (nets[name] for name in NAMES)
        ab, ba = _generated(g_b, a), _generated(g_a, b)
        aba, bab = _generated(g_a, ab), _generated(g_b, ba)
        rate = 0.01 if iters < 5 else 0.5
        g_loss, d_loss = torch.zeros(()), torch.zeros(())
        for judge, real, fake, recon in (
            (d_b, b, ab, (aba - a).square().mean()),
            (d_a, a, ba, (bab - b).square().mean()),
        ):
            (p_real, real_features), (p_fake, fake_features) = _judged(judge, real), _judged(judge, fake)
            fm = sum(
                (one.mean(0) - other.mean(0)).square().mean()
                for one, other in zip(real_features, fake_features, strict=True)
            )
            d_loss = d_loss - 0.5 * p_real.log().mean() - 0.5 * (1 - p_fake).log().mean()
            g_loss = g_loss + (-0.1 * p_fake.log().mean() + 0.9 * fm) * (1 - rate) + recon * rate
        kind, loss = ("discriminator", d_loss) if iters % 3 == 0 else ("generator", g_loss)
        moved = [(net, name) for net in NAMES if net.startswith(kind) for name in nets[net]]
        gradients = torch.autograd.grad(loss, [nets[net][name] for net, name in moved])
        updates[kind] += 1
        t = updates[kind]
        for (net, name), gradient in zip(moved, gradients, strict=True):
            weight = nets[net][name]
            decayed = gradient + 1e-5 * weight.detach()
            m, v = moments.setdefault((net, name), [torch.zeros_like(decayed) for _ in range(2)])
            m.mul_(0.5).add_(0.5 * decayed)
            v.mul_(0.999).add_(0.001 * decayed.square())
            ahead = (m / (1 - 0.5**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
            nets[net][name] = (weight.detach() - 2e-4 * ahead).requires_grad_()


def test_steps_are_the_ones_written_out() -> None:
    """Of D and of G, before and after the curriculum's end; within 1e-9 in float64."""
    ours, alike = objective(), objective()
    nets = {
        name: {
            key: value.detach().clone().requires_grad_()
            for key, value in alike.networks[name].named_parameters()
        }
        for name in NAMES
    }
    before = {name: _flat(ours.networks[name]) for name in NAMES}
    steps_of(ours, 8)
    written_out_steps(nets, 8)
    for name in NAMES:
        assert (_flat(ours.networks[name]) - before[name]).abs().max() > 2e-4
        wanted = torch.cat([value.flatten() for value in nets[name].values()])
        torch.testing.assert_close(_flat(ours.networks[name]), wanted, rtol=0, atol=1e-9)


def _flat(network: nn.Module) -> Tensor:
    return torch.cat([value.detach().flatten() for value in network.parameters()])


# --- the authors' own lines -------------------------------------------------------------------------------


@pytest.fixture
def authors(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Their module `model`. It imports a debugger and uses none of it."""
    if CHECKOUT is None:
        pytest.skip("needs the authors' code: PIX2PIX_BENCH_DISCOGAN=CHECKOUT")
    monkeypatch.setitem(sys.modules, "ipdb", ModuleType("ipdb"))
    monkeypatch.syspath_prepend(str(Path(CHECKOUT, "discogan")))
    monkeypatch.delitem(sys.modules, "model", raising=False)
    return import_module("model")


def _authors_update() -> Callable[[dict[str, Any]], None]:
    """The lines of their `main` from the first translation to the optimisers' steps, and their losses.

    Their file is Python 2, so that only these lines are run.
    """
    text = Path(str(CHECKOUT), "discogan", "image_translation.py").read_text()
    losses = text[text.index("def get_fm_loss") : text.index("def main()")]
    start, end = (
        text.index("            AB = generator_B(A)\n"),
        text.index("            if iters % args.log_interval"),
    )
    program = compile(f"{losses}\n{dedent(text[start:end])}", "image_translation.py", "exec")

    def update(names: dict[str, Any]) -> None:
        exec(program, names)

    return update


def test_steps_are_the_authors(authors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From copied weights, within 1e-9 in float64; running statistics too.

    Today's `BCELoss` wants targets of its input's shape and type; their `get_fm_loss` moves to a GPU always.
    """
    settings = replace(SETTINGS, base_filters=64)
    ours = objective(settings)
    theirs = {
        name: (authors.Generator if "gen" in name else authors.Discriminator)().double() for name in NAMES
    }
    for name, network in theirs.items():
        assert parameter_count(ours.networks[name]) == parameter_count(network)
        for one, other in zip(
            network.state_dict().values(), ours.networks[name].state_dict().values(), strict=True
        ):
            one.copy_(other)
    monkeypatch.setattr(Tensor, "cuda", lambda self: self)
    g_b, g_a, d_b, d_a = (theirs[name] for name in NAMES)
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999), weight_decay=0.00001)
    update = _authors_update()
    names: dict[str, Any] = {
        "torch": torch, "Variable": lambda value: value, "cuda": False,
        "args": type("", (), {
            "gan_curriculum": 5, "starting_rate": 0.01, "default_rate": 0.5, "update_interval": 3,
            "model_arch": "discogan",
        }),
        "generator_A": g_a, "generator_B": g_b, "discriminator_A": d_a, "discriminator_B": d_b,
        "recon_criterion": nn.MSELoss(),
        "gan_criterion": lambda out, label: nn.BCELoss()(out.view(label.shape), label.to(out.dtype)),
        "feat_criterion": lambda out, label: nn.HingeEmbeddingLoss()(out, label.to(out.dtype)),
        "optim_gen": adam(chain(g_a.parameters(), g_b.parameters())),
        "optim_dis": adam(chain(d_a.parameters(), d_b.parameters())),
    }  # fmt: skip
    for iters in range(8):
        for network in theirs.values():
            network.zero_grad()
        a, b = batch(iters)
        names |= {"iters": iters, "A": a, "B": b}
        update(names)
    steps_of(ours, 8)
    for name, network in theirs.items():
        for one, other in zip(
            ours.networks[name].state_dict().values(), network.state_dict().values(), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


# --- the training --------------------------------------------------------------------------------------


def trainer(settings: TrainingSettings = SETTINGS) -> Trainer:
    return Trainer(parse_variant(NAME), settings, noise_pairs(side=settings.load_size_px), 0, CPU)


@pytest.mark.parametrize("changes", [{}, {"batch_size": 1, "ema": 0.9, "jitter": True}])
def test_a_resumed_training_is_the_uninterrupted_one(changes: dict[str, Any], tmp_path: Path) -> None:
    """Stopped after a step of D, before the curriculum's end."""
    settings = replace(SETTINGS, **changes)
    whole, first = trainer(settings), trainer(settings)
    list(whole.train(log_every=4))
    for entry in first.train(log_every=4):
        if entry["step"] == 4:
            break
    first.save(tmp_path / "state.safetensors", "me")
    resumed = trainer(settings)
    resumed.restore(tmp_path / "state.safetensors", "me")
    list(resumed.train(log_every=4))
    assert set(whole.objective.networks) - {"average", "average_back"} == set(NAMES)
    for name, network in whole.objective.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, resumed.objective.networks[name].state_dict()[key]), (name, key)
    losses = [
        [{k: v for k, v in entry.items() if "seconds" not in k and k != "data_wait"} for entry in run.history]
        for run in (whole, resumed)
    ]
    assert losses[0] == losses[1]


def test_the_variant_starts_from_the_authors_settings() -> None:
    variant = parse_variant("discogan")
    assert dict(variant.training) == {"jitter": False, "mirror": False, "weight_decay": 1e-5}
    assert variant.receptive_field is None
    rates = [
        variant.value(name) for name in ("starting_rate", "default_rate", "gan_curriculum", "update_interval")
    ]
    assert rates == [0.01, 0.5, 10000, 3]
    assert (variant.lambda_gan, variant.value("lambda_features")) == (0.1, 0.9)


@pytest.mark.parametrize(("steps", "said"), [(5, ["kept its first weight of 0.01"]), (6, [])])
def test_a_training_within_the_curriculum_says_so(steps: int, said: list[str]) -> None:
    found = trainer(replace(SETTINGS, steps=steps)).warnings
    assert [words in warning["sign"] for words, warning in zip(said, found, strict=True)] == [True] * len(
        said
    )


def test_networks_have_the_authors_parameters() -> None:
    """Counted by hand from 64-128-256-512 channels, 4x4 kernels, no biases, scale and shift of norms."""
    widths, kernel = [3, 64, 128, 256, 512], 16
    halvings = kernel * sum(one * other for one, other in pairwise(widths))
    norms = 2 * (128 + 256 + 512)
    settings = TrainingSettings(1, 64)
    generator = build_generator(parse_variant("discogan"), settings, 3, 3)
    discriminator = build_discriminator(parse_variant("discogan"), settings, 3, 3)
    assert discriminator is not None
    assert parameter_count(generator) == 2 * halvings + norms + 2 * (256 + 128 + 64)
    assert parameter_count(discriminator) == halvings + norms + kernel * 512


@pytest.mark.parametrize(
    ("name", "size_px", "said"),
    [
        ("discogan[adversarial=cgan]", 64, "adversarial=gan"),
        ("discogan[lambda_l1=10]", 64, "lambda_l1"),
        ("discogan", 32, "64 px or more"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, size_px: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_fits(parse_variant(name), TrainingSettings(1, size_px), (3, 3))


def test_fields_that_do_not_fit_are_refused() -> None:
    for fields, said in (
        ("discogan[update_interval=1]", "update_interval of at least 2"),
        ("discogan[default_rate=2]", "default_rate from 0 to 1"),
        ("discogan[receptive_field=70]", "that it sizes"),
        ("cyclegan[gan_curriculum=3]", "no effect"),
    ):
        with pytest.raises(ValueError, match=said):
            parse_variant(fields)
    with pytest.raises(ValueError, match="finite weight_decay"):
        replace(SETTINGS, weight_decay=-1)
    check_fits(parse_variant("discogan"), TrainingSettings(1, "128x96"), (1, 3))


def test_several_processes_are_refused() -> None:
    data = noise_pairs(side=SETTINGS.load_size_px)
    with pytest.raises(ValueError, match="one process"):
        Trainer(parse_variant(NAME), replace(SETTINGS, batch_size=2), data, 0, CPU, Ranks(0, 2, "gloo"))

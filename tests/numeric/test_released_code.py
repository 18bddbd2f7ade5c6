"""The parts side by side with the released PyTorch code, from a checkout of it that the user names.

Nothing of it is part of this project: https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix.

    PIX2PIX_BENCH_RELEASED=CHECKOUT pytest tests/numeric/test_released_code.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.build import build_discriminator, build_gan_loss, build_generator, site_of
from baselines.components.site import Judged
from baselines.layers import parameter_count
from baselines.objectives.pool import choices
from baselines.objectives.scheme import scheme_of
from baselines.parallel import ALONE
from baselines.settings import TrainingSettings
from baselines.variants import parse_variant

CHECKOUT = os.environ.get("PIX2PIX_BENCH_RELEASED")
pytestmark = pytest.mark.skipif(
    CHECKOUT is None, reason="needs the released code: PIX2PIX_BENCH_RELEASED=CHECKOUT"
)
PLAIN = partial(nn.InstanceNorm2d, affine=False, track_running_stats=False)
NORMS: list[tuple[str, Any]] = [("batch", nn.BatchNorm2d), ("instance-plain", PLAIN)]
CLOSE: Any = partial(torch.testing.assert_close, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def released() -> Iterator[Any]:
    """Its module `models.networks`."""
    sys.path.insert(0, str(CHECKOUT))
    try:
        yield import_module("models.networks")
    finally:
        sys.path.remove(str(CHECKOUT))


def down_then_up(network: nn.Module) -> list[nn.Module]:
    """The layers of a released U-Net, whose blocks lie within blocks, from input to output."""
    down: list[nn.Module] = []
    up: list[nn.Module] = []
    block: Any = network.model
    while block is not None:
        parts = list(block.model)
        inner = next((one for one in parts if type(one) is type(block)), None)
        at = (
            parts.index(inner)
            if inner is not None
            else next(place for place, one in enumerate(parts) if isinstance(one, nn.ReLU))
        )
        down, up = [*down, *parts[:at]], [*parts[at:], *up]
        up = [one for one in up if one is not inner]
        block = inner
    return [*down, *up]


def weighted(layers: Any) -> list[nn.Module]:
    return [one for one in layers if not list(one.children()) and list(one.parameters())]


def copied(ours: nn.Module, theirs: Any) -> None:
    """Give `ours` the weights of a released network's layers."""
    for one, other in zip(weighted(ours.modules()), weighted(theirs), strict=True):
        one.load_state_dict(other.state_dict())


def outputs(networks: tuple[nn.Module, nn.Module], image: Tensor) -> list[Tensor]:
    """Of both, with the same dropout masks."""
    made = []
    for network in networks:
        torch.manual_seed(1)
        made.append(network(image).detach())
    return made


@pytest.mark.parametrize("mode", ["vanilla", "lsgan"])
def test_gan_loss(released: Any, mode: str) -> None:
    """D's loss is halved, in `backward_D`."""
    theirs = released.GANLoss(mode)
    variant = parse_variant("l1+cgan").with_fields({"gan_loss": mode})
    ours = build_gan_loss(variant, site_of(variant, TrainingSettings(1, 64), (3, 3)))
    assert ours is not None
    torch.manual_seed(0)
    logits = [(3 * torch.randn(2, 1, 30, 30)).requires_grad_() for _ in range(2)]
    again = [one.detach().clone().requires_grad_() for one in logits]
    nothing = torch.zeros(0)
    found = ours.discriminator(Judged(logits[0], logits[1], nothing, nothing, lambda image: image))
    wanted = (theirs(again[0], True) + theirs(again[1], False)) * 0.5
    for one, other in ((found, wanted), (ours.generator(logits[1]), theirs(again[1], True))):
        CLOSE(one, other)
        one.backward()
        other.backward()
    for one, other in zip(logits, again, strict=True):
        CLOSE(one.grad, other.grad)


@pytest.mark.parametrize(("norm", "layer"), NORMS)
@pytest.mark.parametrize("blocks", [6, 9])
def test_resnet(released: Any, blocks: int, norm: str, layer: Any) -> None:
    variant = parse_variant(f"resnet{blocks}:l1+cgan").with_fields({"norm": norm})
    theirs = released.ResnetGenerator(3, 3, 8, layer, use_dropout=True, n_blocks=blocks)
    ours = build_generator(variant, TrainingSettings(1, 64, base_filters=8), 3, 3)
    assert parameter_count(ours) == parameter_count(theirs)
    ours.load_state_dict(theirs.state_dict())  # by name
    one, other = outputs((ours, theirs), torch.rand(1, 3, 64, 64) * 2 - 1)
    assert one.std() > 0.01
    CLOSE(one, other, atol=1e-5)


@pytest.mark.parametrize(("norm", "layer"), NORMS)
@pytest.mark.parametrize(("levels", "size_px"), [(7, 128), (8, 256)])
def test_unet_with_its_dropout(released: Any, levels: int, size_px: int, norm: str, layer: Any) -> None:
    variant = parse_variant("l1+cgan").with_fields({"norm": norm, "dropout_at": "released"})
    theirs = released.UnetGenerator(3, 3, levels, 4, layer, use_dropout=True)
    ours = build_generator(variant, TrainingSettings(1, size_px, base_filters=4), 3, 3)
    assert parameter_count(ours) == parameter_count(theirs)
    dropouts = [sum(isinstance(one, nn.Dropout) for one in net.modules()) for net in (ours, theirs)]
    assert dropouts == [levels - 5] * 2
    copied(ours, down_then_up(theirs))
    one, other = outputs((ours, theirs), torch.rand(1, 3, size_px, size_px) * 2 - 1)
    assert one.std() > 0.01
    CLOSE(one, other, atol=1e-5)


@pytest.mark.parametrize(("norm", "layer"), NORMS)
def test_discriminator(released: Any, norm: str, layer: Any) -> None:
    variant = parse_variant("l1+cgan").with_fields({"norm": norm})
    theirs = released.NLayerDiscriminator(6, 8, 3, layer)
    ours = build_discriminator(variant, TrainingSettings(1, 64, base_filters=8), 3, 3)
    assert ours is not None
    copied(ours, theirs.modules())
    source, image = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    CLOSE(ours(source, image), theirs(torch.cat([source, image], 1)), atol=1e-5)


@pytest.mark.parametrize("kind", ["normal", "xavier", "orthogonal"])
def test_starts(released: Any, kind: str) -> None:
    """The same numbers from the same seed, layer by layer."""
    variant = parse_variant("resnet6:l1+cgan").with_fields({"init": kind})
    torch.manual_seed(5)
    theirs = released.ResnetGenerator(3, 3, 8, nn.BatchNorm2d, use_dropout=True, n_blocks=6)
    released.init_weights(theirs, kind, 0.02)
    torch.manual_seed(5)
    ours = build_generator(variant, TrainingSettings(1, 64, base_filters=8), 3, 3)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_step_of_cyclegan(
    released: Any, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of `cycle_gan_model` from equal weights, images and draws of the pools; these fill, then swap.

    In float32 one step, without the biases before a normalisation: their gradient is 0, and Adam makes a step
    of its rounding errors.
    """
    theirs = _cycle_gan(tmp_path)
    variant, settings = parse_variant("cyclegan[pool_size=2]"), TrainingSettings(100, 64, base_filters=4)
    ours = scheme_of(variant).start(variant, settings, (3, 3), torch.device("cpu"), ALONE, 0)
    names = {
        "generator": theirs.netG_A,
        "generator_back": theirs.netG_B,
        "discriminator": theirs.netD_A,
        "discriminator_back": theirs.netD_B,
    }
    for name, network in names.items():
        assert parameter_count(ours.networks[name]) == parameter_count(network)
        copied(ours.networks[name], network.modules())
        network.to(dtype)
    for network in ours.networks.values():
        network.to(dtype)
    random = import_module("util.image_pool").random
    swaps = 0
    for step in range(10 if dtype == torch.float64 else 1):
        source, target = torch.rand(2, 1, 3, 64, 64, dtype=dtype) * 2 - 1
        told = [choices(step, 2, 1, 0, number)[0] for number in (0, 1)]  # of generated targets, of sources
        swaps += sum(int(one[1]) for one in told)
        waiting = [one for one in told if step >= 2]  # a pool that is not full asks for no draw
        monkeypatch.setattr(
            random, "uniform", lambda low, high, left=waiting: float(left[0][1]) or left.pop(0)[1]
        )
        monkeypatch.setattr(random, "randint", lambda low, high, left=waiting: int(left.pop(0)[0]))
        theirs.set_input({"A": source, "B": target, "A_paths": []})
        theirs.optimize_parameters()
        ours.prepare(step)
        ours.step(source, target, None)
        assert not waiting
    assert swaps > 0 or dtype == torch.float32
    for name, network in names.items():
        for (key, one), other in zip(
            ours.networks[name].named_parameters(), network.parameters(), strict=True
        ):
            if dtype == torch.float64 or key.endswith("weight"):
                CLOSE(one, other, atol=1e-5)


def _cycle_gan(folder: Path) -> Any:
    """A `cycle_gan_model` with its defaults, but narrow and with small pools."""
    torch.manual_seed(0)
    said = {
        "isTrain": True, "gpu_ids": [], "checkpoints_dir": str(folder), "name": "x", "preprocess": "none",
        "direction": "AtoB", "input_nc": 3, "output_nc": 3, "ngf": 4, "ndf": 4, "netG": "resnet_9blocks",
        "netD": "basic", "n_layers_D": 3, "norm": "instance", "no_dropout": True, "init_type": "normal",
        "init_gain": 0.02, "pool_size": 2, "gan_mode": "lsgan", "lr": 2e-4, "beta1": 0.5, "lambda_A": 10.0,
        "lambda_B": 10.0, "lambda_identity": 0.5,
    }  # fmt: skip
    model: Any = import_module("models.cycle_gan_model").CycleGANModel(SimpleNamespace(**said))
    return model

"""A step on tensors of a fake GPU: it mixes no devices and never waits for the GPU.

Torch's fake tensors have shape, type and device but no numbers. Code that reads a number, which would break a
capture, or mixes devices fails here. Gradients and Adam are torch's own and left out: torch cannot run them
without a driver. `tests/gpu` has the tests on a real GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from baselines import convolutions
from baselines.build import build_generator
from baselines.health import spreads
from baselines.layers import BatchNorm
from baselines.objectives.scheme import scheme_of
from baselines.pairs import scaled, windows
from baselines.parallel import ALONE
from baselines.settings import TrainingSettings
from baselines.sizes import image_size
from baselines.variants import parse_variant

VARIANTS = (
    "l1", "gan", "cgan", "l1+gan", "l1+cgan", "l1+cgan/1", "l1+cgan/16", "l1+cgan/34", "imagegan",
    "encdec:l1", "encdec:l1+cgan", "no-dropout", "resnet6:l1+cgan", "l1+cgan[gan_loss=lsgan]",
    "l1+cgan[gan_loss=hinge,spectral_norm=on]", "l1+cgan[upsample=resize,norm=instance-plain]",
    "l1+cgan[lambda_fm=10,lambda_ssim=1,lambda_tv=1,dropout_at=released]", "cyclegan", "discogan",
)  # fmt: skip


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """New tensors are fake ones on a GPU; gradients are zeros, and Adam does nothing."""
    monkeypatch.setattr(Tensor, "backward", lambda self: None)
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: None)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, device: self)  # all tensors are there already
    if torch.version.cuda is None:
        pytest.skip("this torch knows no CUDA")
    with FakeTensorMode(allow_fallback_kernels=False), torch.device("cuda"):
        yield


@pytest.mark.usefixtures("fake_gpu")
@pytest.mark.parametrize(
    ("name", "batch_size", "dtype", "ema"),
    [
        *((name, 1, torch.uint8, 0) for name in VARIANTS),
        ("l1+cgan", 4, torch.uint8, 0),
        ("l1+cgan", 1, torch.int16, 0),
        ("l1+cgan", 1, torch.uint8, 0.999),
    ],
)
def test_a_step_stays_on_the_gpu_and_waits_for_nothing(
    name: str, batch_size: int, dtype: torch.dtype, ema: float
) -> None:
    variant = parse_variant(name)
    settings = TrainingSettings(steps=4, size_px=64, base_filters=4, batch_size=batch_size, ema=ema)
    objective = scheme_of(variant).start(variant, settings, (3, 3), torch.device("cuda"), ALONE, 0)
    objective.prepare(1)
    side = settings.load_size_px
    stored = torch.zeros(10, side, side, 3, dtype=dtype)
    choices = torch.zeros(batch_size, 4, dtype=torch.int64)
    with objective.capturable():
        source, target = map(scaled, windows([stored, stored], choices, image_size(settings.size_px)))
        prediction, losses = objective.step(source, target, None)
        losses |= spreads(prediction, target)
    assert prediction.shape == (batch_size, 3, 64, 64)
    assert {value.device.type for value in (prediction, *losses.values())} == {"cuda"}
    assert isinstance(objective.adams["generator"].param_groups[0]["lr"], Tensor)


class Operations(TorchDispatchMode):
    """Counts what reaches a device: each is a kernel or more there."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.usefixtures("fake_gpu")
def test_small_operations_are_done_once_for_all() -> None:
    """Batches that norms have seen; the least and largest value of an image; windows of both sides; sums."""
    settings = TrainingSettings(steps=4, size_px=64, base_filters=4)
    variant = parse_variant("l1+cgan")
    objective = scheme_of(variant).start(variant, settings, (3, 3), torch.device("cuda"), ALONE, 0)
    norms = [
        one for net in objective.networks.values() for one in net.modules() if isinstance(one, BatchNorm)
    ]
    side = settings.load_size_px
    stored, choices = torch.zeros(10, side, side, 3, dtype=torch.uint8), torch.zeros(1, 4, dtype=torch.int64)
    with Operations() as done:
        source, target = map(scaled, windows([stored, stored], choices, image_size(settings.size_px)))
        prediction, losses = objective.step(source, target, None)
        losses |= spreads(prediction, target)
    assert len(norms) == 12
    assert done.found["_foreach_add_"] == 1
    assert not [name for name in done.found if name.startswith(("amax", "amin_"))]
    assert (done.found["aminmax"], done.found["arange"], done.found["index"]) == (2, 1, 2)
    assert done.found["add_"] == 0


@pytest.mark.usefixtures("fake_gpu")
@pytest.mark.parametrize("name", ["l1+cgan", "encdec:l1+cgan"])
def test_deep_layers_may_be_products_on_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "PRODUCTS_ON", {"cpu", "cuda"})
    settings = TrainingSettings(steps=4, size_px=64, base_filters=4)
    generator = build_generator(parse_variant(name), settings, 3, 3)
    with Operations() as done:
        out = generator(torch.zeros(1, 3, 64, 64))
    assert out.device.type == "cuda"
    assert done.found["mm"] == 8  # of 12: four layers each way see 8 x 8 positions at most
    assert (done.found["im2col"], done.found["col2im"]) == (4, 4)


@pytest.mark.usefixtures("fake_gpu")
def test_a_number_that_the_host_asks_for_is_noticed() -> None:
    with pytest.raises(DataDependentOutputException):
        torch.ones(2).sum().item()
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(2) + torch.ones(2, device="cpu")

"""Generators of the released PyTorch code, read and written; exported programs against the generator."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines import released
from baselines.build import build_generator
from baselines.layers import Dropout
from baselines.settings import TestSettings, TrainingSettings
from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint, translations
from baselines.variant import Variant
from bench.core.errors import UsageError
from bench.core.state_dict import read_state_dict
from bench.spec.models import parse_models
from bench.stages.models.export import export
from bench.stages.models.open_model import open_model
from bench.stages.models.opened import Images, Opened

RELEASED = "PIX2PIX_RELEASED"  # a folder with the released code: its models/networks.py is then compared too
SETTLED = TestSettings(dropout=False)


class Block(nn.Module):
    """`UnetSkipConnectionBlock` of the released code with batch norm, written out in torch's own layers."""

    def __init__(
        self, outer: int, inner: int, inside: nn.Module | None, *, first: int = 0, drop: bool
    ) -> None:
        super().__init__()
        self.outermost = first > 0
        down = nn.Conv2d(first or outer, inner, 4, 2, 1, bias=False)
        if self.outermost:
            up: nn.Module = nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1)
            layers = [down, inside, nn.ReLU(), up, nn.Tanh()]
        elif inside is None:
            up = nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False)
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, nn.BatchNorm2d(outer)]
        else:
            up = nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1, bias=False)
            layers = [
                nn.LeakyReLU(0.2),
                down,
                nn.BatchNorm2d(inner),
                inside,
                nn.ReLU(),
                up,
                nn.BatchNorm2d(outer),
            ]
            layers += [nn.Dropout(0.5)] if drop else []
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.model(x)
        return made if self.outermost else torch.cat([x, made], 1)


class Unet128(nn.Module):
    """`UnetGenerator(3, 3, 7, ngf)` of the released code."""

    def __init__(self, ngf: int, drop: bool) -> None:
        super().__init__()
        block = Block(ngf * 8, ngf * 8, None, drop=False)
        for _ in range(2):
            block = Block(ngf * 8, ngf * 8, block, drop=drop)
        for times in (4, 2, 1):
            block = Block(ngf * times, ngf * times * 2, block, drop=False)
        self.model = Block(3, ngf, block, first=3, drop=False)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.model(x)
        return made


def unet(ngf: int = 2, drop: bool = True) -> Unet128:
    torch.manual_seed(0)
    network = Unet128(ngf, drop)
    shaken(network)
    return network


def shaken(network: nn.Module) -> None:
    """Give running statistics that are not those of a fresh network."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)


def source(size: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_im(made: Tensor) -> NDArray[Any]:
    """`tensor2im` of the released code."""
    image = (np.transpose(made[0].detach().numpy(), (1, 2, 0)) + 1) / 2.0 * 255.0
    return image.astype(np.uint8)


test_im.__test__ = False  # type: ignore[attr-defined]


def opened(text: str, size: int, test: TestSettings = SETTLED) -> Opened:
    (model,) = parse_models([text])
    return open_model(model, Images(size, 3, 3), test, "cpu")


def made_by(text: str, image: NDArray[np.uint8], test: TestSettings = SETTLED, seed: int = 0) -> NDArray[Any]:
    return next(opened(text, image.shape[0], test).translate([(image, seed)]))


def test_a_released_unet_makes_the_images_of_its_test_py(tmp_path: Path) -> None:
    """Dropout off, statistics of the image, bytes truncated: at most 1 level apart, 99.9 % equal."""
    network = unet()
    torch.save(network.state_dict(), tmp_path / "latest_net_G.pth")
    image = source(128)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    for layer in network.modules():
        layer.train(not isinstance(layer, nn.Dropout))
    with torch.no_grad():
        theirs = test_im(network(planes))
    mine = made_by(f"r=released:{tmp_path / 'latest_net_G.pth'}", image)
    assert np.abs(mine.astype(int) - theirs).max() <= 1
    assert (mine == theirs).mean() >= 0.999
    rounded = made_by(f"r=released:{tmp_path / 'latest_net_G.pth'},bytes=rounded", image)
    assert 0.3 < (rounded == theirs).mean() < 0.7  # half of all bytes are one level higher


def test_its_dropout_is_on_with_a_seed_and_off_where_named(tmp_path: Path) -> None:
    torch.save(unet().state_dict(), tmp_path / "g.pth")
    image, on = source(128), TestSettings()
    path = f"r=released:{tmp_path / 'g.pth'}"
    first, again, other = (made_by(path, image, on, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert "dropout" in opened(path, 128).about["assumed"]
    without = [made_by(f"{path},dropout=0", image, on, seed) for seed in (1, 2)]
    assert (without[0] == without[1]).all()
    assert "assumed" not in opened(f"{path},dropout=0", 128).about


@pytest.mark.parametrize("dropout", [False, True])
def test_a_resnet_is_recognised_with_its_norm_and_dropout(dropout: bool) -> None:
    variant = Variant("r", "resnet6", norm="instance-plain", dropout=0.5 if dropout else 0)
    weights = build_generator(variant, TrainingSettings(1, 32, base_filters=2), 3, 1).state_dict()
    found = released.recognised(weights)
    assert found == released.Architecture("resnet_6blocks", "instance", dropout, 2, 3, 1)
    assert released.to_released(released.load(weights, found), found).keys() == weights.keys()


def trained(tmp_path: Path, size: int, *, at: str = "released", generator: str = "unet", **more: Any) -> Path:
    """A checkpoint with weights that are not fresh."""
    parts = (("dropout_at", at),) if generator == "unet" else ()
    variant = Variant("x", generator, parts=parts, **more)
    settings = TrainingSettings(steps=1, size_px=size, base_filters=2)
    torch.manual_seed(1)
    network = build_generator(variant, settings, 3, 3)
    shaken(network)
    for parameter in network.parameters():
        parameter.data.mul_(3)
    path = tmp_path / f"{generator}-{size}-{at}.safetensors"
    save_checkpoint(path, Checkpoint(network, variant, settings, 3, "uint8", "bicubic", "uint8", "x"))
    return path


def own(path: Path, image: NDArray[np.uint8], test: TestSettings, *, truncated: bool = False) -> NDArray[Any]:
    checkpoint = load_checkpoint(path, torch.device("cpu"))
    return next(translations(checkpoint, [(image, 0)], test, truncated=truncated))


def test_released_export_loads_there_and_makes_the_same_images(tmp_path: Path) -> None:
    path, image = trained(tmp_path, 128), source(128)
    said = export(path, tmp_path / "g.pth", "released")
    assert "--netG unet_128 --ngf 2 --norm batch --input_nc 3 --output_nc 3;" in said[1]
    loaded = torch.load(tmp_path / "g.pth", weights_only=True)
    assert loaded._metadata[""]["bench"]["dropout"] == "dropout as at test time"
    network = unet()
    network.load_state_dict(loaded, strict=True)
    for layer in network.modules():
        layer.train(not isinstance(layer, nn.Dropout))
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    with torch.no_grad():
        theirs = test_im(network(planes))
    mine = own(path, image, SETTLED, truncated=True)
    assert np.abs(mine.astype(int) - theirs).max() <= 1
    assert (mine == theirs).mean() >= 0.999
    assert (made_by(f"r=released:{tmp_path / 'g.pth'}", image) == mine).all()


def test_released_export_has_dropout_only_where_the_run_had_it_there(tmp_path: Path) -> None:
    said = export(trained(tmp_path, 128, at="paper"), tmp_path / "g.pth", "released")
    assert "--no_dropout" in said[1]
    assert (
        "dropout_at=released"
        in torch.load(tmp_path / "g.pth", weights_only=True)._metadata[""]["bench"]["dropout"]
    )


@pytest.mark.parametrize(("size", "generator"), [(64, "unet"), (32, "resnet6")])
def test_what_the_released_code_has_no_class_for_is_refused(
    tmp_path: Path, size: int, generator: str
) -> None:
    with pytest.raises(UsageError, match="128 or 256 px"):
        export(trained(tmp_path, size, generator=generator), tmp_path / "g.pth", "released")
    assert not (tmp_path / "g.pth").exists()


@pytest.mark.parametrize("form", ["torchscript", "onnx"])
def test_an_exported_program_makes_the_generators_images(tmp_path: Path, form: Any) -> None:
    """Both with running statistics and with those of the image; summation order moves a byte by 1 at most."""
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    path, image = trained(tmp_path, 32), source(32)
    export(path, tmp_path / "settled", form, deterministic=True)
    settled = made_by(f"m={form}:{tmp_path / 'settled'}", image)
    wanted = own(path, image, TestSettings(dropout=False, norm="running"))
    assert np.abs(settled.astype(int) - wanted).max() <= 1
    assert (settled == wanted).mean() > 0.99
    still = trained(tmp_path, 32, at="paper", dropout=0)
    export(still, tmp_path / "batch", form)
    batch = made_by(f"m={form}:{tmp_path / 'batch'}", image)
    assert np.abs(batch.astype(int) - own(still, image, SETTLED)).max() <= 1
    assert opened(f"m={form}:{tmp_path / 'batch'}", 32).about["stated"]["statistics"].startswith("each image")


@pytest.mark.parametrize("form", ["torchscript", "onnx"])
def test_dropout_of_an_exported_program_is_as_at_test_time(tmp_path: Path, form: Any) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    path, image = trained(tmp_path, 32, at="paper"), source(32)
    checkpoint = load_checkpoint(path, torch.device("cpu"))
    assert any(isinstance(layer, Dropout) for layer in checkpoint.generator.modules())
    export(path, tmp_path / "m", form)
    program = opened(f"m={form}:{tmp_path / 'm'}", 32)
    made = np.stack(list(program.translate([(image, seed) for seed in range(8)]))).astype(float)
    mine = np.stack(list(translations(checkpoint, [(image, seed) for seed in range(8)], TestSettings())))
    spreads = [stack.std(axis=0).mean() for stack in (made, mine.astype(float))]
    assert spreads[1] > 1
    assert 0.7 < spreads[0] / spreads[1] < 1.4
    assert program.about["stated"]["dropout"] == "dropout active, as at test time"
    if form == "torchscript":  # has torch's random state, so a seed for each image
        again = list(program.translate([(image, seed) for seed in range(8)]))
        assert (np.stack(again) == made).all()


@pytest.mark.skipif(RELEASED not in os.environ, reason=f"${RELEASED} names no folder of the released code")
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("net", released.NETS)
def test_weights_of_the_released_classes_themselves(
    net: str, norm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(os.environ[RELEASED])
    for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
        monkeypatch.delitem(sys.modules, name)
    from models.networks import define_G

    torch.manual_seed(0)
    theirs = define_G(3, 3, 2, net, norm, True)
    shaken(theirs)
    torch.save(theirs.state_dict(), tmp_path / "g.pth")
    weights = read_state_dict(tmp_path / "g.pth")
    found = released.recognised(weights)
    assert found == released.Architecture(net, norm, True, 2, 3, 3)
    mine = released.load(weights, found)
    theirs.load_state_dict(released.to_released(mine, found), strict=True)
    side = 2**found.levels if net.startswith("unet") else 32
    image = torch.rand(1, 3, side, side) * 2 - 1
    for layer in (*mine.modules(), *theirs.modules()):
        layer.train(not isinstance(layer, nn.Dropout))
    with torch.no_grad():
        assert (mine(image) - theirs(image)).abs().max() < 1e-5

"""Parts from plug-ins: the files of docs/components.md as they stand there, and parts of every kind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from noise_pairs import noise_pairs as pairs
from torch import Tensor, nn

from baselines.build import build_discriminator, build_gan_loss, site_of
from baselines.components import registry
from baselines.components.registry import Part
from baselines.components.site import Judged, Site, Upsampling
from baselines.layers import Norm
from baselines.settings import TestSettings, TrainingSettings
from baselines.trainer import Trainer
from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint
from baselines.variant import field_names
from baselines.variants import parse_variant
from bench.cli.main import cli
from bench.core import plugins
from bench.core.errors import UsageError
from bench.launch.jobs import Job, Launch
from bench.spec.run_spec import DataSpec, RunSpec
from bench.spec.scoring_choice import ScoringChoice

PAGE = Path(__file__).resolve().parents[2] / "docs" / "components.md"
CPU = torch.device("cpu")
SETTINGS = TrainingSettings(steps=4, size_px=32, base_filters=4)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_added", {kind: dict(held) for kind, held in registry._added.items()})
    monkeypatch.setattr(plugins, "loaded_files", [])


@pytest.fixture
def documented(tmp_path: Path) -> dict[str, Path]:
    """The plug-in files of the page, by the name in their first line."""
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert [name for name, _ in blocks] == ["edges.py", "wgan_gp.py"]
    for name, text in blocks:
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {name: tmp_path / name for name, _ in blocks}


def bench(*words: str) -> Any:
    return CliRunner().invoke(cli, list(words), catch_exceptions=False)


def test_what_is_said_of_a_built_in_part_is_what_it_has() -> None:
    for kind in registry.KINDS:
        for name in registry.names(kind):
            assert registry.get(kind, name).fields is registry.fields_of(kind, name), (kind, name)
            assert registry.about(kind, name)


def test_a_loss_of_ones_own_gets_its_row_in_a_report(documented: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    small = ["--size", "32", "--base-filters", "4", "--steps", "6", "--train-limit", "8", "--test-limit", "4"]
    asked = ["run", "--variants", "l1", "--set", "lambda_edges=0,10", "--dataset", "toycity", *small]
    scored = ["--device", "cpu", "--judge", "none", "--metrics", "ssim", "--jobs", "1"]
    done = bench("--plugin", str(documented["edges.py"]), *asked, *scored, "--out", str(out))
    assert done.exit_code == 0, done.output
    records = {
        record["label"]: record
        for path in sorted((out / "records").glob("*.json"))
        if (record := json.loads(path.read_text()))["kind"] == "run"
    }
    assert set(records) == {"l1", "l1[lambda_edges=10]"}
    own = records["l1[lambda_edges=10]"]
    assert own["spec"]["variant"]["lambda_edges"] == 10
    assert "lambda_edges" not in records["l1"]["spec"]["variant"]  # its default: as before there was one
    assert own["history"][-1]["loss_edges"] > 0
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "lambda_edges" in page


def test_its_fields_are_listed_and_swept(documented: dict[str, Path]) -> None:
    plugins.load_file(documented["edges.py"])
    plugins.load_file(documented["wgan_gp.py"])
    assert {"lambda_edges", "lambda_gp"} <= set(field_names())
    swept = parse_variant("l1+cgan").with_fields({"lambda_edges": "10"})
    assert (swept.name, swept.terms) == ("l1+cgan[lambda_edges=10]", {"edges": 10.0})
    assert parse_variant(swept.name) == swept
    shown = bench("list", "parts").output + bench("list", "fields").output
    assert "loss-term=edges" in shown
    assert "lambda_gp" in shown


def test_the_edge_loss_is_what_its_page_says(documented: dict[str, Path]) -> None:
    plugins.load_file(documented["edges.py"])
    settings = replace(SETTINGS, jitter=False, mirror=False)
    run = Trainer(parse_variant("l1[lambda_edges=10]"), settings, pairs(count=1, side=32), 0, CPU)
    source, target = (
        torch.from_numpy(one).permute(0, 3, 1, 2).float() / 127.5 - 1
        for one in (run.data.source, run.data.target)
    )
    from baselines.pairs import dropout_seed

    torch.manual_seed(dropout_seed(0, 0))
    apart = (run.generator(source) - target).detach()
    expected = apart.diff(dim=2).abs().mean() + apart.diff(dim=3).abs().mean()
    fresh = Trainer(run.variant, settings, run.data, 0, CPU)
    (entry, *_) = fresh.train(log_every=1)
    assert entry["loss_edges"] == pytest.approx(expected.item(), rel=1e-5)


def test_the_gradient_penalty_of_a_linear_critic(documented: dict[str, Path]) -> None:
    """D(x) = w x: its slope is w everywhere, so the penalty is (|w| - 1)^2."""
    plugins.load_file(documented["wgan_gp.py"])
    variant = parse_variant("l1+cgan[gan_loss=wgan-gp,norm=instance]")
    loss = build_gan_loss(variant, site_of(variant, SETTINGS, (3, 3)))
    assert loss is not None
    torch.manual_seed(0)
    weight = torch.randn(3, 8, 8, dtype=torch.float64, requires_grad=True)
    target, prediction = (torch.randn(2, 3, 8, 8, dtype=torch.float64) for _ in range(2))

    def critic(image: Tensor) -> Tensor:
        return (image * weight).sum((1, 2, 3)).view(-1, 1, 1, 1)

    real, generated = critic(target), critic(prediction)
    found = loss.discriminator(Judged(real, generated, target, prediction, critic))
    expected = generated.mean() - real.mean() + 10 * (weight.norm() - 1) ** 2
    torch.testing.assert_close(found, expected)
    (by_ours,) = torch.autograd.grad(found, weight, retain_graph=True)
    (by_hand,) = torch.autograd.grad(expected, weight)
    torch.testing.assert_close(by_ours, by_hand)


def test_the_penalty_of_our_discriminator_is_that_of_torchs_convolutions(documented: dict[str, Path]) -> None:
    """At 32 px its deep layers are products of matrices, which a second backward pass must go through."""
    plugins.load_file(documented["wgan_gp.py"])
    variant = parse_variant("l1+cgan[gan_loss=wgan-gp,norm=instance]")
    loss = build_gan_loss(variant, site_of(variant, SETTINGS, (3, 3)))
    network = build_discriminator(variant, SETTINGS, 3, 3)
    assert loss is not None
    assert network is not None
    network.double()
    source, target, prediction = (torch.rand(1, 3, 32, 32, dtype=torch.float64) for _ in range(3))
    plain = nn.Sequential(*(as_torchs(layer) for layer in network.layers))
    gradients = []
    for logits in (partial(network, source), lambda image: plain(torch.cat([source, image], 1))):
        torch.manual_seed(1)
        judged = Judged(logits(target), logits(prediction), target, prediction, logits)
        gradients.append(torch.autograd.grad(loss.discriminator(judged), list(network.parameters())))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def as_torchs(layer: nn.Module) -> nn.Module:
    """The same layer with the same weights, by torch's own convolution."""
    if not isinstance(layer, nn.Conv2d):
        return layer
    shape: Any = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
    made = nn.Conv2d(*shape, bias=layer.bias is not None)
    made.weight, made.bias = layer.weight, layer.bias
    return made


@pytest.mark.parametrize("batch_size", [1, 2])
def test_wgan_gp_trains_and_resumes_bit_for_bit(
    batch_size: int, documented: dict[str, Path], tmp_path: Path
) -> None:
    plugins.load_file(documented["wgan_gp.py"])
    settings = replace(SETTINGS, batch_size=batch_size)
    variant = parse_variant("l1+cgan[gan_loss=wgan-gp,norm=instance]")
    fresh = partial(Trainer, variant, settings, pairs(side=settings.load_size_px), 0, CPU)
    whole, first, resumed = fresh(), fresh(), fresh()
    list(whole.train(log_every=2))
    next(iter(first.train(log_every=2)))
    first.save(tmp_path / "state.safetensors", "me")
    torch.rand(3)  # what else draws numbers does not matter
    resumed.restore(tmp_path / "state.safetensors", "me")
    list(resumed.train(log_every=2))
    ends = whole._tensors(), resumed._tensors()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_wgan_gp_with_batch_norm_is_one_line_and_writes_nothing(
    documented: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = ["run", "--variants", "l1+cgan", "--set", "gan_loss=wgan-gp", "--dataset", "toycity"]
    with pytest.raises(UsageError, match="without batch norm: --set norm=instance") as caught:
        bench("--plugin", str(documented["wgan_gp.py"]), *asked, "--size", "32", "--out", str(out))
    assert "\n" not in str(caught.value)
    assert not out.exists()


@dataclass(frozen=True)
class Tiny:
    """One convolution.

    Attributes:
        tiny_kernel: its side.
    """

    tiny_kernel: int = 3


class TinyNetwork(nn.Module):
    def __init__(self, fields: Tiny, site: Site) -> None:
        super().__init__()
        self.layer = nn.Conv2d(
            site.source_channels, site.target_channels, fields.tiny_kernel, padding=fields.tiny_kernel // 2
        )
        site.start(self)

    def forward(self, source: Tensor) -> Tensor:
        out: Tensor = self.layer(source).tanh()
        return out


@dataclass(frozen=True)
class Plain:
    """Nothing of its own."""


def test_a_generator_of_ones_own_trains_and_is_saved(tmp_path: Path) -> None:
    plugins.register("generators", "tiny", Part(Tiny, TinyNetwork))
    variant = parse_variant("tiny:l1[tiny_kernel=5]")
    run = Trainer(variant, SETTINGS, pairs(channels=(1, 3), side=SETTINGS.load_size_px), 0, CPU)
    list(run.train(log_every=4))
    path = tmp_path / "made.safetensors"
    save_checkpoint(path, Checkpoint(run.generator, variant, SETTINGS, 1, "uint8", "bicubic", "uint8", "me"))
    loaded = load_checkpoint(path, CPU)
    assert loaded.variant == variant
    assert torch.equal(
        loaded.generator.state_dict()["layer.weight"], run.generator.state_dict()["layer.weight"]
    )
    assert loaded.generator.state_dict()["layer.weight"].shape == (3, 1, 5, 5)
    with pytest.raises(ValueError, match="dropout_at has no effect"):
        variant.with_fields({"dropout_at": "released"})


def test_an_upsampling_and_a_norm_of_ones_own() -> None:
    def upsampling(fields: Plain) -> Upsampling:
        def layer(inputs: int, outputs: int, kernel: int, *, bias: bool) -> nn.Module:
            return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 1, bias=bias), nn.PixelShuffle(2))

        return layer

    plugins.register("upsamplings", "shuffle", Part(Plain, upsampling))
    plugins.register(
        "norms", "group", Part(Plain, lambda fields: Norm(lambda channels: nn.GroupNorm(1, channels)))
    )
    variant = parse_variant("l1+cgan[upsample=shuffle,norm=group]")
    run = Trainer(variant, SETTINGS, pairs(side=SETTINGS.load_size_px), 0, CPU)
    list(run.train(log_every=4))
    kinds = {type(one) for network in run.objective.networks.values() for one in network.modules()}
    assert {nn.PixelShuffle, nn.GroupNorm} <= kinds
    assert not {nn.BatchNorm2d, nn.ConvTranspose2d} & kinds


@dataclass(frozen=True)
class Named:
    """A field that is taken."""

    lambda_l1: float = 0.0


@dataclass(frozen=True)
class OfAnother:
    """A field of another part."""

    lambda_tv: float = 0.0


@dataclass(frozen=True)
class NoDefault:
    """A field without a default."""

    lambda_x: float


@pytest.mark.parametrize(
    ("kind", "name", "make", "said"),
    [
        ("loss_terms", "x", lambda: Part(Named, Tiny), "'lambda_l1' is taken"),
        ("loss_terms", "x", lambda: Part(NoDefault, Tiny), "expected a default"),
        ("loss_terms", "x", lambda: Part(Plain, Tiny), "to have the field lambda_x"),
        ("generators", "x", lambda: Part(OfAnother, Tiny), "'lambda_tv' of 'x' belongs to 'tv'"),
        ("generators", "unet", lambda: Part(Plain, Tiny), "there is a generator 'unet' already"),
        ("generators", "X y", lambda: Part(Plain, Tiny), "expected a name of small letters"),
        ("generators", "x", lambda: Tiny, "expected a Part as generator 'x'"),
        ("generators", "x", lambda: Part(int, Tiny), "expected a dataclass"),
    ],
)
def test_what_is_no_part_is_refused(kind: Any, name: str, make: Any, said: str) -> None:
    with pytest.raises((UsageError, ValueError), match=said):
        plugins.register(kind, name, make())


def test_the_same_part_twice_is_no_conflict() -> None:
    part = Part(Plain, TinyNetwork)
    plugins.register("generators", "twice", part)
    plugins.register("generators", "twice", part)
    assert plugins.load("generators", "twice") is part
    assert "twice" in plugins.names("generators")
    with pytest.raises(UsageError, match="unknown generator 'twicer': did you mean 'twice'"):
        plugins.load("generators", "twicer")


def test_a_job_loads_the_plugins_that_its_variant_needs(documented: dict[str, Path]) -> None:
    """A worker reads its job before anything else: the variant must not come before its parts."""
    code = (
        "import json, sys; from bench.launch.jobs import Job;"
        "print(Job.from_dict(json.load(sys.stdin)).spec.variant.gan_loss)"
    )
    plugins.load_file(documented["wgan_gp.py"])
    variant = parse_variant("l1+cgan[gan_loss=wgan-gp,norm=instance]")
    data = DataSpec("toycity", "labels2photo", "paired", 4, 2, "a", "b")
    spec = RunSpec(data, variant, 0, SETTINGS, TestSettings())
    launch = Launch(Path("out"), "cpu", ScoringChoice(), "bench", plugins=(documented["wgan_gp.py"],))
    text = json.dumps(Job(spec, "one", None, launch).to_dict())
    done = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "wgan-gp"

"""The parts of variants against formulas written out here, analytic gradients and other implementations."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_pairs import noise_pairs as pairs
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.functional.image import structural_similarity_index_measure, total_variation
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

import bench.core.plugins  # noqa: F401 - brings the features of EfficientNet-Lite0
from baselines.build import build_discriminator, build_gan_loss, build_generator, build_terms, site_of
from baselines.components.perceptual import PerceptualLoss
from baselines.components.site import GanLoss, Judged, Seen
from baselines.layers import parameter_count
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(steps=4, size_px=32, base_filters=4)
IMAGE = (2, 3, 32, 32)


def loss_named(name: str) -> GanLoss:
    variant = parse_variant(f"l1+cgan[gan_loss={name}]") if name != "vanilla" else parse_variant("l1+cgan")
    loss = build_gan_loss(variant, site_of(variant, SETTINGS, (3, 3)))
    assert loss is not None
    return loss


def judged(real: Tensor, generated: Tensor) -> Judged:
    nothing = torch.zeros(0)
    return Judged(real, generated, nothing, nothing, lambda image: image)


# D's loss, its gradient by each real and each generated logit, G's loss and its gradient; n logits a side.
FORMULAS: dict[str, Any] = {
    "vanilla": (
        lambda r, g: 0.5 * (np.log1p(np.exp(-r)).mean() + np.log1p(np.exp(g)).mean()),
        lambda r: -0.5 / (1 + np.exp(r)),
        lambda g: 0.5 / (1 + np.exp(-g)),
        lambda g: np.log1p(np.exp(-g)).mean(),
        lambda g: -1 / (1 + np.exp(g)),
    ),
    "lsgan": (
        lambda r, g: 0.5 * (((r - 1) ** 2).mean() + (g**2).mean()),
        lambda r: r - 1,
        lambda g: g,
        lambda g: ((g - 1) ** 2).mean(),
        lambda g: 2 * (g - 1),
    ),
    "hinge": (
        lambda r, g: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + g).mean(),
        lambda r: np.where(r < 1, -1.0, 0.0),
        lambda g: np.where(g > -1, 1.0, 0.0),
        lambda g: -g.mean(),
        lambda g: np.full_like(g, -1.0),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_adversarial_losses_and_their_gradients(name: str) -> None:
    """Vanilla and least squares halve D's loss (released `GANLoss`, `backward_D`); hinge does not (SPADE)."""
    rng = np.random.default_rng(0)
    r, g = (3 * rng.standard_normal((2, 1, 5, 5)) for _ in range(2))
    real, generated = (torch.tensor(one, requires_grad=True) for one in (r, g))
    loss, (of_d, by_real, by_generated, of_g, by_g) = loss_named(name), FORMULAS[name]
    found = loss.discriminator(judged(real, generated))
    found.backward()
    assert found.item() == pytest.approx(of_d(r, g), abs=1e-12)
    np.testing.assert_allclose(real.grad, by_real(r) / r.size, atol=1e-12)
    np.testing.assert_allclose(generated.grad, by_generated(g) / g.size, atol=1e-12)
    generated.grad = None
    found = loss.generator(generated)
    found.backward()
    assert found.item() == pytest.approx(of_g(g), abs=1e-12)
    np.testing.assert_allclose(generated.grad, by_g(g) / g.size, atol=1e-12)


def count(variant: str, size_px: int = 256) -> int:
    with torch.device("meta"):
        return parameter_count(build_generator(parse_variant(variant), TrainingSettings(1, size_px), 3, 3))


def resnet_parameters(blocks: int, width: int, *, bias: bool, affine: bool) -> int:
    """7x7 in, two 3x3 down, two 3x3 a block, two 3x3 up, 7x7 out, which has a bias in any case."""
    shapes = [(3, width, 7), (width, 2 * width, 3), (2 * width, 4 * width, 3)]
    shapes += [(4 * width, 4 * width, 3)] * 2 * blocks + [(4 * width, 2 * width, 3), (2 * width, width, 3)]
    inner = sum(a * b * k * k + bias * b + affine * 2 * b for a, b, k in shapes)
    return inner + width * 3 * 49 + 3


@pytest.mark.parametrize(
    ("norm", "bias", "affine", "millions"),
    [("instance-plain", True, False, 11.378), ("batch", False, True, 11.383)],
)
def test_resnet9_has_the_parameters_of_the_released_class(
    norm: str, bias: bool, affine: bool, millions: float
) -> None:
    name = "resnet9:l1+cgan" + (f"[norm={norm}]" if norm != "batch" else "")
    assert count(name) == resnet_parameters(9, 64, bias=bias, affine=affine)
    assert round(count(name) / 1e6, 3) == millions
    assert count(name.replace("9", "6", 1)) == resnet_parameters(6, 64, bias=bias, affine=affine)


def by_hand(weights: dict[str, Tensor], image: Tensor, blocks: int) -> Tensor:
    """The released `ResnetGenerator` with plain instance norm, written out."""

    def conv(name: str, x: Tensor, **how: Any) -> Tensor:
        return functional.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **how)

    def plain(x: Tensor) -> Tensor:
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt()

    def reflect(x: Tensor, by: int) -> Tensor:
        return functional.pad(x, (by, by, by, by), mode="reflect")

    x = plain(conv("model.1", reflect(image, 3))).relu()
    x = plain(conv("model.4", x, stride=2, padding=1)).relu()
    x = plain(conv("model.7", x, stride=2, padding=1)).relu()
    for block in range(10, 10 + blocks):
        y = plain(conv(f"model.{block}.conv_block.1", reflect(x, 1))).relu()
        x = x + plain(conv(f"model.{block}.conv_block.5", reflect(y, 1)))
    for place in (10 + blocks, 13 + blocks):
        up = weights[f"model.{place}.weight"], weights[f"model.{place}.bias"]
        x = plain(functional.conv_transpose2d(x, *up, stride=2, padding=1, output_padding=1)).relu()
    return conv(f"model.{17 + blocks}", reflect(x, 3)).tanh()


@pytest.mark.parametrize("blocks", [6, 9])
def test_a_resnet_computes_what_the_released_one_does(blocks: int) -> None:
    variant = parse_variant(f"resnet{blocks}:l1+cgan[norm=instance-plain,dropout=0]")
    torch.manual_seed(0)
    network = build_generator(variant, SETTINGS, 3, 3).double()
    for weight in network.parameters():
        nn.init.normal_(weight, 0.0, 0.2)
    image = torch.rand(IMAGE, dtype=torch.float64) * 2 - 1
    expected = by_hand(dict(network.state_dict()), image, blocks)
    assert expected.std() > 0.05
    torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-10)


def test_dropout_of_a_resnet_sits_in_its_blocks() -> None:
    network = build_generator(parse_variant("resnet6:l1+cgan"), SETTINGS, 3, 3)
    assert [name for name, one in network.named_modules() if isinstance(one, nn.Dropout)] == [
        f"model.{block}.conv_block.4" for block in range(10, 16)
    ]


@pytest.mark.parametrize("generator", ["unet", "encdec", "resnet6"])
def test_resize_doubles_by_nearest_neighbour_and_a_3x3_convolution(generator: str) -> None:
    variant = replace(parse_variant("l1+cgan"), generator=generator, upsample="resize")
    network = build_generator(variant, SETTINGS, 3, 1)
    assert not any(isinstance(one, nn.ConvTranspose2d) for one in network.modules())
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 32, 32)
    ups = [
        one for one in network.modules() if isinstance(one, nn.Sequential) and isinstance(one[0], nn.Upsample)
    ]
    assert len(ups) == (2 if generator == "resnet6" else 5)
    features = torch.rand(1, ups[1][1].in_channels, 4, 4)
    enlarged = features.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = functional.conv2d(enlarged, ups[1][1].weight, ups[1][1].bias, padding=1)
    torch.testing.assert_close(ups[1](features), expected, rtol=0, atol=1e-6)


def test_plain_instance_norm_has_no_weights_and_convolutions_keep_their_bias() -> None:
    network = build_generator(parse_variant("l1+cgan[norm=instance-plain]"), SETTINGS, 3, 3)
    norms = [one for one in network.modules() if isinstance(one, nn.InstanceNorm2d)]
    assert norms
    assert not any(list(one.parameters()) for one in norms)
    assert all(
        one.bias is not None for one in network.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)
    )
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    expected = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(norms[0](x), expected, rtol=0, atol=1e-12)


def test_spectral_norm_divides_by_the_largest_singular_value() -> None:
    variant = parse_variant("l1+cgan/34[spectral_norm=on,norm=instance]")
    torch.manual_seed(0)
    network = build_discriminator(variant, SETTINGS, 3, 3)
    assert network is not None
    for _ in range(200):
        network(torch.rand(IMAGE), torch.rand(IMAGE))
    convolutions = [one for one in network.layers if isinstance(one, nn.Conv2d)]
    network.eval()
    assert len(convolutions) == 4
    for one in convolutions:
        weight: Any = one.parametrizations.weight.original  # type: ignore[union-attr]
        largest = torch.linalg.svdvals(weight.detach().flatten(1))[0]
        torch.testing.assert_close(one.weight, weight / largest, rtol=1e-4, atol=1e-6)
    plain = build_discriminator(parse_variant("l1+cgan/34[norm=instance]"), SETTINGS, 3, 3)
    assert plain is not None
    assert parameter_count(network) == parameter_count(plain)


def seen(features: Any = (), real: Any = ()) -> Seen:
    torch.manual_seed(1)
    source, target, prediction = (torch.rand(IMAGE) * 2 - 1 for _ in range(3))
    return Seen(source, target, prediction.requires_grad_(), features, lambda: real)


def term(name: str, variant: str) -> Any:
    made = parse_variant(variant)
    return build_terms(made, site_of(made, SETTINGS, (3, 3)))[name]


def test_feature_matching_is_that_of_pix2pixhd() -> None:
    """`feat_weights = 4.0 / (n_layers_D + 1)`, summed over all of D's layers but the last."""
    variant = parse_variant("l1+cgan[lambda_fm=10]")
    settings = replace(SETTINGS, size_px=64)
    network = build_discriminator(variant, settings, 3, 3)
    assert network is not None
    source, target, prediction = (torch.rand(1, 3, 64, 64) for _ in range(3))
    made, real = network.features(source, prediction), network.features(source, target)
    torch.testing.assert_close(made[-1], network(source, prediction))
    n_layers = 3
    assert len(made) == n_layers + 2
    expected = sum(
        4.0 / (n_layers + 1) * (a - b).abs().mean() for a, b in zip(made[:-1], real[:-1], strict=True)
    )
    found = term("fm", "l1+cgan[lambda_fm=10]")(Seen(source, target, prediction, made, lambda: real))
    torch.testing.assert_close(found, expected)


def test_ssim_is_torchmetrics_and_holds_for_constant_images() -> None:
    loss, made = term("ssim", "l1[lambda_ssim=1]"), seen()
    expected = structural_similarity_index_measure(made.prediction, made.target, data_range=2.0)
    torch.testing.assert_close(loss(made), 1 - expected)
    a, b, c1 = 0.5, -0.25, (0.01 * 2) ** 2
    constant = Seen(made.source, torch.full(IMAGE, b), torch.full(IMAGE, a), (), lambda: ())
    assert loss(constant).item() == pytest.approx(1 - (2 * a * b + c1) / (a * a + b * b + c1), abs=1e-5)


def test_total_variation_is_that_of_torchmetrics_for_each_value() -> None:
    made = seen()
    expected = total_variation(made.prediction, reduction="sum") / made.prediction.numel()
    torch.testing.assert_close(term("tv", "l1[lambda_tv=1]")(made), expected)


@pytest.mark.parametrize(
    ("name", "taps"),
    [
        ("vgg16", {3: "relu1_2", 8: "relu2_2", 15: "relu3_3", 22: "relu4_3"}),
        ("alexnet", {1: "relu1", 4: "relu2", 7: "relu3", 9: "relu4", 11: "relu5"}),
    ],
)
def test_perceptual_loss_is_l1_between_a_classifiers_features(
    name: str, taps: dict[int, str], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    classifier = getattr(models, name)(weights=None)
    torch.save(classifier.state_dict(), tmp_path / "weights.pth")
    variant = parse_variant("l1").with_fields(
        {"lambda_perceptual": 1, "perceptual": name, "perceptual_file": str(tmp_path / "weights.pth")}
    )
    settings = replace(SETTINGS, size_px=64)
    loss = build_terms(variant, site_of(variant, settings, (3, 3)))["perceptual"]
    nodes = {f"features.{place}": layer for place, layer in taps.items()}
    extractor = create_feature_extractor(classifier.eval(), nodes)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    target, prediction = (torch.rand(1, 3, 64, 64) * 2 - 1 for _ in range(2))
    both = [extractor(((one + 1) / 2 - mean) / std) for one in (prediction, target)]
    expected = torch.stack([(both[0][key] - both[1][key]).abs().mean() for key in taps.values()]).mean()
    found = loss(Seen(target, target, prediction.requires_grad_(), (), lambda: ()))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    found.backward()
    assert prediction.grad is not None
    assert prediction.grad.abs().sum() > 0


def test_the_weights_of_a_judge_are_no_perceptual_features(tmp_path: Path) -> None:
    from bench.scoring.judges.train_network import build_network

    torch.save(build_network("fcn-small", 19).state_dict(), tmp_path / "judge.pth")
    variant = parse_variant("l1").with_fields(
        {"lambda_perceptual": 1, "perceptual": "vgg16", "perceptual_file": str(tmp_path / "judge.pth")}
    )
    site = site_of(variant, SETTINGS, (3, 3))
    with pytest.raises(ValueError, match=r"expected .*judge\.pth"):
        build_terms(variant, site)


def test_lite0_features_are_those_of_the_metric() -> None:
    from bench.scoring.metrics.lite0 import pretrained_lite0

    loss, made = term("perceptual", "l1[lambda_perceptual=1]"), seen()
    assert isinstance(loss, PerceptualLoss)
    assert not any(weight.requires_grad for weight in loss.parameters())
    network = pretrained_lite0()
    maps = [network.stages((image + 1) / 2) for image in (made.prediction, made.target)]
    expected = sum((a - b).abs().mean() for a, b in zip(*maps, strict=True)) / 4
    torch.testing.assert_close(loss(made), expected)


def test_gray_images_are_shown_as_colour() -> None:
    variant = parse_variant("l1[lambda_perceptual=1]")
    loss = build_terms(variant, site_of(variant, SETTINGS, (3, 1)))["perceptual"]
    gray = torch.rand(1, 1, 32, 32)
    colour = gray.expand(-1, 3, -1, -1)
    zero = torch.zeros_like(gray), torch.zeros_like(colour)
    found = [loss(Seen(t, t, p, (), lambda: ())) for p, t in zip((gray, colour), zero, strict=True)]
    torch.testing.assert_close(*found)


def test_other_starts_are_torchs_with_the_released_gain() -> None:
    """Xavier: variance gain^2 x 2 / (fan in + fan out); orthogonal: rows of length gain."""
    torch.manual_seed(3)
    fields = replace(SETTINGS, base_filters=32)
    network = build_generator(parse_variant("l1[init=xavier]"), fields, 3, 3)
    for layer in (one for one in network.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)):
        outputs, inputs = layer.weight.shape[:2]
        expected = 0.02 * (2 / (16 * (inputs + outputs))) ** 0.5
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
        assert layer.bias is None or not layer.bias.any()
    network = build_generator(parse_variant("l1[init=orthogonal]"), fields, 3, 3)
    for layer in (one for one in network.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)):
        rows = layer.weight.flatten(1)
        product = rows @ rows.t() if len(rows) <= rows.shape[1] else rows.t() @ rows
        torch.testing.assert_close(product, 0.02**2 * torch.eye(len(product)), rtol=0, atol=1e-8)


def test_the_averaged_generator_follows_its_recursion() -> None:
    settings = replace(SETTINGS, ema=0.9, steps=5)
    run = Trainer(parse_variant("l1"), settings, pairs(side=settings.load_size_px), 0, CPU)
    trained, average = run.objective.networks["generator"], run.objective.networks["average"]
    assert run.generator is average
    expected = [weight.detach().double() for weight in trained.parameters()]
    for step in range(1, 6):
        run.step()
        keep = min(0.9, (1 + step) / (10 + step))
        expected = [
            keep * old + (1 - keep) * new.detach().double()
            for old, new in zip(expected, trained.parameters(), strict=True)
        ]
    for found, wanted in zip(average.parameters(), expected, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-7)
    assert not any(
        torch.equal(*both) for both in zip(average.parameters(), trained.parameters(), strict=True)
    )
    buffers = zip(average.buffers(), trained.buffers(), strict=True)
    assert all(torch.equal(*both) for both in buffers)  # running statistics are copied


def test_without_a_moving_average_the_trained_generator_is_the_one() -> None:
    run = Trainer(parse_variant("l1"), SETTINGS, pairs(side=SETTINGS.load_size_px), 0, CPU)
    assert run.generator is run.objective.networks["generator"]
    assert set(run.objective.networks) == {"generator"}


FULL = "gan_loss=hinge,spectral_norm=on,lambda_fm=10,lambda_ssim=1,lambda_tv=0.1,upsample=resize"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (f"l1+cgan/34[{FULL}]", {"ema": 0.9}),
        (f"l1+cgan/34[{FULL},norm=instance]", {"ema": 0.999, "batch_size": 2}),
        ("resnet6:l1+cgan/34[gan_loss=lsgan,norm=instance-plain]", {}),
        ("l1[lambda_perceptual=10,init=orthogonal]", {}),
    ],
)
def test_a_resumed_training_of_any_part_is_the_uninterrupted_one(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    used = replace(SETTINGS, **settings)
    fresh = partial(Trainer, parse_variant(name), used, pairs(side=used.load_size_px), 0, CPU)
    whole, first, resumed = fresh(), fresh(), fresh()
    list(whole.train(log_every=2))
    next(iter(first.train(log_every=2)))
    first.save(tmp_path / "state.safetensors", "me")
    resumed.restore(tmp_path / "state.safetensors", "me")
    assert resumed.steps_done == 2
    list(resumed.train(log_every=2))
    ends = whole._tensors(), resumed._tensors()
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert {f"loss_{term}" for term in whole.variant.terms} <= set(whole.history[-1])


@pytest.mark.parametrize("generator", ["unet", "encdec", "resnet6"])
def test_any_generator_takes_rectangles_and_sides_that_it_cannot_halve(generator: str) -> None:
    variant = replace(parse_variant("l1+cgan"), generator=generator, upsample="resize")
    assert variant.halvings(5) == (2 if generator == "resnet6" else 5)
    network = build_generator(variant, replace(SETTINGS, size_px="50x38"), 3, 1)
    assert network(torch.zeros(1, 3, 38, 50)).shape == (1, 1, 38, 50)

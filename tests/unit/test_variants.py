"""The grammar of variants: names, aliases, contradictions, and every field swept."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from baselines.geometry import RECEPTIVE_FIELDS
from baselines.variant import field_names
from baselines.variants import ALIASES, NAMED, Variant, parse_variant


@pytest.mark.parametrize(
    ("name", "generator", "adversarial", "receptive_field", "lambda_l1", "lambda_gan"),
    [
        ("l1", "unet", "none", None, 100.0, 0.0),
        ("gan", "unet", "gan", 70, 0.0, 1.0),
        ("cgan", "unet", "cgan", 70, 0.0, 1.0),
        ("l1+gan", "unet", "gan", 70, 100.0, 1.0),
        ("l1+cgan", "unet", "cgan", 70, 100.0, 1.0),
        ("l1+cgan/16", "unet", "cgan", 16, 100.0, 1.0),
        ("gan/1", "unet", "gan", 1, 0.0, 1.0),
        ("encdec:l1", "encdec", "none", None, 100.0, 0.0),
        ("encdec:l1+cgan/286", "encdec", "cgan", 286, 100.0, 1.0),
    ],
)
def test_a_name_is_fully_resolved(
    name: str, generator: str, adversarial: str, receptive_field: int, lambda_l1: float, lambda_gan: float
) -> None:
    variant = parse_variant(name)
    assert variant.name == name
    assert (variant.generator, variant.adversarial) == (generator, adversarial)
    assert variant.receptive_field == receptive_field
    assert (variant.lambda_l1, variant.lambda_gan) == (lambda_l1, lambda_gan)
    assert (variant.dropout, variant.norm) == (0.5, "batch")


@pytest.mark.parametrize(
    ("alias", "canonical"),
    [
        ("pix2pix", "l1+cgan"), ("pixelgan", "l1+cgan/1"), ("patchgan16", "l1+cgan/16"),
        ("patchgan70", "l1+cgan"), ("l1+cgan/70", "l1+cgan"), ("unet:l1+cgan", "l1+cgan"), ("unet:l1", "l1"),
        ("imagegan", "l1+cgan/full"),
    ],
)  # fmt: skip
def test_equal_systems_have_one_name(alias: str, canonical: str) -> None:
    assert parse_variant(alias) == parse_variant(canonical)
    assert parse_variant(alias).name == canonical


@pytest.mark.parametrize("name", [*NAMED, *ALIASES])
def test_every_listed_name_parses_and_cites_its_source(name: str) -> None:
    paper = {"cyclegan": "Zhu et al. 2017", "discogan": "Kim et al. 2017"}.get(name, "Isola et al. 2017")
    assert paper in parse_variant(name).source


@pytest.mark.parametrize(("size_px", "resolved"), [(32, 34), (64, 70), (128, 142), (256, 286), (512, 286)])
def test_imagegan_is_the_smallest_field_that_covers_the_image(size_px: int, resolved: int) -> None:
    variant = parse_variant("imagegan").at_size(size_px)
    assert variant.receptive_field == resolved
    assert variant.name == ("l1+cgan" if resolved == 70 else f"l1+cgan/{resolved}")
    assert parse_variant("l1").at_size(size_px) == parse_variant("l1")


def test_no_dropout_differs_in_dropout_alone() -> None:
    one, other = parse_variant("no-dropout"), parse_variant("pix2pix")
    assert dataclasses.replace(one, name=other.name, source=other.source, dropout=0.5) == other
    assert one.dropout == 0


@pytest.mark.parametrize(
    "name", ["", "l2", "l1+", "L1", "l1+cgan/", "l1+cgan/x", "resnet:l1", "l1 ", "cgan+l1"]
)
def test_what_is_not_in_the_grammar_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        parse_variant(name)


@pytest.mark.parametrize(("name", "said"), [("l1/70", "no discriminator"), ("l1+cgan/71", "70, 142, 286")])
def test_contradictions_are_value_errors(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_variant(name)


SWEEPS = {
    "generator": ("encdec", "encdec"), "adversarial": ("gan", "gan"), "receptive_field": ("16", 16),
    "lambda_l1": ("10", 10.0), "lambda_gan": ("0.5", 0.5), "dropout": ("0.25", 0.25),
    "norm": ("instance", "instance"), "dropout_at": ("released", "released"),
    "gan_loss": ("hinge", "hinge"), "upsample": ("resize", "resize"),
    "init": ("xavier", "xavier"), "spectral_norm": ("on", True), "lambda_fm": ("10", 10.0),
    "lambda_ssim": ("1", 1.0), "lambda_tv": ("0.1", 0.1), "lambda_perceptual": ("10", 10.0),
    "objective": ("cycle", "cycle"), "lambda_cycle": ("5", 5.0), "lambda_identity": ("0", 0.0),
    "pool_size": ("0", 0), "lambda_features": ("1", 1.0), "starting_rate": ("0.5", 0.5),
    "default_rate": ("0.9", 0.9), "gan_curriculum": ("500", 500), "update_interval": ("2", 2),
}  # fmt: skip


ALONE = {"discriminator", "perceptual", "perceptual_file", "perceptual_sha256"}  # one choice; not by itself


@pytest.mark.parametrize("field", sorted(set(field_names()) - ALONE))
def test_every_field_can_be_swept_and_says_so_in_the_name(field: str) -> None:
    text, value = SWEEPS[field]
    of_cycle = field in ("lambda_cycle", "lambda_identity", "pool_size")
    of_disco = field in (
        "lambda_features",
        "starting_rate",
        "default_rate",
        "gan_curriculum",
        "update_interval",
    )
    base = parse_variant("cyclegan" if of_cycle else "discogan" if of_disco else "pix2pix")
    swept = base.with_fields({field: text})
    assert swept.value(field) == value
    assert swept.name == f"{base.name}[{field}={text}]"
    assert all(swept.value(name) == base.value(name) for name in set(field_names()) - {field})
    assert {f.name for f in dataclasses.fields(Variant)} - {"name", "source", "parts"} <= set(field_names())
    assert swept.with_fields({field: value}) == swept  # what changes nothing is not said


def test_receptive_field_takes_words() -> None:
    assert parse_variant("cgan").with_fields({"receptive_field": "full"}).at_size(64).receptive_field == 70
    words = {"adversarial": "none", "receptive_field": "none", "lambda_gan": "0"}
    bare = parse_variant("l1+cgan").with_fields(words)
    assert (bare.adversarial, bare.receptive_field, bare.lambda_gan) == ("none", None, 0.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"lambda": "1"}, {"name": "x"}, {"lambda_l1": "much"}, {"lambda_l1": "-1"}, {"lambda_l1": "nan"},
        {"lambda_gan": "inf"}, {"lambda_gan": "0"}, {"dropout": "1"}, {"dropout": "-0.1"}, {"dropout": "nan"},
        {"norm": "layer"}, {"dropout_at": "lua"}, {"generator": "resnet"}, {"adversarial": "wgan"},
        {"adversarial": "none"}, {"gan_loss": "wgan"}, {"upsample": "resized"}, {"init": "kaiming"},
        {"spectral_norm": "maybe"}, {"lambda_fm": "-1"}, {"lambda_tv": "nan"}, {"perceptual": "vgg16"},
        {"receptive_field": "71"}, {"receptive_field": "70.5"}, {"receptive_field": "none"},
        {"receptive_field": 70.9},
    ],
)  # fmt: skip
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|unknown"):
        parse_variant("pix2pix").with_fields(fields)


def test_no_loss_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        parse_variant("l1").with_fields({"lambda_l1": 0})


@pytest.mark.parametrize("receptive_field", RECEPTIVE_FIELDS)
def test_every_receptive_field_has_a_name(receptive_field: int) -> None:
    assert parse_variant(f"l1+cgan/{receptive_field}").receptive_field == receptive_field


def test_variants_are_immutable_and_finite() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_variant("l1").dropout = 0.1  # type: ignore[misc]
    assert all(math.isfinite(parse_variant(name).lambda_l1) for name in NAMED)

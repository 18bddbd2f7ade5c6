"""The variants: each is plain data with all fields resolved, and has a name in one grammar.

    [GENERATOR:]LOSSES[/RECEPTIVE_FIELD]["["FIELD=VALUE,..."]"]   "l1+cgan", "encdec:l1", "gan/full"

GENERATOR is "unet" (default), "encdec", "resnet6", "resnet9" or one of a plug-in; LOSSES is "l1", "gan",
"cgan", "l1+gan" or "l1+cgan"; RECEPTIVE_FIELD is 1, 16, 34, 70 (default), 142, 286 or "full" (the smallest
that covers the image); "l1+cgan[gan_loss=lsgan]" has another value in a field. Beside the grammar stand
"no-dropout", and "cyclegan" and "discogan", which take fields in brackets too.
Source of all defaults: Isola et al. 2017, sections 3 and 4 and appendix 6.
"""

from __future__ import annotations

import re
from dataclasses import replace

from baselines.components import registry
from baselines.variant import Adversarial, rf_suffix
from baselines.variant import Variant as Variant

_LOSSES: dict[str, tuple[Adversarial, float]] = {
    "l1": ("none", 100.0),
    "gan": ("gan", 0.0),
    "cgan": ("cgan", 0.0),
    "l1+gan": ("gan", 100.0),
    "l1+cgan": ("cgan", 100.0),
}
ALIASES = {
    "pix2pix": "l1+cgan",
    "pixelgan": "l1+cgan/1",
    "patchgan16": "l1+cgan/16",
    "patchgan70": "l1+cgan/70",
    "imagegan": "l1+cgan/full",
}
_SOURCES = {
    "l1": "Isola et al. 2017, table 1, row L1",
    "gan": "Isola et al. 2017, table 1, row GAN",
    "cgan": "Isola et al. 2017, table 1, row cGAN",
    "l1+gan": "Isola et al. 2017, table 1, row L1+GAN",
    "l1+cgan": "Isola et al. 2017, table 1, row L1+cGAN: pix2pix",
    "l1+cgan/1": "Isola et al. 2017, table 3, 1x1 PixelGAN",
    "l1+cgan/16": "Isola et al. 2017, table 3, 16x16 PatchGAN",
    "l1+cgan/full": "Isola et al. 2017, table 3, ImageGAN: the smallest field that covers the image",
    "l1+cgan/286": "Isola et al. 2017, table 3, 286x286 ImageGAN",
    "resnet6:l1+cgan": "Zhu et al. 2017 (CycleGAN), appendix 7.2; all else Isola et al. 2017",
    "resnet9:l1+cgan": "Zhu et al. 2017 (CycleGAN), appendix 7.2; all else Isola et al. 2017",
    "encdec:l1": "Isola et al. 2017, table 2, encoder-decoder with L1",
    "encdec:l1+cgan": "Isola et al. 2017, table 2, encoder-decoder with L1+cGAN",
}
_GRAMMAR = re.compile(
    r"(?:(?P<generator>[a-z0-9_-]+):)?(?P<losses>l1\+cgan|l1\+gan|l1|cgan|gan)(?:/(?P<rf>full|\d+))?"
    r"(?:\[(?P<fields>[^\[\]]+)\])?"
)
NO_DROPOUT = replace(
    Variant("no-dropout"),
    dropout=0.0,
    source="Isola et al. 2017, section 2.1, noise: L1+cGAN without its dropout",
)
CYCLEGAN = Variant(
    name="cyclegan",
    generator="resnet9",
    adversarial="gan",
    lambda_l1=0.0,
    dropout=0.0,
    norm="instance-plain",
    gan_loss="lsgan",
    objective="cycle",
    source="Zhu et al. 2017, arXiv:1703.10593, sections 3 to 5 and 7; else the released PyTorch code",
)
DISCOGAN = Variant(
    name="discogan",
    generator="disco",
    adversarial="gan",
    receptive_field=None,
    lambda_l1=0.0,
    lambda_gan=0.1,
    dropout=0.0,
    discriminator="disco",
    init="torch",
    objective="disco",
    source="Kim et al. 2017, arXiv:1703.05192; all numbers from the authors' code, SKTBrain/DiscoGAN",
)
SIBLINGS = {variant.name: variant for variant in (CYCLEGAN, DISCOGAN)}
"""Not in the grammar; with fields in brackets."""
NAMED = [
    "l1", "gan", "cgan", "l1+gan", "l1+cgan", "l1+cgan/1", "l1+cgan/16", "l1+cgan/34", "l1+cgan/142",
    "l1+cgan/286", "imagegan", "encdec:l1", "encdec:l1+cgan", "resnet6:l1+cgan", "resnet9:l1+cgan",
    "no-dropout", *SIBLINGS,
]  # fmt: skip


def parse_variant(name: str) -> Variant:
    """The variant with a name. Equal systems get the same canonical name ("l1+cgan/70" is "l1+cgan").

    Raises:
        KeyError: if the name does not follow the grammar.
        ValueError: if its parts contradict each other ("l1/70": no discriminator to size).
    """
    name = ALIASES.get(name, name)
    if name == NO_DROPOUT.name:
        return NO_DROPOUT
    base, bracket, rest = name.partition("[")
    if base in SIBLINGS and (not bracket or rest.endswith("]")):
        return SIBLINGS[base].with_fields(_parse_fields(rest[:-1])) if bracket else SIBLINGS[base]
    match = _GRAMMAR.fullmatch(name)
    generator = "unet" if match is None else match["generator"] or "unet"
    if match is None or generator not in registry.names("generators"):
        raise KeyError(name)
    adversarial, lambda_l1 = _LOSSES[match["losses"]]
    if adversarial == "none" and match["rf"]:
        raise ValueError(f"it has no discriminator: drop '/{match['rf']}'")
    receptive_field = None if adversarial == "none" else _parse_rf(match["rf"])
    prefix = "" if generator == "unet" else f"{generator}:"
    suffix = "" if receptive_field is None else rf_suffix(receptive_field)
    canonical = f"{prefix}{match['losses']}{suffix}"
    variant = Variant(
        name=canonical,
        generator=generator,
        adversarial=adversarial,
        receptive_field=receptive_field,
        lambda_l1=lambda_l1,
        lambda_gan=0.0 if adversarial == "none" else 1.0,
        source=_SOURCES.get(
            canonical, "the grammar of Isola et al. 2017, tables 1-3; a combination the paper does not show"
        ),
    )
    return variant.with_fields(_parse_fields(match["fields"])) if match["fields"] else variant


def _parse_fields(text: str) -> dict[str, str]:
    """ "gan_loss=hinge,lambda_fm=10" as fields.

    Raises:
        ValueError: if it is not such a list.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and value.strip() for name, _, value in pairs):
        raise ValueError(f"expected FIELD=VALUE,... in brackets, found '{text}'")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _parse_rf(text: str | None) -> int:
    return 70 if text is None else 0 if text == "full" else int(text)

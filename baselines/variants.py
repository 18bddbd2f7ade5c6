"""The variants: each is plain data with all fields resolved, and has a name in one grammar.

    [GENERATOR:]LOSSES[/RECEPTIVE_FIELD]      "l1+cgan", "encdec:l1", "l1+cgan/16", "gan/full"

GENERATOR is "unet" (default) or "encdec"; LOSSES is "l1", "gan", "cgan", "l1+gan" or "l1+cgan";
RECEPTIVE_FIELD is 1, 16, 34, 70 (default), 142, 286 or "full" (the smallest that covers the image).
Source of all defaults: Isola et al. 2017, sections 3 and 4 and appendix 6.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from baselines.geometry import RECEPTIVE_FIELDS, smallest_covering
from baselines.settings import Number
from baselines.sizes import Size

Generator = Literal["unet", "encdec"]
Adversarial = Literal["none", "gan", "cgan"]
Norm = Literal["batch", "instance", "none"]


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"expected {name} to be one of {', '.join(choices)}, found '{value}'")


@dataclass(frozen=True)
class Variant:
    """One system under test.

    Attributes:
        name: canonical name in the grammar above, or the user's.
        generator: "unet" or "encdec" (section 3.2, table 2).
        adversarial: "none", "gan" (D sees the output alone) or "cgan" (D sees the source too; eq. 1, 2).
        receptive_field: side in pixels of the area that one output of D sees (table 3); 0 = "full", resolved
            by `at_size`; None without a discriminator.
        lambda_l1: weight of the L1 term (eq. 4); 0 = none.
        lambda_gan: weight of the adversarial term; 0 without a discriminator.
        dropout: probability in the generator's innermost decoder layers, at training and test time.
        norm: normalisation in both networks.
        source: the source of the declaration, such as a table of the paper.

    Raises:
        ValueError: for fields that contradict each other.
    """

    name: str
    generator: Generator = "unet"
    adversarial: Adversarial = "cgan"
    receptive_field: int | None = 70
    lambda_l1: Number = 100.0
    lambda_gan: Number = 1.0
    dropout: Number = 0.5
    norm: Norm = "batch"
    source: str = "Isola et al. 2017, section 3"

    def __post_init__(self) -> None:
        _check_choice("generator", self.generator, get_args(Generator))
        _check_choice("adversarial", self.adversarial, get_args(Adversarial))
        _check_choice("norm", self.norm, get_args(Norm))
        if (self.adversarial == "none") != (self.receptive_field is None):
            raise ValueError("expected a receptive_field exactly where there is a discriminator")
        if self.receptive_field not in (None, 0, *RECEPTIVE_FIELDS):
            known = ", ".join(map(str, RECEPTIVE_FIELDS))
            raise ValueError(f"expected receptive_field to be one of {known}, found {self.receptive_field}")
        if (self.adversarial == "none") != (self.lambda_gan == 0):
            raise ValueError("expected lambda_gan above 0 exactly where there is a discriminator")
        weights = self.lambda_l1, self.lambda_gan
        if not all(0 <= weight < math.inf for weight in weights) or sum(weights) <= 0:
            raise ValueError("expected loss weights that are finite and not negative, and one above 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected dropout in [0, 1), found {self.dropout}")

    def at_size(self, size_px: Size) -> Variant:
        """This variant with "full" resolved to the smallest receptive field that covers `size_px`."""
        if self.receptive_field != 0:
            return self
        resolved = smallest_covering(size_px)
        name = self.name.replace("/full", _rf_suffix(resolved))
        return replace(
            self,
            receptive_field=resolved,
            name=name.replace("receptive_field=full", f"receptive_field={resolved}"),
        )

    def with_fields(self, overrides: Mapping[str, Any]) -> Variant:
        """This variant with fields replaced; its name says so: "l1+cgan[lambda_l1=10]".

        Raises:
            ValueError: for an unknown field or a value that does not fit.
        """
        changed = {key: _coerce(key, value) for key, value in overrides.items()}
        changed = {key: value for key, value in changed.items() if getattr(self, key) != value}
        if not changed:
            return self
        said = ",".join(
            f"{key}={value:g}" if isinstance(value, float) else f"{key}={_rf_name(key, value)}"
            for key, value in changed.items()
        )
        return replace(self, **changed, name=f"{self.name}[{said}]")


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
    "encdec:l1": "Isola et al. 2017, table 2, encoder-decoder with L1",
    "encdec:l1+cgan": "Isola et al. 2017, table 2, encoder-decoder with L1+cGAN",
}
_GRAMMAR = re.compile(
    r"(?:(?P<generator>unet|encdec):)?(?P<losses>l1\+cgan|l1\+gan|l1|cgan|gan)(?:/(?P<rf>full|\d+))?"
)
NO_DROPOUT = replace(
    Variant("no-dropout"),
    dropout=0.0,
    source="Isola et al. 2017, section 2.1, noise: L1+cGAN without its dropout",
)
NAMED = [
    "l1", "gan", "cgan", "l1+gan", "l1+cgan", "l1+cgan/1", "l1+cgan/16", "l1+cgan/34", "l1+cgan/142",
    "l1+cgan/286", "imagegan", "encdec:l1", "encdec:l1+cgan", "no-dropout",
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
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        raise KeyError(name)
    adversarial, lambda_l1 = _LOSSES[match["losses"]]
    if adversarial == "none" and match["rf"]:
        raise ValueError(f"it has no discriminator: drop '/{match['rf']}'")
    receptive_field = None if adversarial == "none" else _parse_rf(match["rf"])
    generator: Generator = "encdec" if match["generator"] == "encdec" else "unet"
    prefix = "encdec:" if generator == "encdec" else ""
    suffix = "" if receptive_field is None else _rf_suffix(receptive_field)
    canonical = f"{prefix}{match['losses']}{suffix}"
    return Variant(
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


def _parse_rf(text: str | None) -> int:
    return 70 if text is None else 0 if text == "full" else int(text)


def _rf_name(key: str, value: Any) -> Any:
    return "full" if key == "receptive_field" and value == 0 else value


def _rf_suffix(receptive_field: int) -> str:
    return {70: "", 0: "/full"}.get(receptive_field, f"/{receptive_field}")


_TYPES: dict[str, type] = {
    "lambda_l1": float, "lambda_gan": float, "dropout": float,
    "generator": str, "adversarial": str, "norm": str, "receptive_field": int,
}  # fmt: skip
SWEEPABLE = frozenset(_TYPES)
assert {f.name for f in fields(Variant)} == SWEEPABLE | {"name", "source"}


def _coerce(key: str, value: Any) -> Any:
    """`value` (a string from the command line, or a TOML value) as the type of the field `key`."""
    if key not in _TYPES:
        raise ValueError(f"unknown variant field '{key}': expected one of {', '.join(sorted(SWEEPABLE))}")
    if key == "receptive_field" and str(value) in ("none", "full"):
        return None if value == "none" else 0
    try:
        if isinstance(value, bool) or (_TYPES[key] is int and isinstance(value, float) and value % 1 != 0):
            raise ValueError(value)
        return _TYPES[key](value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"expected {key} to be {_TYPES[key].__name__}, found '{value}'") from None

"""A system under test, as data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from baselines.components import registry
from baselines.components.registry import Kind, Value
from baselines.documents import LATER
from baselines.geometry import RECEPTIVE_FIELDS, smallest_covering
from baselines.settings import Number
from baselines.sizes import Size

Adversarial = Literal["none", "gan", "cgan"]
Init = Literal["normal", "xavier", "orthogonal", "torch"]


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"expected {name} to be one of {', '.join(choices)}, found '{value}'")


@dataclass(frozen=True)
class Variant:
    """One system under test.

    Its parts have names (`baselines.components`) and bring fields of their own, which stand in `parts` where
    they differ from their defaults; in documents and for `--set` they are fields like the others.

    Attributes:
        name: canonical name in the grammar above, or the user's.
        generator: "unet", "encdec" (section 3.2, table 2), "resnet6", "resnet9" (CycleGAN's),
            "disco" (DiscoGAN's), or a plug-in's.
        adversarial: "none", "gan" (D sees the output alone) or "cgan" (D sees the source too; eq. 1, 2).
        receptive_field: side in pixels of the area that one output of D sees (table 3); 0 = "full", resolved
            by `at_size`; None without a discriminator, and where it does not size the discriminator.
        lambda_l1: weight of the L1 term (eq. 4); 0 = none.
        lambda_gan: weight of the adversarial term; 0 without a discriminator.
        dropout: probability in the generator, at training and test time.
        norm: normalisation in both networks: "batch", "instance", "instance-plain" (without scale and shift,
            as in the released code), "none", or a plug-in's.
        source: the source of the declaration, such as a table of the paper.
        discriminator: "patch" (section 3.3), "disco" (DiscoGAN's, of its own size), or a plug-in's.
        gan_loss: "vanilla" (section 3.1), "lsgan", "hinge", or a plug-in's.
        upsample: how the generator doubles the sides: "transposed", "resize" (nearest neighbour, then 3x3),
            or a plug-in's.
        objective: what is trained together: "paired" (all of Isola et al. 2017), "cycle" (CycleGAN: both
            directions, without pairs), "disco" (DiscoGAN: the same), or a plug-in's.
        init: how layers start: "normal" (appendix 6.2), "xavier" or "orthogonal", all with gain 0.02;
            "torch": as torch starts each.
        parts: fields of the parts, sorted by name, without those at their default.

    Raises:
        ValueError: for unknown parts, and for fields that contradict each other or have no effect.
    """

    name: str
    generator: str = "unet"
    adversarial: Adversarial = "cgan"
    receptive_field: int | None = 70
    lambda_l1: Number = 100.0
    lambda_gan: Number = 1.0
    dropout: Number = 0.5
    norm: str = "batch"
    source: str = "Isola et al. 2017, section 3"
    discriminator: str = field(default="patch", metadata=LATER)
    gan_loss: str = field(default="vanilla", metadata=LATER)
    upsample: str = field(default="transposed", metadata=LATER)
    init: Init = field(default="normal", metadata=LATER)
    objective: str = field(default="paired", metadata=LATER)
    parts: tuple[tuple[str, Value], ...] = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        _check_choice("adversarial", self.adversarial, get_args(Adversarial))
        _check_choice("init", self.init, get_args(Init))
        for kind, name in self._chosen():
            registry.check_name(kind, name)
        if self._is_sized() == (self.receptive_field is None):
            raise ValueError(
                "expected a receptive_field exactly where there is a discriminator that it sizes"
            )
        if self.receptive_field not in (None, 0, *RECEPTIVE_FIELDS):
            known = ", ".join(map(str, RECEPTIVE_FIELDS))
            raise ValueError(f"expected receptive_field to be one of {known}, found {self.receptive_field}")
        if (self.adversarial == "none") != (self.lambda_gan == 0):
            raise ValueError("expected lambda_gan above 0 exactly where there is a discriminator")
        if self.adversarial == "none":
            for name in ("discriminator", "gan_loss"):
                if getattr(self, name) != later_default(name):
                    raise ValueError(f"expected {name} only where there is a discriminator")
        object.__setattr__(self, "parts", self._settled())
        weights = self.lambda_l1, self.lambda_gan, *self.terms.values()
        if not all(0 <= weight < math.inf for weight in weights) or sum(weights) <= 0:
            raise ValueError("expected loss weights that are finite and not negative, and one above 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected dropout in [0, 1), found {self.dropout}")

    def _is_sized(self) -> bool:
        """Whether there is a discriminator that `receptive_field` sizes."""
        return self.adversarial != "none" and registry.is_sized(self.discriminator)

    def _chosen(self) -> Iterator[tuple[Kind, str]]:
        """The parts that fields of its own choose, whether they are used or not."""
        yield from (
            ("generators", self.generator),
            ("discriminators", self.discriminator),
            ("gan_losses", self.gan_loss),
            ("upsamplings", self.upsample),
            ("norms", self.norm),
            ("objectives", self.objective),
        )

    def _settled(self) -> tuple[tuple[str, Value], ...]:
        """`parts` checked, of the right types, sorted, without defaults."""
        known = registry.owners() if self.parts else {}
        used = [(kind, name) for kind, name in self._chosen() if not self._is_idle(kind)]
        used += [("loss_terms", term) for term in self.terms]
        settled: dict[str, Value] = {}
        for name, value in self.parts:
            _, _, part = registry.part_of(name)  # refuses an unknown field
            typed = registry.coerced(part, name, value)
            if typed == part.defaults[name]:
                continue
            if not set(known[name]) & set(used):
                owner = " or ".join(f"{registry.ONE[kind]} {one}" for kind, one in known[name])
                raise ValueError(f"{name} has no effect: expected {owner} in use with it")
            settled[name] = value if typed == value and not isinstance(value, bool) else typed
        for kind, one in used if settled else ():
            registry.get(kind, one).made_with(settled)  # a part may refuse its fields
        return tuple(sorted(settled.items()))

    def _is_idle(self, kind: Kind) -> bool:
        return self.adversarial == "none" and kind in ("discriminators", "gan_losses")

    @property
    def terms(self) -> dict[str, float]:
        """The additional loss terms that are used, with their weights."""
        given = dict(self.parts)
        weights = {
            term: float(given[registry.weight_field(term)])
            for term in (registry.names("loss_terms") if given else ())
            if registry.weight_field(term) in given
        }
        return {term: weight for term, weight in weights.items() if weight != 0}

    def value(self, name: str) -> Any:
        """The value of a field, of its own or of a part.

        Raises:
            ValueError: for an unknown field.
        """
        if name in registry.OWN_FIELDS:
            return getattr(self, name)
        given = dict(self.parts)
        return given[name] if name in given else registry.part_of(name)[2].defaults[name]

    def build(self, kind: Kind, name: str, *where: Any) -> Any:
        """The part, built from its fields here and from `where` (`baselines.components.site`).

        Raises:
            ValueError: if it does not fit.
        """
        part = registry.get(kind, name)
        return part.build(part.made_with(dict(self.parts)), *where)

    @property
    def training(self) -> Mapping[str, Any]:
        """The training settings that its objective starts from."""
        if self.objective == later_default("objective"):
            return {}  # without importing torch
        return registry.get("objectives", self.objective).training

    def halvings(self, levels: int) -> int:
        """How often the generator halves an image, where the training settings have so many levels."""
        own = registry.get("generators", self.generator).halvings
        return levels if own == "levels" else own

    @staticmethod
    def from_document(content: Mapping[str, Any]) -> Variant:
        """The variant that `baselines.documents.stated` wrote.

        Raises:
            TypeError, ValueError: if it is none.
        """
        return Variant(**gathered(content))

    def at_size(self, size_px: Size) -> Variant:
        """This variant with "full" resolved to the smallest receptive field that covers `size_px`."""
        if self.receptive_field != 0:
            return self
        resolved = smallest_covering(size_px)
        name = self.name.replace("/full", rf_suffix(resolved))
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
        changed = {key: value for key, value in changed.items() if self.value(key) != value}
        if not changed:
            return self
        said = ",".join(f"{key}={_said(key, value)}" for key, value in changed.items())
        own = {key: value for key, value in changed.items() if key in registry.OWN_FIELDS}
        parts = {**dict(self.parts), **{key: value for key, value in changed.items() if key not in own}}
        return replace(self, **own, parts=tuple(parts.items()), name=f"{self.name}[{said}]")


def gathered(content: Mapping[str, Any]) -> dict[str, Any]:
    """A document of a variant with the fields of its parts in "parts"."""
    own = {f.name for f in fields(Variant)}
    parts = [[name, value] for name, value in content.items() if name not in own]
    return {**{k: v for k, v in content.items() if k in own}, **({"parts": parts} if parts else {})}


def later_default(name: str) -> Any:
    """The default of a field of its own."""
    return next(f.default for f in fields(Variant) if f.name == name)


def _said(key: str, value: Any) -> str:
    """A field's value as a name has it."""
    if key == "receptive_field" and value == 0:
        return "full"
    return value.rpartition("/")[2] if key.endswith("_file") else registry.in_words(value)


def rf_suffix(receptive_field: int) -> str:
    """The end of a name: "/16"; "" for 70 px."""
    return {70: "", 0: "/full"}.get(receptive_field, f"/{receptive_field}")


_TYPES: dict[str, type] = {
    "lambda_l1": float, "lambda_gan": float, "dropout": float, "receptive_field": int,
    **dict.fromkeys(
        (
            "generator", "adversarial", "norm", "discriminator", "gan_loss", "upsample", "init", "objective",
        ),
        str,
    ),
}  # fmt: skip
assert set(_TYPES) == registry.OWN_FIELDS
assert {f.name for f in fields(Variant)} == registry.OWN_FIELDS | {"name", "source", "parts"}


def is_field(name: str) -> bool:
    """Whether a variant has such a field, of its own or of a part."""
    return name in registry.OWN_FIELDS or name in registry.owners()


def field_names() -> list[str]:
    """The fields of variants, those of all parts too."""
    return sorted({*registry.OWN_FIELDS, *registry.owners()})


def _coerce(key: str, value: Any) -> Any:
    """`value` (a string from the command line, or a TOML value) as the type of the field `key`."""
    if key not in _TYPES:
        return registry.coerced(registry.part_of(key)[2], key, value)
    if key == "receptive_field" and str(value) in ("none", "full"):
        return None if value == "none" else 0
    try:
        if isinstance(value, bool) or (_TYPES[key] is int and isinstance(value, float) and value % 1 != 0):
            raise ValueError(value)
        return _TYPES[key](value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"expected {key} to be {_TYPES[key].__name__}, found '{value}'") from None

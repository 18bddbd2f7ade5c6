"""Parts by kind and name. Imports no torch: a part's module is imported when the part is first used.

A part is a frozen dataclass of its fields, each with a default, and a function that builds it. Its fields are
fields of a variant like all others; so each name belongs to one part, or to several that share the dataclass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

from baselines.components import described
from baselines.settings import TrainingSettings

Kind = Literal[
    "generators",
    "discriminators",
    "gan_losses",
    "loss_terms",
    "upsamplings",
    "norms",
    "features",
    "objectives",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Value = bool | int | float | str
ONE: dict[Kind, str] = {
    "generators": "generator",
    "discriminators": "discriminator",
    "gan_losses": "gan_loss",
    "loss_terms": "loss term",
    "upsamplings": "upsample",
    "norms": "norm",
    "features": "perceptual",
    "objectives": "objective",
}
"""One of a kind, in words; where a variant chooses one, the field that does."""
OWN_FIELDS = frozenset(
    {
        "generator", "adversarial", "receptive_field", "lambda_l1", "lambda_gan", "dropout", "norm",
        "discriminator", "gan_loss", "upsample", "init", "objective",
    }
)  # fmt: skip
"""The fields that a variant has itself; parts bring the others."""
_TAKEN = OWN_FIELDS | {"name", "source", "parts", "base"} | {f.name for f in fields(TrainingSettings)}


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        fields: a frozen dataclass with a default for each field. The first line of its docstring says what
            the part is, its "Attributes" describe the fields.
        build: takes an instance of `fields` and what `baselines.components.site` states for its kind, and
            returns the part. Raises ValueError where it does not fit.
        halvings: of a generator: how often it halves an image, and pads it for that; "levels": as often as
            the training settings say.
        training: of an objective: training settings that its variants start from; recipes and `--set`
            override them.
        hints: the types of the fields.

    Raises:
        ValueError: for fields that a variant cannot hold.
    """

    fields: type
    build: Callable[..., Any]
    halvings: int | Literal["levels"] = 0
    training: Mapping[str, Any] = field(default_factory=dict)
    hints: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_dataclass(self.fields):
            raise ValueError(f"expected a dataclass of fields, found {self.fields!r}")
        for one in fields(self.fields):
            if one.default is MISSING or not isinstance(one.default, bool | int | float | str):
                raise ValueError(f"expected a default (number, text or bool) of field '{one.name}'")
            if one.name in _TAKEN:
                raise ValueError(f"the field name '{one.name}' is taken: give the part's field another name")
        object.__setattr__(self, "hints", get_type_hints(self.fields))  # now: a plug-in's module may go

    @property
    def defaults(self) -> dict[str, Value]:
        """Its fields with their defaults."""
        return _defaults(self.fields)

    def made_with(self, values: Mapping[str, Value]) -> Any:
        """An instance of `fields` from those of `values` that it has."""
        return self.fields(**{name: values[name] for name in self.defaults if name in values})


_HERE, _OBJECTIVES = "baselines.components", "baselines.objectives"
_BUILT_IN: dict[Kind, dict[str, str]] = {
    "generators": {
        "unet": "unet:UNET",
        "encdec": "unet:ENCDEC",
        "resnet6": "resnet:RESNET6",
        "resnet9": "resnet:RESNET9",
        "disco": "disco:GENERATOR",
    },
    "discriminators": {"patch": "patch:PATCH", "disco": "disco:DISCRIMINATOR"},
    "gan_losses": {
        "vanilla": "gan_losses:VANILLA",
        "lsgan": "gan_losses:LSGAN",
        "hinge": "gan_losses:HINGE",
    },
    "loss_terms": {
        "fm": "feature_matching:FEATURE_MATCHING",
        "perceptual": "perceptual:PERCEPTUAL",
        "ssim": "ssim:SSIM",
        "tv": "total_variation:TOTAL_VARIATION",
    },
    "upsamplings": {"transposed": "upsampling:TRANSPOSED", "resize": "upsampling:RESIZE"},
    "norms": {
        "batch": "norms:BATCH",
        "instance": "norms:INSTANCE",
        "instance-plain": "norms:INSTANCE_PLAIN",
        "none": "norms:NONE",
    },
    "features": {"vgg16": "imagenet_features:VGG16", "alexnet": "imagenet_features:ALEXNET"},
    "objectives": {"paired": "paired:PAIRED", "cycle": "cycle:CYCLE", "disco": "disco:DISCO"},
}
_DESCRIBED: dict[Kind, dict[str, type]] = {
    "generators": {
        "unet": described.UNet,
        "encdec": described.UNet,
        "resnet6": described.ResNet,
        "resnet9": described.ResNet,
        "disco": described.DiscoGenerator,
    },
    "discriminators": {"patch": described.Patch, "disco": described.DiscoDiscriminator},
    "gan_losses": {
        "vanilla": described.Vanilla,
        "lsgan": described.LeastSquares,
        "hinge": described.Hinge,
    },
    "loss_terms": {
        "fm": described.FeatureMatching,
        "perceptual": described.Perceptual,
        "ssim": described.Ssim,
        "tv": described.TotalVariation,
    },
    "upsamplings": {"transposed": described.Transposed, "resize": described.Resize},
    "norms": {
        "batch": described.Batch,
        "instance": described.Instance,
        "instance-plain": described.InstancePlain,
        "none": described.NoNorm,
    },
    "features": {"vgg16": described.Vgg16, "alexnet": described.AlexNet},
    "objectives": {"paired": described.Pairs, "cycle": described.Cycle, "disco": described.Disco},
}
"""The fields of the built-in parts, known without their modules."""
_added: dict[Kind, dict[str, Part]] = {kind: {} for kind in KINDS}
_elsewhere: list[Callable[[Kind], Mapping[str, Callable[[], Any]]]] = []


def add(kind: Kind, name: str, part: Part) -> None:
    """Make `part` available under `name`.

    Raises:
        ValueError: if it is no part, or its name or one of its fields is taken.
    """
    if not isinstance(part, Part):
        raise ValueError(f"expected a Part as {ONE[kind]} '{name}', found {type(part).__name__}")
    _check(kind, name, part)
    if name in _BUILT_IN[kind] or _added[kind].get(name, part) is not part:
        raise ValueError(f"there is a {ONE[kind]} '{name}' already: give yours another name")
    for other_kind, other in _all():
        if other_kind == kind and other == name:
            continue
        _check_apart(part, name, fields_of(other_kind, other), other)
    _added[kind][name] = part


def look_in(source: Callable[[Kind], Mapping[str, Callable[[], Any]]]) -> None:
    """Also find parts where `source` says: names of a kind, each with a function that loads the part."""
    _elsewhere.append(source)


def names(kind: Kind) -> list[str]:
    """All names of a kind, the built-in ones first; imports none of them."""
    return list(dict.fromkeys([*_BUILT_IN[kind], *_added[kind], *(n for s in _elsewhere for n in s(kind))]))


def check_name(kind: Kind, name: str) -> None:
    """Refuse an unknown name.

    Raises:
        ValueError: with the nearest known one.
    """
    if name in _BUILT_IN[kind] or name in _added[kind] or name in names(kind):
        return
    raise ValueError(f"unknown {ONE[kind]} '{name}': {_meant(name, names(kind))}")


def get(kind: Kind, name: str) -> Part:
    """The part; imports its module.

    Raises:
        ValueError: for an unknown name (with the nearest), or what is found there is no part.
    """
    if name in _BUILT_IN[kind]:
        module, _, attribute = _BUILT_IN[kind][name].partition(":")
        folder = _OBJECTIVES if kind == "objectives" else _HERE
        built_in: Part = getattr(import_module(f"{folder}.{module}"), attribute)
        return built_in
    if name not in _added[kind]:
        for source in _elsewhere:
            if name in (found := source(kind)):
                add(kind, name, found[name]())
                break
        else:
            check_name(kind, name)
    return _added[kind][name]


def fields_of(kind: Kind, name: str) -> type:
    """The dataclass of a part's fields; imports no built-in part.

    Raises:
        ValueError: as `get`.
    """
    known = _DESCRIBED[kind].get(name)
    return known or get(kind, name).fields


def about(kind: Kind, name: str) -> str:
    """What a part is, in a line."""
    return (fields_of(kind, name).__doc__ or "").strip().partition("\n")[0]


def is_sized(discriminator: str) -> bool:
    """Whether `receptive_field` sizes the discriminator: not where its fields say `SIZED = False`.

    Raises:
        ValueError: as `get`.
    """
    return bool(getattr(fields_of("discriminators", discriminator), "SIZED", True))


def _defaults(held: type) -> dict[str, Value]:
    found: dict[str, Any] = {one.name: one.default for one in fields(held)}
    return found


def owners() -> dict[str, list[tuple[Kind, str]]]:
    """The fields that parts have: name -> the parts. Imports no built-in part."""
    found: dict[str, list[tuple[Kind, str]]] = {}
    for kind, name in _all(elsewhere=True):
        for one in _defaults(fields_of(kind, name)):
            found.setdefault(one, []).append((kind, name))
    return found


def in_words(value: Any) -> str:
    """A field's value as names of variants have it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def weight_field(term: str) -> str:
    """The field that holds the weight of a loss term: "fm" -> "lambda_fm"; the term is used above 0."""
    return f"lambda_{term.replace('-', '_')}"


def part_of(name: str) -> tuple[Kind, str, Part]:
    """A part that has the field.

    Raises:
        ValueError: for an unknown field, with the nearest.
    """
    known = owners()
    if name not in known:
        raise ValueError(f"unknown field '{name}': {_meant(name, [*OWN_FIELDS, *known])}")
    kind, part = known[name][0]
    return kind, part, get(kind, part)


def coerced(part: Part, name: str, value: Any) -> Value:
    """`value` (text from the command line, or a TOML value) as the type of the part's field.

    Raises:
        ValueError: if it does not fit.
    """
    wanted = part.hints[name]
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            known = ", ".join(map(str, get_args(wanted)))
            raise ValueError(f"expected {name} to be one of {known}, found '{value}'")
        return value  # type: ignore[no-any-return]
    kind = type(part.defaults[name])
    if kind is bool:
        words = {"true": True, "on": True, "false": False, "off": False}
        if isinstance(value, bool) or str(value).lower() in words:
            return value if isinstance(value, bool) else words[str(value).lower()]
        raise ValueError(f"expected {name} to be on or off, found '{value}'")
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float) and value % 1):
            raise ValueError(value)
        made: Value = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"expected {name} to be {kind.__name__}, found '{value}'") from None
    return made


def _all(*, elsewhere: bool = False) -> Iterable[tuple[Kind, str]]:
    for kind in KINDS:
        for name in names(kind) if elsewhere else [*_BUILT_IN[kind], *_added[kind]]:
            yield kind, name


def _check(kind: Kind, name: str, part: Part) -> None:
    if not name.replace("-", "").replace("_", "").isalnum() or name != name.lower():
        raise ValueError(f"expected a name of small letters, digits, - and _, found '{name[:40]}'")
    weight = weight_field(name)
    if kind == "loss_terms" and part.defaults.get(weight) != 0:
        raise ValueError(f"expected the loss term '{name}' to have the field {weight} with the default 0.0")


def _check_apart(part: Part, name: str, other: type, other_name: str) -> None:
    if part.fields is other:
        return
    if both := part.defaults.keys() & _defaults(other).keys():
        raise ValueError(
            f"the field '{min(both)}' of '{name}' belongs to '{other_name}': give it another name"
        )


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(sorted(known))}"

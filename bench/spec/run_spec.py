"""From names, flags and TOML to run specs: what is trained on what, and the hash that names it.

Imports no torch, so that a grid can be resolved, listed and refused at once.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from baselines.geometry import fitting
from baselines.settings import TestSettings, TrainingSettings
from baselines.variants import ALIASES, NAMED, SWEEPABLE, Variant, parse_variant
from bench.core import plugins
from bench.core.documents import DocumentError, read_toml
from bench.core.errors import UsageError, unknown_name


@dataclass(frozen=True)
class DataSpec:
    """Which pictures a run saw.

    Attributes:
        name: the data set's.
        direction: "<source domain>2<target domain>".
        source: "paired", or how the source was derived ("gray", "edges").
        train_n, test_n: pairs used of each split.
        train_fingerprint, test_fingerprint: content hashes of those pairs.
    """

    name: str
    direction: str
    source: str
    train_n: int
    test_n: int
    train_fingerprint: str
    test_fingerprint: str


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's result, but for the machine: equal specs have equal hashes.

    `swept` and `also` are words about it: the training fields that vary in its grid, and other variant
    names of the grid that mean the same run at this size ("imagegan" at 64 px is "l1+cgan").
    """

    data: DataSpec
    variant: Variant
    seed: int
    training: TrainingSettings
    test: TestSettings
    swept: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As records hold it (JSON only)."""
        return {name: value for name, value in asdict(self).items() if name not in ("swept", "also")}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> RunSpec:
        """The spec that `to_dict` (with an optional "swept" and "also") described.

        Raises:
            ValueError: if it describes none.
        """
        try:
            spec = RunSpec(
                DataSpec(**content["data"]),
                Variant(**content["variant"]),
                int(content["seed"]),
                TrainingSettings(**content["training"]),
                TestSettings(**content["test"]),
                tuple(content.get("swept", ())),
                tuple(content.get("also", ())),
            )
            hash((spec.data, spec.id))  # a field of the wrong kind shows here
            return spec
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"no run spec ({type(error).__name__}: {error})") from error

    @cached_property
    def hash(self) -> str:
        """12 hexadecimal digits over all fields; stable across processes and machines."""
        content = self.to_dict()
        del content["variant"]["name"], content["variant"]["source"]  # words, not settings
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """What tables call it: the variant, and the training fields that were swept."""
        said = [f"{name}={getattr(self.training, name)}" for name in self.swept]
        return f"{self.variant.name}[{','.join(said)}]" if said else self.variant.name

    @property
    def id(self) -> str:
        """File-name-safe: "cityscapes-l1+cgan-s0-1f2e3d4c5b6a"."""
        return f"{slug(self.data.name)}-{slug(self.label)}-s{self.seed}-{self.hash}"


def slug(text: str) -> str:
    """`text` with everything but letters, digits, "+", "_" and "." turned into "-"; 60 characters at most."""
    return re.sub(r"[^A-Za-z0-9+_.]+", "-", text).strip("-.")[:60] or "x"


@dataclass(frozen=True)
class Suite:
    """A table of the paper, by one name.

    Attributes:
        name, about, source: as they read.
        variants: names in the variant grammar.
        dataset, direction: what the paper used.
        batch_size: what the paper used.
    """

    name: str
    about: str
    source: str
    variants: tuple[str, ...]
    dataset: str = "cityscapes"
    direction: str | None = "labels2photo"
    batch_size: int = 1


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "losses",
            "which loss terms earn their keep",
            "Isola et al. 2017, table 1",
            ("l1", "gan", "cgan", "l1+gan", "l1+cgan"),
        ),
        Suite(
            "generators",
            "U-Net against encoder-decoder, at batch size 10",
            "Isola et al. 2017, table 2",
            ("encdec:l1", "encdec:l1+cgan", "l1", "l1+cgan"),
            batch_size=10,
        ),
        Suite(
            "receptive-field",
            "pixels, patches and the full image",
            "Isola et al. 2017, table 3",
            ("l1+cgan/1", "l1+cgan/16", "l1+cgan/70", "imagegan"),
        ),
        Suite(
            "photo2labels",
            "photo to labels: semantic segmentation by pix2pix",
            "Isola et al. 2017, table 6",
            ("l1", "cgan", "l1+cgan"),
            direction="photo2labels",
        ),
    )
}


def get_suite(name: str) -> Suite:
    """The suite called `name`.

    Raises:
        UsageError: for an unknown name, with the nearest.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES, "bench list suites")
    return SUITES[name]


def get_variant(name: str, declared: Mapping[str, Variant] | None = None) -> Variant:
    """The variant called `name`: declared by the user, plugged in, or in the grammar.

    Raises:
        UsageError: for an unknown name (with the nearest), or one whose parts contradict each other.
    """
    if declared and name in declared:
        return declared[name]
    if name in plugins.names("variants"):
        plugged = plugins.load("variants", name)
        if not isinstance(plugged, Variant):
            raise UsageError(
                f"expected variant plug-in '{name}' to be a Variant, found {type(plugged).__name__}"
            )
        return plugged
    try:
        return parse_variant(name)
    except KeyError:
        known = [*NAMED, *ALIASES, *plugins.names("variants"), *(declared or ())]
        raise unknown_name("variant", name, known, "bench list variants") from None
    except ValueError as error:
        raise UsageError(f"variant '{name}': {error}") from None


def read_variants(path: Path) -> dict[str, Variant]:
    """Variants declared in TOML: `[variants.NAME]` with an optional `base` and any fields.

    Raises:
        UsageError: if the file cannot be read or a declaration does not hold; the message names it.
    """
    try:
        content = read_toml(path)
    except DocumentError as error:
        raise UsageError(f"expected TOML with [variants.NAME] tables in {path}: {error}") from None
    tables = content.get("variants")
    if set(content) != {"variants"} or not isinstance(tables, dict):
        raise UsageError(
            f"expected only [variants.NAME] tables in {path}, found {', '.join(content) or 'none'}"
        )
    declared: dict[str, Variant] = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: expected variants.{name} to be a table, found '{table}'")
        if name in {*NAMED, *ALIASES} or _is_grammar(name):
            raise UsageError(f"{path}: '{name}' is a built-in variant: give yours another name")
        if not name.isprintable() or not 0 < len(name) <= 80 or "," in name:
            raise UsageError(f"{path}: expected names of 1 to 80 letters without commas, found '{name[:80]}'")
        wanted = dict(table)
        base = get_variant(str(wanted.pop("base", "l1+cgan")), declared)
        try:
            declared[name] = replace(base.with_fields(wanted), name=name, source=f"declared in {path.name}")
        except ValueError as error:
            raise UsageError(f"{path}: variants.{name}: {error}") from None
    return declared


def _is_grammar(name: str) -> bool:
    try:
        parse_variant(name)
    except KeyError:
        return False
    except ValueError:
        pass
    return True


TRAINING_FIELDS: dict[str, type] = {
    "steps": int, "size_px": int, "batch_size": int, "base_filters": int, "lr": float, "beta1": float,
    "beta2": float, "lr_schedule": str, "jitter": bool, "mirror": bool, "precision": str, "engine": str,
}  # fmt: skip
assert set(TRAINING_FIELDS) == {f.name for f in fields(TrainingSettings)}


def parse_sets(assignments: Sequence[str]) -> dict[str, list[str]]:
    """`--set field=1,10,100` as field -> values.

    Raises:
        UsageError: if one is not of that form, names no field, or names one twice.
    """
    sweeps: dict[str, list[str]] = {}
    for assignment in assignments:
        field, equals, values = assignment.partition("=")
        field = field.strip()
        if not equals or not all(value.strip() for value in values.split(",")):
            raise UsageError(f"expected --set FIELD=VALUE[,VALUE...], found '{assignment}'")
        if field not in SWEEPABLE and field not in TRAINING_FIELDS:
            raise unknown_name("field", field, [*SWEEPABLE, *TRAINING_FIELDS], "bench list fields")
        if field in sweeps:
            raise UsageError(
                f"--set {field} was given twice: list all its values in one, separated by commas"
            )
        sweeps[field] = [value.strip() for value in values.split(",")]
    return sweeps


_ALIAS_OF = {v.name: alias for alias in ALIASES if (v := parse_variant(alias)).receptive_field == 0}


def resolve_grid(
    data: DataSpec,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    training: Mapping[str, Any],
    test: TestSettings,
    sweeps: Mapping[str, Sequence[str]],
    epochs: float | None,
) -> list[RunSpec]:
    """All runs of a grid: sweeps x variants x seeds, each once, in that order.

    Args:
        training: fields of `TrainingSettings`; "steps" may be missing where `epochs` is given.
        epochs: passes over the training split; rounded up to whole steps.

    Raises:
        UsageError: if a field does not fit, or a receptive field cannot be built at the size.
    """
    runs: dict[str, RunSpec] = {}
    for values in itertools.product(*sweeps.values()):
        chosen = dict(zip(sweeps, values, strict=True))
        variant_fields = {name: value for name, value in chosen.items() if name in SWEEPABLE}
        training_fields = {
            name: _coerce(name, value) for name, value in chosen.items() if name not in SWEEPABLE
        }
        settings = _settings({**training, **training_fields}, data.train_n, epochs)
        swept = tuple(name for name in training_fields if len(sweeps[name]) > 1)
        for variant, seed in itertools.product(variants, seeds):
            try:
                resolved = variant.with_fields(variant_fields).at_size(settings.size_px)
            except ValueError as error:
                raise UsageError(f"variant '{variant.name}': {error}") from None
            _check_receptive_field(resolved, settings.size_px)
            run = RunSpec(data, resolved, seed, settings, test, swept)
            known = runs.setdefault(run.hash, run)
            if variant.name != known.variant.name and not variant_fields:
                runs[run.hash] = replace(known, also=(*known.also, _ALIAS_OF.get(variant.name, variant.name)))
    return list(runs.values())


def _settings(training: Mapping[str, Any], train_n: int, epochs: float | None) -> TrainingSettings:
    chosen = dict(training)
    if "steps" not in chosen:
        if epochs is None or not 0 < epochs < math.inf:
            raise UsageError(
                f"expected epochs above 0, or steps, found {epochs} epochs: use --epochs or --steps"
            )
        batch_size = max(1, chosen["batch_size"])  # below 1: refused by the settings, under its own name
        chosen["steps"] = max(1, -int(-epochs * train_n // batch_size))
    try:
        return TrainingSettings(**chosen)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _check_receptive_field(variant: Variant, size_px: int) -> None:
    possible = fitting(size_px)
    if variant.receptive_field is not None and variant.receptive_field not in possible:
        names = ", ".join(map(str, possible))
        raise UsageError(
            f"variant '{variant.name}': a {variant.receptive_field} px receptive field cannot be built at "
            f"{size_px} px: use one of {names}, imagegan (which takes the one that covers the picture), or a "
            "larger --size"
        )


def _coerce(name: str, value: str) -> Any:
    wanted = TRAINING_FIELDS[name]
    if wanted is bool:
        if value.lower() not in ("true", "false"):
            raise UsageError(f"expected --set {name}=true or false, found '{value}'")
        return value.lower() == "true"
    try:
        return wanted(value)
    except ValueError:
        raise UsageError(f"expected --set {name} to be {wanted.__name__}, found '{value}'") from None

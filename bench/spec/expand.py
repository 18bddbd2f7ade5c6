"""From names, sweeps and seeds to run specs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from baselines.geometry import depth, fitting
from baselines.settings import TestSettings, TrainingSettings
from baselines.sizes import NATIVE, parse_size
from baselines.variant import field_names, is_field
from baselines.variants import ALIASES, Variant, parse_variant
from bench.core.errors import UsageError, unknown_name
from bench.spec.named_files import with_content
from bench.spec.run_spec import DataSpec, RunSpec, StepChoice

TRAINING_FIELDS: dict[str, Callable[[str], Any]] = {
    "steps": int, "size_px": parse_size, "batch_size": int, "base_filters": int, "lr": float,
    "beta1": float, "beta2": float, "lr_schedule": str, "jitter": bool, "mirror": bool, "precision": str,
    "engine": str, "ema": float, "levels": int, "weight_decay": float, "init_from": str,
}  # fmt: skip
assert set(TRAINING_FIELDS) == {f.name for f in fields(TrainingSettings)}


def parse_sets(assignments: Sequence[str]) -> dict[str, list[str]]:
    """`--set field=1,10,100` as field -> values.

    Raises:
        UsageError: if one has another form, names an unknown field, or repeats a field.
    """
    sweeps: dict[str, list[str]] = {}
    for assignment in assignments:
        field, equals, values = assignment.partition("=")
        field = field.strip()
        if not equals or not all(value.strip() for value in values.split(",")):
            raise UsageError(f"expected --set FIELD=VALUE[,VALUE...], found '{assignment}'")
        if field not in TRAINING_FIELDS and not is_field(field):
            raise unknown_name("field", field, [*field_names(), *TRAINING_FIELDS], "bench list fields")
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
    choice: StepChoice | None = None,
    recipes: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[RunSpec]:
    """All runs of a grid: sweeps x variants x seeds, each once, in that order.

    Args:
        training: fields of `TrainingSettings`; "steps" may be missing where `epochs` is given.
        epochs: passes over the training split; rounded up to whole steps.
        choice: which step is taken; None: the last.
        recipes: training settings of a variant's recipe, by its name; they override those that its objective
            starts from, and `sweeps` overrides both.

    Raises:
        UsageError: if a field does not fit, or a receptive field cannot be built at the size.
    """
    runs: dict[str, RunSpec] = {}
    for values in itertools.product(*sweeps.values()):
        chosen = dict(zip(sweeps, values, strict=True))
        variant_fields = {name: value for name, value in chosen.items() if name not in TRAINING_FIELDS}
        training_fields = {
            name: _coerce(name, value) for name, value in chosen.items() if name in TRAINING_FIELDS
        }
        swept = tuple(name for name in training_fields if len(sweeps[name]) > 1)
        for variant, seed in itertools.product(variants, seeds):
            of_recipe = (recipes or {}).get(variant.name, {})
            try:
                filled = with_content(variant.with_fields(variant_fields))
                of_objective = filled.training
                chosen_fields = {**training, **of_objective, **of_recipe, **training_fields}
                settings = _settings(chosen_fields, data.train_n, epochs)
                resolved = filled.at_size(settings.size_px)
            except ValueError as error:
                raise UsageError(f"variant '{variant.name}': {error}") from None
            _check_receptive_field(resolved, settings)
            run = RunSpec(data, resolved, seed, settings, test, swept, choice=choice)
            known = runs.setdefault(run.hash, run)
            if variant.name != known.variant.name and not variant_fields:
                runs[run.hash] = replace(known, also=(*known.also, _ALIAS_OF.get(variant.name, variant.name)))
    return list(runs.values())


def _settings(training: Mapping[str, Any], train_n: int, epochs: float | None) -> TrainingSettings:
    chosen = dict(training)
    if "steps" not in chosen:
        assert epochs is not None  # `resolve` gives one of the two
        batch_size = max(1, chosen["batch_size"])  # below 1: refused by the settings, under its own name
        chosen["steps"] = max(1, -int(-epochs * train_n // batch_size))
    try:
        settings = TrainingSettings(**chosen)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if settings.size_px != NATIVE and settings.levels == depth(settings.size_px):
        return replace(settings, levels=None)  # one system, one hash
    return settings


def _check_receptive_field(variant: Variant, settings: TrainingSettings) -> None:
    possible = fitting(settings.least_size)
    if variant.receptive_field is not None and variant.receptive_field not in possible:
        names = ", ".join(map(str, possible))
        raise UsageError(
            f"variant '{variant.name}': a {variant.receptive_field} px receptive field cannot be built at "
            f"{settings.least_size} px: use one of {names}, imagegan (which takes the one that covers the "
            "image), or a larger --size"
        )


def _coerce(name: str, value: str) -> Any:
    wanted = TRAINING_FIELDS[name]
    if wanted is bool:
        if value.lower() not in ("true", "false"):
            raise UsageError(f"expected --set {name}=true or false, found '{value}'")
        return value.lower() == "true"
    try:
        return wanted(value)
    except ValueError as error:
        if wanted is parse_size:
            raise UsageError(f"--set {name}: {error}") from None
        raise UsageError(f"expected --set {name} to be {wanted.__name__}, found '{value}'") from None

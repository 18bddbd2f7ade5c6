"""Recipes: named sets of fields and training settings, each one screen of TOML with its sources."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import baselines
from baselines.components import registry
from baselines.variants import Variant
from bench.core.decode import decode
from bench.core.documents import read_toml
from bench.core.errors import UsageError, unknown_name

_FOLDER = Path(baselines.__file__).parent / "recipes"
TRAINING_OF_RECIPES = ("lr", "beta1", "beta2", "lr_schedule", "jitter", "mirror", "ema", "weight_decay")
"""Training settings that a recipe may have: those without an option of their own on the command line."""


@dataclass(frozen=True)
class Recipe:
    """A named set.

    Attributes:
        about, source: as shown to people.
        variant: fields of variants.
        training: training settings, of `TRAINING_OF_RECIPES`.
    """

    about: str
    source: str
    variant: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def recipe_names() -> list[str]:
    """All names."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def get_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        UsageError: for an unknown name, with the nearest.
    """
    if name not in recipe_names():
        raise unknown_name("recipe", name, recipe_names(), "bench list recipes")
    return decode(read_toml(_FOLDER / f"{name}.toml"), Recipe)


def cooked(variant: Variant, name: str) -> Variant:
    """`variant` by a recipe, called "l1+cgan@modern"; by one that changes nothing, the same variant.

    Fields that the variant sets itself stay, and fields of parts that it does not have are left out: `l1` has
    no discriminator, so a recipe's adversarial loss is not for it.

    Raises:
        UsageError: for an unknown recipe.
    """
    recipe = get_recipe(name)
    wanted = {
        key: value
        for key, value in recipe.variant.items()
        if _is_used(variant, key) and variant.value(key) == _plain(key)
    }
    try:
        made = variant.with_fields(wanted)
    except ValueError as error:
        raise UsageError(f"recipe '{name}' on variant '{variant.name}': {error}") from None
    if made is variant and not changes_training(recipe):
        return variant
    return replace(
        made, name=f"{variant.name}@{name}", source=f"{variant.source}; recipe {name}: {recipe.source}"
    )


def changes_training(recipe: Recipe) -> bool:
    """Whether it has a training setting that is no default."""
    from baselines.settings import TrainingSettings

    plain = TrainingSettings(steps=1)
    return any(getattr(plain, key) != value for key, value in recipe.training.items())


def _plain(key: str) -> Any:
    """The default of a variant's field."""
    return Variant("l1+cgan").value(key)


def _is_used(variant: Variant, key: str) -> bool:
    """Whether the field belongs to something that the variant has."""
    if key in ("gan_loss", "discriminator"):
        return variant.adversarial != "none"
    if key in registry.OWN_FIELDS:
        return True
    chosen = {("generators", variant.generator), ("upsamplings", variant.upsample), ("norms", variant.norm)}
    if variant.adversarial != "none":
        chosen |= {("discriminators", variant.discriminator), ("gan_losses", variant.gan_loss)}
    return bool(chosen & set(registry.owners()[key]))

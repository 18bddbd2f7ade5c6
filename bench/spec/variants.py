"""Variants by name: declared in a file, plugged in, or in the grammar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baselines.variants import ALIASES, NAMED, Variant, parse_variant
from bench.core import plugins
from bench.core.decode import decode
from bench.core.documents import DocumentError, read_toml
from bench.core.errors import UsageError, unknown_name
from bench.spec.recipes import cooked


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


def by_recipes(
    name: str, recipes: Sequence[str], declared: Mapping[str, Variant] | None = None
) -> list[tuple[Variant, str | None]]:
    """The variant called `name` by each recipe, with the recipe's name; "l1+cgan@modern" has its own.

    Raises:
        UsageError: for an unknown variant or recipe, or two recipes at once.
    """
    plain, at, own = name.rpartition("@")
    if not at or (declared and name in declared):
        variant = get_variant(name, declared)
        return [(cooked(variant, recipe), recipe) for recipe in recipes] or [(variant, None)]
    if recipes:
        raise UsageError(f"expected --recipe without '{name}', which has one: give one of the two")
    return [(cooked(get_variant(plain, declared), own), own)]


@dataclass(frozen=True)
class _Declarations:
    variants: dict[str, dict[str, Any]]


def read_variants(path: Path) -> dict[str, Variant]:
    """Variants declared in TOML: `[variants.NAME]` with an optional `base` and any fields.

    Raises:
        UsageError: if the file cannot be read or a declaration is invalid; the message names it.
    """
    try:
        tables = decode(read_toml(path), _Declarations).variants
    except DocumentError as error:
        raise UsageError(f"expected TOML with only [variants.NAME] tables in {path}: {error}") from None
    declared: dict[str, Variant] = {}
    for name, wanted in tables.items():
        if name in {*NAMED, *ALIASES} or _is_grammar(name):
            raise UsageError(f"{path}: '{name}' is a built-in variant: give yours another name")
        if not name.isprintable() or not 0 < len(name) <= 80 or "," in name:
            raise UsageError(f"{path}: expected names of 1 to 80 letters without commas, found '{name[:80]}'")
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

"""Data set cards: `datasets/cards/NAME.toml` -> `DatasetCard`, checked field by field.

Imports nothing heavy: `bench list datasets` and `--help` come through here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args

from bench import plugins
from bench.data.types import ClassInfo, DatasetCard, Role
from bench.errors import UsageError, unknown_name
from bench.resources import resource_dir

LAYOUTS = ("pairs", "official", "prepared", "cmp", "folders", "photos", "embedded")
CLASS_POLICIES = ("absent-is-zero", "absent-left-out")
_OPTIONS = {"training": dict, "mode": str, "cmp_fold": int}
_TRAINING = {"epochs": (int, float), "batch_size": (int,), "base_filters": (int,)}
_URL_KEYS = {"url", "sha256"}
_CLASS_KEYS = {f.name for f in fields(ClassInfo)}
_TEXT = ("name", "title", "version", "licence", "homepage", "direction", "how_to_get", "class_policy")


def card_names() -> list[str]:
    """Names of all data sets: the project's cards and those of plugins, without loading either."""
    built_in = [path.stem for path in resource_dir("datasets/cards").glob("*.toml")]
    return sorted({*built_in, *plugins.names("cards")})


def load_card(name: str) -> DatasetCard:
    """The card called `name`.

    Raises:
        UsageError: for an unknown name (with the nearest known one), or a card that does not hold.
    """
    known = card_names()
    if name not in known:
        raise unknown_name("data set", name, known, "bench list datasets")
    if name in plugins.names("cards"):
        card = plugins.load("cards", name)
        if not isinstance(card, DatasetCard):
            raise UsageError(
                f"expected plug-in data set '{name}' to be a DatasetCard, found {type(card).__name__}"
            )
        return card
    return read_card(resource_dir("datasets/cards") / f"{name}.toml")


def read_card(path: Path, defaults: Mapping[str, Any] | None = None) -> DatasetCard:
    """Read and check one card file.

    Args:
        path: the TOML file.
        defaults: values for fields that the file leaves out (a `card.toml` in a user's own folder).

    Raises:
        UsageError: if it cannot be read, has an unknown key, lacks one, or a value does not fit;
            the message names the file and the key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"expected a data set card in TOML at {path}: {error}") from None
    try:
        return make_card({**(defaults or {}), **raw})
    except ValueError as error:
        raise UsageError(f"card {path}: {error}") from None


def make_card(raw: Mapping[str, Any]) -> DatasetCard:
    """A checked card from plain values, as TOML gives them.

    Raises:
        ValueError: naming the key that is unknown, missing or does not fit.
    """
    known = {f.name for f in fields(DatasetCard)}
    required = {f.name for f in fields(DatasetCard) if f.default is MISSING and f.default_factory is MISSING}
    _only(raw, known, "key")
    if missing := sorted(required - set(raw)):
        raise ValueError(f"expected the key '{missing[0]}', found none: add it")
    for key in _TEXT:
        _expect(isinstance(raw.get(key, ""), str), key, "a text", raw.get(key))
    domains, roles = _strings(raw, "domains"), _strings(raw, "roles")
    _expect(len(set(domains)) == 2, "domains", "two different names", domains)
    _expect(len(roles) == 2 and set(roles) <= set(get_args(Role)), "roles", _among(get_args(Role)), roles)
    directions = (f"{domains[0]}2{domains[1]}", f"{domains[1]}2{domains[0]}")
    _expect(raw["direction"] in directions, "direction", _among(directions), raw["direction"])
    layouts = _strings(raw, "layouts")
    _expect(bool(layouts) and set(layouts) <= set(LAYOUTS), "layouts", _among(LAYOUTS), layouts)
    splits = raw["splits"]
    _expect(isinstance(splits, dict) and {"train", "test"} <= set(splits), "splits", "train and test", splits)
    _expect(isinstance(raw["size_px"], int) and raw["size_px"] > 0, "size_px", "pixels", raw["size_px"])
    policy = raw.get("class_policy", CLASS_POLICIES[1])
    _expect(policy in CLASS_POLICIES, "class_policy", _among(CLASS_POLICIES), policy)
    classes = _classes(raw.get("classes", ()))
    _expect(bool(classes) == ("labels" in roles), "classes", "a palette where a role is labels", len(classes))
    checked = {
        "domains": domains,
        "roles": roles,
        "layouts": layouts,
        "splits": {name: tuple(v) if isinstance(v, list) else v for name, v in splits.items()},
        "classes": classes,
        "class_policy": policy,
        "urls": _urls(raw.get("urls", ())),
        "options": _options(raw.get("options", {})),
    }
    return DatasetCard(**{**raw, **checked})


def _classes(entries: Any) -> tuple[ClassInfo, ...]:
    classes = []
    for entry in entries:
        _expect(isinstance(entry, dict), "classes", "a table for each class", entry)
        _only(entry, _CLASS_KEYS, "key in classes")
        colour = entry.get("colour")
        fits = isinstance(colour, list) and len(colour) == 3
        _expect(
            fits and all(isinstance(v, int) and 0 <= v <= 255 for v in colour), "colour", "R, G, B", colour
        )
        for key in ("train_id", "id"):
            number = entry.get(key)
            _expect(
                number is None or (isinstance(number, int) and 0 <= number < 255), key, "0 to 254", number
            )
        _expect(isinstance(entry.get("name"), str), "classes", "a name for each class", entry)
        classes.append(ClassInfo(entry["name"], tuple(colour), entry.get("train_id"), entry.get("id")))
    train_ids = {c.train_id for c in classes if c.train_id is not None}
    _expect(
        train_ids == set(range(len(train_ids))), "train_id", "0, 1, 2, ... without gaps", sorted(train_ids)
    )
    ids = [c.id for c in classes if c.id is not None]
    _expect(len(set(ids)) == len(ids), "id", "each id once", ids)
    return tuple(classes)


def _urls(entries: Any) -> tuple[dict[str, Any], ...]:
    urls = []
    for entry in entries:
        _expect(isinstance(entry, dict) and "url" in entry, "urls", "tables with a url", entry)
        _only(entry, _URL_KEYS, "key in urls")
        urls.append({"url": entry["url"], "sha256": entry.get("sha256")})
    return tuple(urls)


def _options(options: Any) -> dict[str, Any]:
    _expect(isinstance(options, dict), "options", "a table", options)
    _only(options, _OPTIONS, "key in options")
    for key, value in options.items():
        _expect(isinstance(value, _OPTIONS[key]), f"options.{key}", _OPTIONS[key].__name__, value)
    training = options.get("training", {})
    _only(training, _TRAINING, "key in options.training")
    for key, value in training.items():
        fits = isinstance(value, _TRAINING[key]) and value > 0
        _expect(fits, f"options.training.{key}", "a positive number", value)
    return dict(options)


def _strings(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = raw[key]
    fits = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    _expect(fits, key, "a list of texts", value)
    return tuple(value)


def _only(raw: Mapping[str, Any], known: Any, what: str) -> None:
    if unknown := sorted(set(raw) - set(known)):
        raise ValueError(f"unknown {what} '{unknown[0]}': expected {_among(sorted(known))}")


def _expect(fits: bool, key: str, expected: str, found: Any) -> None:
    if not fits:
        raise ValueError(f"expected {key} to be {expected}, found {found!r}")


def _among(names: Any) -> str:
    return "among " + ", ".join(map(str, names))

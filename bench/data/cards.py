"""Data set cards: `datasets/cards/NAME.toml` -> `DatasetCard`, checked field by field.

Imports nothing heavy: `bench list datasets` and `--help` come through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, get_args

from bench.core import plugins
from bench.core.documents import DocumentError, read_toml
from bench.core.errors import UsageError, unknown_name
from bench.core.resources import resource_dir
from bench.data.types import ClassInfo, DatasetCard, Role

LAYOUTS = ("pairs", "official", "prepared", "cmp", "folders", "photos", "embedded")
CLASS_POLICIES = ("absent-is-zero", "absent-left-out")
_OPTIONS = {"training": dict, "mode": str, "cmp_fold": int}
_TRAINING = {"epochs": (int, float), "batch_size": (int,), "base_filters": (int,)}
_SHA256 = re.compile("[0-9a-fA-F]{64}")
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
        raw = read_toml(path)
    except DocumentError as error:
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
    _expect(_is_folder(raw["name"]) and "/" not in raw["name"], "name", "a plain name", raw["name"])
    domains, roles = _strings(raw, "domains"), _strings(raw, "roles")
    fits = len(domains) == len(set(domains)) == 2 and all(_is_folder(n) and "/" not in n for n in domains)
    _expect(fits, "domains", "two different plain names", domains)
    _expect(len(roles) == 2 and set(roles) <= set(get_args(Role)), "roles", _among(get_args(Role)), roles)
    directions = (f"{domains[0]}2{domains[1]}", f"{domains[1]}2{domains[0]}")
    _expect(raw["direction"] in directions, "direction", _among(directions), raw["direction"])
    layouts = _strings(raw, "layouts")
    _expect(bool(layouts) and set(layouts) <= set(LAYOUTS), "layouts", _among(LAYOUTS), layouts)
    splits = _splits(raw["splits"], layouts)
    _expect(_is_whole(raw["size_px"], 1, 8192), "size_px", "1 to 8192 pixels", raw["size_px"])
    policy = raw.get("class_policy", CLASS_POLICIES[1])
    _expect(policy in CLASS_POLICIES, "class_policy", _among(CLASS_POLICIES), policy)
    classes = _classes(raw.get("classes", ()))
    _expect(bool(classes) == ("labels" in roles), "classes", "a palette where a role is labels", len(classes))
    checked = {
        "domains": domains,
        "roles": roles,
        "layouts": layouts,
        "splits": splits,
        "classes": classes,
        "class_policy": policy,
        "urls": _urls(raw.get("urls", ())),
        "options": _options(raw.get("options", {})),
    }
    return DatasetCard(**{**raw, **checked})


def _splits(splits: Any, layouts: tuple[str, ...]) -> dict[str, Any]:
    """Folders of each split, below the data set's; of an embedded one its number of pairs."""
    _expect(isinstance(splits, dict) and {"train", "test"} <= set(splits), "splits", "train and test", splits)
    for value in splits.values():
        names = value if isinstance(value, (list, tuple)) else [value]
        fits = all(_is_whole(n, 1, 10**6) if layouts == ("embedded",) else _is_folder(n) for n in names)
        _expect(bool(names) and fits, "splits", "folders below the top", value)
    return {name: tuple(v) if isinstance(v, list) else v for name, v in splits.items()}


def _is_folder(name: Any) -> bool:
    """Whether `name` is a path that stays below where it starts, in plain text."""
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 255:
        return False
    parts = PureWindowsPath(name).parts
    return not (PurePosixPath(name).is_absolute() or ".." in parts or chr(92) in name or ":" in name)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _classes(entries: Any) -> tuple[ClassInfo, ...]:
    classes = []
    _expect(isinstance(entries, (list, tuple)), "classes", "tables", entries)
    for entry in entries:
        _expect(isinstance(entry, dict), "classes", "a table for each class", entry)
        _only(entry, _CLASS_KEYS, "key in classes")
        colour = entry.get("colour")
        fits = isinstance(colour, list) and len(colour) == 3
        _expect(fits and all(_is_whole(v, 0, 255) for v in colour), "colour", "R, G, B", colour)
        for key in ("train_id", "id"):
            number = entry.get(key)
            _expect(number is None or _is_whole(number, 0, 254), key, "0 to 254", number)
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
    _expect(isinstance(entries, (list, tuple)), "urls", "tables", entries)
    for entry in entries:
        _expect(isinstance(entry, dict) and "url" in entry, "urls", "tables with a url", entry)
        _only(entry, _URL_KEYS, "key in urls")
        _expect(isinstance(entry["url"], str), "url", "a text", entry["url"])
        known = entry.get("sha256")
        fits = known is None or (isinstance(known, str) and bool(_SHA256.fullmatch(known)))
        _expect(fits, "sha256", "64 hexadecimal digits", known)
        urls.append({"url": entry["url"], "sha256": entry.get("sha256")})
    return tuple(urls)


def _options(options: Any) -> dict[str, Any]:
    _expect(isinstance(options, dict), "options", "a table", options)
    _only(options, _OPTIONS, "key in options")
    for key, value in options.items():
        _expect(isinstance(value, _OPTIONS[key]), f"options.{key}", _OPTIONS[key].__name__, value)
    fold = options.get("cmp_fold", 2)
    _expect(_is_whole(fold, 2, 1000), "options.cmp_fold", "2 to 1000", fold)
    training = options.get("training", {})
    _only(training, _TRAINING, "key in options.training")
    for key, value in training.items():
        fits = isinstance(value, _TRAINING[key]) and not isinstance(value, bool) and 0 < value < 10**9
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
        raise ValueError(f"expected {key} to be {expected}, found {repr(found)[:200]}")


def _among(names: Any) -> str:
    return "among " + ", ".join(map(str, names))

"""Data set cards: `datasets/cards/NAME.toml` -> `DatasetCard`, checked field by field.

Imports nothing heavy: `bench list datasets` and `--help` use it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from bench.core import plugins
from bench.core.decode import brief, decode
from bench.core.documents import DocumentError, read_toml
from bench.core.errors import UsageError, unknown_name
from bench.core.resources import resource_dir
from bench.data.types import DatasetCard


def card_names() -> list[str]:
    """Names of all data sets, of the project and of plugins, without loading any card."""
    built_in = [path.stem for path in resource_dir("datasets/cards").glob("*.toml")]
    return sorted({*built_in, *plugins.names("cards")})


def load_card(name: str) -> DatasetCard:
    """The card called `name`.

    Raises:
        UsageError: for an unknown name (with the nearest known one), or an invalid card.
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
        UsageError: if it cannot be read, has an unknown key, lacks a key, or a value does not fit;
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
    card = decode(dict(raw), DatasetCard)
    _expect("halves_by_name" not in raw, "halves_by_name", "no such key", card.halves_by_name)
    _expect(_is_name(card.name), "name", "a plain name", card.name)
    left, right = card.domains
    fits = left != right and _is_name(left) and _is_name(right)
    _expect(fits, "domains", "two different plain names", card.domains)
    fits = "2" not in left + right
    _expect(fits, "domains", "names without a 2, which stands between them in a direction", card.domains)
    directions = f"{left}2{right}", f"{right}2{left}"
    _expect(card.direction in directions, "direction", " or ".join(directions), card.direction)
    for domain, (low, high) in card.options.ranges.items():
        _expect(math.isfinite(high - low) and low < high, f"ranges of {domain}", "LOW, HIGH", [low, high])
    names = card.sources
    fits = not names or (len({*names, left, right}) == len(names) + 1 > 2 and all(map(_is_name, names)))
    _expect(fits, "sources", "the source's domain and one or more other folders", names)
    if names:
        other = right if names[0] == left else left
        wanted = f"{names[0]}2{other}"
        _expect(names[0] in (left, right), "sources", f"{left} or {right} first", names)
        _expect(card.direction == wanted, "direction", f"{wanted}, as sources go one way", card.direction)
    _expect(bool(card.layouts), "layouts", "one or more", card.layouts)
    _expect(1 <= card.size_px <= 8192, "size_px", "1 to 8192 pixels", card.size_px)
    _expect({"train", "test"} <= card.splits.keys(), "splits", "train and test", card.splits)
    for value in card.splits.values():
        _expect(_is_split(value, card.layouts == ("embedded",)), "splits", "folders below the top", value)
    has_labels = "labels" in card.roles
    _expect(
        bool(card.classes) == has_labels, "classes", "a palette where a role is labels", len(card.classes)
    )
    train_ids = {c.train_id for c in card.classes if c.train_id is not None}
    without_gaps = train_ids == set(range(len(train_ids)))
    _expect(without_gaps, "train_id", "0, 1, 2, ... without gaps (none for void)", sorted(train_ids))
    _expect(bool(train_ids) == has_labels, "train_id", "one for each class that is not void", "none")
    colours: dict[tuple[int, int, int], int | None] = {}
    for c in card.train_classes:
        same = colours.setdefault(c.colour, c.train_id) == c.train_id
        _expect(same, "colour", "another for each train_id", f"{list(c.colour)} for two")
    ids = [c.id for c in card.classes if c.id is not None]
    _expect(len(set(ids)) == len(ids), "id", "each id once", ids)
    return card


def _is_split(value: int | str | tuple[str, ...], embedded: bool) -> bool:
    """Whether a split's value is a path in the data set's folder or, if embedded, a number of pairs."""
    if embedded or isinstance(value, int):
        return embedded and isinstance(value, int) and 1 <= value <= 10**6
    folders = (value,) if isinstance(value, str) else value
    return bool(folders) and all(map(_is_folder, folders))


def _is_folder(name: str) -> bool:
    """Whether `name` is a relative path in plain text that stays below its start."""
    if not name.isprintable() or not 0 < len(name) <= 255:
        return False
    parts = PureWindowsPath(name).parts
    return not (PurePosixPath(name).is_absolute() or ".." in parts or chr(92) in name or ":" in name)


def _is_name(name: str) -> bool:
    return _is_folder(name) and "/" not in name


def _expect(fits: bool, key: str, expected: str, found: Any) -> None:
    if not fits:
        raise ValueError(f"expected {key} to be {expected}, found {brief(found)}")

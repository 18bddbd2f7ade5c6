"""Where a data set is, under which card it is read, and what was found there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.core.errors import UsageError, unknown_name
from bench.data import layouts
from bench.data.cards import card_names, load_card, make_card, read_card
from bench.data.layouts import AmbiguousLayoutError, Found
from bench.data.layouts.find import entered
from bench.data.side_by_side import check_halves, is_side_by_side
from bench.data.types import LAYOUTS, DatasetCard

_OWN_FOLDER: dict[str, Any] = {
    "version": "as found",
    "licence": "the owner's",
    "homepage": "",
    "domains": ["source", "target"],
    "roles": ["image", "image"],
    "direction": "source2target",
    "size_px": 256,
    "how_to_get": "give its folder with --data-root",
    "layouts": ["folders", "pairs", "domains", "suffixed", "list", "parquet"],
    "splits": {"train": "train", "test": ["test", "val"], "val": "val"},
}
_AS_PAIRS = "; --layout pairs reads each file as two halves"
_ARCHIVES = ("", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def locate(
    name: str, root: Path | None, source: str, direction: str | None, layout: str | None
) -> tuple[DatasetCard, Found]:
    """The files of a data set and the card to read them by.

    Args:
        name, root, source, direction, layout: as for `bench.data.open_dataset.open_dataset`.

    Raises:
        UsageError: if the name or the layout is unknown, or nothing is found (the message says where it was
            searched, what is there, and how to get it), or what is found is not whole.
    """
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"expected --layout among {', '.join(LAYOUTS)}, found '{layout}'")
    if name in card_names():
        card, found = _of_card(load_card(name), root, layout)
    else:
        card, found = _own(name, root, source, direction, layout)
    check_halves(found, layout)
    return card, found


def _places(name: str, root: Path | None) -> list[Path]:
    if root is None:
        return [Path("data") / name]  # where `bench data fetch` puts it
    if root.is_file():
        return [root]
    return [*(root / f"{name}{ending}" for ending in _ARCHIVES), root]


def _of_card(card: DatasetCard, root: Path | None, layout: str | None) -> tuple[DatasetCard, Found]:
    places = _places(card.name, root)
    for place in (place for place in places if place.exists()):
        if (found := layouts.find(card, place, layout)) is not None:
            return _as_found(card, found), found
    looked = list(dict.fromkeys((places[0], places[-1])))
    known = f"layout {layout}" if layout else f"layouts {', '.join(card.layouts)}"
    there = f" (there: {layouts.content_of(card, looked[-1])})" if looked[-1].exists() else ""
    said = (
        f"expected data set {card.name} ({known}) in {' or '.join(map(str, looked))}, found none{there}; "
        f"how to get it: {card.how_to_get}"
    )
    if layout is None and _may_be_cut(card, looked[-1]):
        raise AmbiguousLayoutError(f"{said}{_AS_PAIRS}", ("pairs",))
    raise UsageError(said)


def _may_be_cut(card: DatasetCard, place: Path) -> bool:
    """Whether the folders of splits hold images that were not taken for side-by-side pairs."""
    return "pairs" in card.layouts and place.is_dir() and layouts.may_be_singles(card, place)


def _as_found(card: DatasetCard, found: Found) -> DatasetCard:
    """The card for the label values that the files hold: without ids they are train ids."""
    if found.label_values == "ids":
        return card
    return replace(card, classes=tuple(replace(entry, id=None) for entry in card.classes))


def _own(
    name: str, root: Path | None, source: str, direction: str | None, layout: str | None
) -> tuple[DatasetCard, Found]:
    """A user's own data, with an optional `card.toml` in it."""
    near = difflib.get_close_matches(name, card_names(), n=1, cutoff=0.85)  # "faces" is no "facades"
    if root is None or (near and not (root / name).is_dir() and root.name != name):
        if root is None and not near:
            raise UsageError(
                f"expected the folder of data set '{name}', found none: give it with --data-root {name}=DIR "
                "(`bench list datasets` shows the data sets that need none or have a card)"
            )
        raise unknown_name("data set", name, card_names(), "bench list datasets")
    places = [place for place in _places(name, root) if place.exists()]
    for place in places:
        for card in _own_cards(name, place, direction):
            found = layouts.find(card, place, layout)
            if found is None and source != "paired" and layout is None:
                found = layouts.find(card, place, "pairs")  # photos in folders of equal names
            if found is not None:
                return (card, found) if source == "paired" else _plain_photos(card, found, layout)
    raise _none_found(_plain_card(name), places, root, layout)


def _none_found(card: DatasetCard, places: list[Path], root: Path, layout: str | None) -> UsageError:
    """That a user's own data was not found: where it was searched, what is there, what can be done."""
    looked = " or ".join(map(str, places or [root]))
    there = layouts.content_of(card, places[-1]) if places else "no such folder"
    if places and layout is not None:
        fits = ", ".join(layouts.fitting(card, places[-1])) or there
        return UsageError(f"expected layout {layout} in {looked}, found {fits}: choose another, or none")
    said = (
        f"expected train/ and test/ in {looked}, with side-by-side pairs or source/ and target/ in each (or "
        f"another layout of datasets/README.md), found {there}: arrange the images so, or "
        f"{_by_direction(layouts.two_folders(card, places[-1]) if places else None)}"
    )
    if places and _may_be_cut(card, places[-1]):
        return AmbiguousLayoutError(f"{said}{_AS_PAIRS}", ("pairs", "photos"))
    return UsageError(said)


def _by_direction(pair: tuple[str, str] | None) -> str:
    """How `--direction` would name the two folders of images that are there."""
    if pair is None:
        return "name two folders X/ and Y/ in each by --direction X2Y"
    left, right = pair
    if "2" in left + right:
        return (
            f"rename the two folders that are a pair, {left} and {right}, so that no name holds a 2, and "
            "name them by --direction X2Y"
        )
    return f"name the two folders that are a pair by --direction {left}2{right} or {right}2{left}"


def _own_cards(name: str, place: Path, direction: str | None) -> Iterator[DatasetCard]:
    """The card in the folder; without one a card of the two folders of `direction`, then a plain card."""
    defaults = {**_OWN_FOLDER, "name": name, "title": name}
    for folder in entered(place):
        if (stated := folder / "card.toml").is_file():
            yield replace(read_card(stated, defaults), name=name)
            return
    plain = _plain_card(name)
    left, _, right = (direction or "").partition("2")
    if {left, right} != set(plain.domains):
        with suppress(ValueError):  # no two plain names
            kinds = [kind for kind in _OWN_FOLDER["layouts"] if kind != "pairs"]  # whose halves have no names
            said = {"domains": sorted((left, right)), "direction": direction, "layouts": kinds}
            yield replace(make_card({**defaults, **said}), name=name, halves_by_name=True)
    yield plain


def _plain_card(name: str) -> DatasetCard:
    return make_card({**_OWN_FOLDER, "name": name, "title": name})


def _plain_photos(card: DatasetCard, found: Found, layout: str | None) -> tuple[DatasetCard, Found]:
    """Single photos, if `layout` says so or the first image is not twice as wide as high; else what was
    found, as it is."""
    first = found.splits["train"][0].files
    said = "photos" in (layout, *card.layouts[:1])
    if len(first) > 1 or (not said and (layout == "pairs" or is_side_by_side(first[0]))):
        return card, found
    card = replace(card, layouts=("photos",), domains=("source", "photo"), roles=("image", "photo"))
    return card, replace(found, layout="photos")

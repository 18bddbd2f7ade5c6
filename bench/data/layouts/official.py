"""Cityscapes as downloaded: `leftImg8bit/SPLIT/CITY/` and label maps of one of several kinds beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.core.errors import UsageError
from bench.data.layouts.found import Found, LabelValues, Pair
from bench.data.layouts.listing import checked, natural, subfolders
from bench.data.layouts.pairing import join, need
from bench.data.layouts.splits import all_names, assign, told
from bench.data.types import DatasetCard, Layout

_PHOTOS, _PHOTO_END = "leftImg8bit", "_leftImg8bit.png"


@dataclass(frozen=True)
class Kind:
    """One kind of label maps: the layout that reads it, its folder, the end of its names, its values."""

    layout: Layout
    tree: str
    end: str
    values: LabelValues


KINDS = (  # the best first
    Kind("official", "gtFine", "_gtFine_labelIds.png", "ids"),
    Kind("official-trainids", "gtFine", "_gtFine_labelTrainIds.png", "trainids"),
    Kind("official-color", "gtFine", "_gtFine_color.png", "ids"),
    Kind("official-coarse", "gtCoarse", "_gtCoarse_labelIds.png", "ids"),
    Kind("official-coarse-trainids", "gtCoarse", "_gtCoarse_labelTrainIds.png", "trainids"),
    Kind("official-coarse-color", "gtCoarse", "_gtCoarse_color.png", "ids"),
)


def kinds_in(card: DatasetCard, root: Path) -> list[Kind]:
    """The kinds of label maps that `root` has, the best first; none where the photos' folder is missing."""
    present = subfolders(root)
    if _PHOTOS.casefold() not in present:
        return []
    return [kind for kind in KINDS if _any(card, present.get(kind.tree.casefold()), kind.end)]


def is_begun(root: Path) -> bool:
    """Whether a folder of the official tree is there, so that a message can name what is missing."""
    present = subfolders(root)
    return any(name.casefold() in present for name in (_PHOTOS, *(kind.tree for kind in KINDS)))


def collect(card: DatasetCard, root: Path, layout: Layout) -> Found:
    """The tree with the label maps of `layout`; "official" is the best kind that is there.

    Raises:
        UsageError: if a folder, a split or a half is missing.
    """
    kinds = kinds_in(card, root)
    chosen = next((kind for kind in KINDS if kind.layout == layout), KINDS[0])
    if layout == "official" and kinds:
        chosen = kinds[0]
    present = subfolders(root)
    for tree in (_PHOTOS, chosen.tree):
        if tree.casefold() not in present:
            raise UsageError(
                f"expected {_PHOTOS}/ and {chosen.tree}/ in {root}, found no {tree}/: unpack its archive "
                "there"
            )
    photos, marks = present[_PHOTOS.casefold()], present[chosen.tree.casefold()]
    assigned = assign(card, lambda name: subfolders(photos).get(name), f"{photos}/")
    splits = {}
    for split, (name, folder) in assigned.items():
        beside = subfolders(marks).get(name, marks / folder.name)
        wanted = (f"{folder}/{{}}{_PHOTO_END}", f"{beside}/{{}}{chosen.end}")
        pairs = join(_by_city(folder, _PHOTO_END), _by_city(beside, chosen.end), wanted)
        splits[split] = need(_named(pairs), split, folder)
    notes = [*told(assigned), *_also(kinds, chosen)]
    halves = f"{photos.name}/", f"{marks.name}/ *{chosen.end}"
    return Found(chosen.layout, root, splits, halves, notes=tuple(notes), label_values=chosen.values)


def _also(kinds: Sequence[Kind], chosen: Kind) -> list[str]:
    others = [f"*{kind.end} (--layout {kind.layout})" for kind in kinds if kind is not chosen]
    return [f"label maps are read from *{chosen.end}; also there: {', '.join(others)}"] if others else []


def _any(card: DatasetCard, tree: Path | None, end: str) -> bool:
    """Whether a split of `tree` has a file of that end; a look at the first city with one is enough."""
    if tree is None:
        return False
    splits = subfolders(tree)
    return any(
        next(splits[name].glob(f"*/*{end}"), None) is not None for name in all_names(card) if name in splits
    )


def _by_city(folder: Path, end: str) -> dict[str, Path]:
    """The files of that end in the folders of cities: "ulm/ulm_000000_000019" -> file."""
    files = [checked(path) for path in sorted(folder.glob(f"*/*{end}"))]
    return {f"{file.parent.name}/{file.name.removesuffix(end)}": file for file in files}


def _named(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs under their names without the city, which bear it themselves, unless two cities share a name."""
    names = [pair.files[0].name.removesuffix(_PHOTO_END) for pair in pairs]
    if len(set(names)) < len(names):
        return list(pairs)
    return sorted((Pair(name, pair.files) for name, pair in zip(names, pairs, strict=True)), key=_order)


def _order(pair: Pair) -> list[tuple[int, int, str]]:
    return natural(pair.stem)

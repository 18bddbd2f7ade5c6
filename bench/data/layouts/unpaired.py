"""Splits whose two folders share no name: unpaired, as `trainA/` and `trainB/` of horse2zebra.

Each image of one side stands beside one of the other, so that all that reads pairs can read them. Which one
it is means nothing, and nothing may be measured by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.data.layouts.found import Pair
from bench.data.layouts.listing import below, natural
from bench.data.layouts.pairing import UnpairedError, flat, join, need, share_nothing

_TRAIN = "train"


@dataclass(frozen=True)
class Sides:
    """The two folders of a split, and in words what each half's file is called (`pairing.join`)."""

    left: Path
    right: Path
    wanted: tuple[str, str]


@dataclass(frozen=True)
class Joined:
    """The pairs of each split, whether they are none, and what is said of that."""

    splits: dict[str, tuple[Pair, ...]]
    unpaired: bool = False
    notes: tuple[str, ...] = ()


def joined(places: Mapping[str, Sides], root: Path) -> Joined:
    """Pairs by name; where no split has a name in common, images side by side in the order of their names.

    Raises:
        UnpairedError: if only some splits have pairs.
        UsageError: as `need` and `join`.
    """
    files = {split: (below(sides.left), below(sides.right)) for split, sides in places.items()}
    strangers = [split for split, sides in files.items() if share_nothing(*sides)]
    if strangers and len(strangers) < len(files):
        other, sides = next(split for split in files if split not in strangers), places[strangers[0]]
        raise UnpairedError(
            f"expected pairs in all splits or in none, found equal names in split '{other}' and none in "
            f"common in {sides.left} and {sides.right}: name pairs alike"
        )
    if not strangers:
        return Joined(
            {split: need(join(*files[split], sides.wanted), split, root) for split, sides in places.items()}
        )
    made, notes = {}, []
    for split, (left, right) in files.items():
        names = [sorted(side, key=natural) for side in (left, right)]
        lefts, rights = _spread(*names, whole=split == _TRAIN)
        made[split] = need(
            (
                Pair(f"{flat(one, left[one])}+{flat(other, right[other])}", (left[one], right[other]))
                for one, other in zip(lefts, rights, strict=True)
            ),
            split,
            root,
        )
        notes.append(_note(split, places[split], len(left), len(right)))
    return Joined(made, True, tuple(notes))


def _spread(left: list[str], right: list[str], *, whole: bool) -> tuple[list[str], list[str]]:
    """As many of one side as of the other.

    `whole`: all images, those of the shorter side again from the first; else only as many as both have,
    evenly spaced, so that none counts twice.
    """
    if whole:
        count = max(len(left), len(right))
        return [left[i % len(left)] for i in range(count)], [right[i % len(right)] for i in range(count)]
    count = min(len(left), len(right))
    return [left[i * len(left) // count] for i in range(count)], [
        right[i * len(right) // count] for i in range(count)
    ]


def _note(split: str, sides: Sides, left: int, right: int) -> str:
    there = f"unpaired: {left:,} images in {sides.left.name}/, {right:,} in {sides.right.name}/"
    if left == right:
        return there
    if split == _TRAIN:
        return f"{there}; an epoch is one of the longer side, the shorter one is repeated"
    return f"{there}; {min(left, right):,} of each are used, evenly spaced"

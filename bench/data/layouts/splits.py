"""Which folder, file or column value is which split."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from bench.core.errors import UsageError
from bench.data.layouts.found import Pair
from bench.data.layouts.listing import folded
from bench.data.types import DatasetCard

_SYNONYMS = {
    "train": ("training",),
    "test": ("testing",),
    "val": ("valid", "validation", "dev", "eval"),
}
_T = TypeVar("_T")


def names_of(card: DatasetCard, split: str) -> tuple[str, ...]:
    """Names under which a split of `card` may stand, folded, the card's own first."""
    stated = card.splits[split]
    names: dict[str, None] = {}
    for name in (stated,) if isinstance(stated, str) else stated if isinstance(stated, tuple) else ():
        names |= dict.fromkeys((folded(name), *_SYNONYMS.get(folded(name), ())))
    return tuple(names)


def all_names(card: DatasetCard) -> tuple[str, ...]:
    """Every name under which some split of `card` may stand, folded."""
    return tuple(dict.fromkeys(name for split in card.splits for name in names_of(card, split)))


def split_in(card: DatasetCard, name: str) -> str:
    """The name of a split among the words of a file's name, folded: "train" of "pairs_train" or "train-list".

    "" if there is none, or more than one.
    """
    named = {word for word in re.split(r"[\W_]+", folded(name)) if word in all_names(card)}
    return named.pop() if len(named) == 1 else ""


def named_apart(names: Iterable[str]) -> bool:
    """Whether names of splits, found among the words of files' names, are of two splits or more: the name of
    one may be chance."""
    return len({name for name in names if name}) > 1


def assign(card: DatasetCard, lookup: Callable[[str], _T | None], where: str) -> dict[str, tuple[str, _T]]:
    """Split -> (name found, what `lookup` has for it). Each name serves one split, in the card's order.

    Args:
        card: says under which names a split may stand; "train" and "test" are required, others optional.
        lookup: what is there under a folded name, or None.
        where: where that is, for the message.

    Raises:
        UsageError: if a required split is not there.
    """
    chosen: dict[str, tuple[str, _T]] = {}
    for split in card.splits:
        taken = {name for name, _ in chosen.values()}
        for name in names_of(card, split):
            found = lookup(name)
            if found is not None and name not in taken:
                chosen[split] = (name, found)
                break
        if split not in chosen and split in ("train", "test"):
            wanted = " or ".join(f"{name}/" for name in _short(card, split))
            raise UsageError(
                f"expected split '{split}' of {card.name} in {where} as {wanted}, found no such folder or "
                "split"
            )
    return chosen


def _short(card: DatasetCard, split: str) -> Sequence[str]:
    stated = card.splits[split]
    return stated if isinstance(stated, tuple) else (str(stated),)


def told(assigned: Mapping[str, tuple[str, object]]) -> list[str]:
    """A line for each split that stands under another split's name ("val" that serves as the test split)."""
    return [
        f"the {split} split is {name}"
        for split, (name, _) in assigned.items()
        if name != split and name not in _SYNONYMS.get(split, ())
    ]


def every_fifth(pairs: Sequence[Pair], fold: int) -> dict[str, list[Pair]]:
    """One set without splits as two: every `fold`-th pair of the order given is for the test.

    Raises:
        UsageError: if there are too few to leave one for the test.
    """
    if 0 < len(pairs) < fold:
        raise UsageError(
            f"expected {fold} pairs or more where no splits are named, so that every "
            f"{_ORDINALS.get(fold, fold)} is for the test, found {len(pairs)}: name the splits"
        )
    train = [pair for index, pair in enumerate(pairs) if index % fold != fold - 1]
    return {"train": train, "test": list(pairs[fold - 1 :: fold])}


def fold_note(fold: int) -> str:
    """The rule of `every_fifth` in words."""
    return f"no splits are named, so every {_ORDINALS.get(fold, f'{fold}th')} pair is for the test"


_ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}

"""Pairs by name: equal names first, then names without the endings that say which half a file is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.core.errors import UsageError
from bench.data.layouts.found import Pair
from bench.data.layouts.listing import SUFFIXES, natural

ENDINGS = (
    "_leftImg8bit",
    *(f"_gt{kind}_{what}" for kind in ("Fine", "Coarse") for what in ("labelIds", "labelTrainIds", "color")),
    "_source", "_target", "_input", "_output", "_label", "_labels", "_mask", "_image", "_img", "_photo",
    "_sketch", "_edges", "_depth", "_rgb", "_gray", "_real_A", "_real_B", "_A", "_B",
)  # fmt: skip
_LISTED = 5


class UnpairedError(UsageError):
    """Two collections without a name in common, beside others that have some."""


def need(pairs: Iterable[Pair], split: str, folder: Path) -> tuple[Pair, ...]:
    """The pairs, checked: names are unique, and there is at least one.

    Raises:
        UsageError: otherwise.
    """
    seen: dict[str, Pair] = {}
    for pair in pairs:
        if pair.stem in seen:
            raise UsageError(_twice(seen[pair.stem], pair, split, folder))
        seen[pair.stem] = pair
    if not seen:
        raise UsageError(
            f"expected images ({', '.join(SUFFIXES)}) of split '{split}' in {folder}, found none: "
            "fill the folder or choose another --data-root"
        )
    return tuple(seen.values())


def _twice(one: Pair, other: Pair, split: str, where: Path) -> str:
    if one.files[0] != other.files[0]:
        return (
            f"expected one image named '{one.stem}' in split '{split}', found {one.files[0]} and "
            f"{other.files[0]}: rename or remove one"
        )
    same = "with the same partner: remove one row" if one == other else (
        f"beside {one.files[-1].name} and {other.files[-1].name}: add a column 'name' that tells them apart"
    )  # fmt: skip
    return f"expected {one.files[0]} in one pair of split '{split}' of {where}, found it in two, {same}"


def join(left: Mapping[str, Path], right: Mapping[str, Path], wanted: tuple[str, str]) -> list[Pair]:
    """Pairs of the files of equal name; what is left is tried again without `ENDINGS`.

    Args:
        left, right: file by name ("1", or "cats/1" in folders).
        wanted: in words what each half's file is called, with {} for the name.

    Raises:
        UsageError: naming the files without a partner.
    """
    pairs = {name: (left[name], right[name]) for name in left if name in right}
    rest = _bare(left, pairs), _bare(right, pairs)
    pairs |= {
        name: (rest[0][name], rest[1][name]) for name in rest[0] if name in rest[1] and name not in pairs
    }
    used = {file for pair in pairs.values() for file in pair}
    for have, where in ((left, wanted[1]), (right, wanted[0])):
        if alone := [name for name, file in have.items() if file not in used]:
            raise UsageError(_alone(have, alone, where))
    return [Pair(flat(name, pairs[name][0]), pairs[name]) for name in sorted(pairs, key=natural)]


def share_nothing(left: Mapping[str, Path], right: Mapping[str, Path]) -> bool:
    """Whether no file of one has a partner in the other."""
    if not left or not right or left.keys() & right.keys():
        return False
    return not _bare(left, ()).keys() & _bare(right, ()).keys()


def flat(name: str, file: Path) -> str:
    """The name of a pair: its file's stem, or "cats__1" for "cats/1"."""
    if "/" in name:
        return name.replace("/", "__")
    return file.stem if unicodedata.normalize("NFC", file.stem) == name else name


def bare(name: str) -> str:
    """`name` without the ending that says which half it is."""
    for ending in ENDINGS:
        if name.endswith(ending) and name != ending:
            return name.removesuffix(ending)
    return name


def _bare(files: Mapping[str, Path], used: Iterable[str]) -> dict[str, Path]:
    """The files not in `used` by bare name; a bare name that two of them have is left out."""
    done = set(used)
    found: dict[str, Path] = {}
    twice: set[str] = set()
    for name, file in files.items():
        if name in done:
            continue
        short = bare(name)
        if short in found:
            twice.add(short)
        found[short] = file
    return {name: file for name, file in found.items() if name not in twice}


def _alone(have: Mapping[str, Path], alone: list[str], where: str) -> str:
    first = f"expected the other half of {have[alone[0]]} as {where.format(alone[0])}, found no such file"
    if len(alone) == 1:
        return f"{first}: add it or remove the image"
    others = ", ".join(have[name].name for name in alone[1 : 1 + _LISTED])
    more = f" and {len(alone) - 1 - _LISTED} more" if len(alone) > 1 + _LISTED else ""
    return f"{first} ({len(alone)} halves missing: also {others}{more}): add them or remove the images"

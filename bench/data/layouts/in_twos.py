"""Pairs by the ends or starts of their names in one folder, `1_A.png` and `1_B.png`, `0_0.png` and `0_1.png`,
`photo_1.png` and `sketch_1.png`: no layout that is read.

Each file would be cut into halves, or be a plain photo.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.data.layouts.found import Pair
from bench.data.layouts.pairing import ENDINGS

_MOSTLY = 0.9  # share of the files that come in twos of the same ends
_FEWEST = 2  # such twos in all: one may be chance
_HALVES = "|".join([*(ending.lstrip("_") for ending in ENDINGS), "edge", "real", "fake"])
_CUTS = (
    re.compile(r"(?P<name>.*[\W\d_])(?P<end>[^\W\d_]+)"),  # letters at the end: "A" of "1A"
    re.compile(r"(?P<name>.*\d)[\W_](?P<end>[01])"),  # a number of its own: "0" of "17_0"
    re.compile(rf"(?P<end>{_HALVES})[\W_]?(?P<name>\d.*)", re.IGNORECASE),
)


class Two(NamedTuple):
    """The files of one two."""

    first: Path
    second: Path


def in_twos(pairs: Iterable[Pair]) -> Two | None:
    """The first two files that are a pair by name, if nearly all of these files are; else None.

    All twos have the same two ends (or starts), of which one may be empty ("1" and "1_mask").

    Args:
        pairs: one file each, of one split.
    """
    listed = list(pairs)
    return next((two for cut in _CUTS if (two := _in_twos(listed, cut)) is not None), None)


def _in_twos(pairs: Iterable[Pair], cut: re.Pattern[str]) -> Two | None:
    groups: dict[str, list[tuple[str, Path]]] = {}
    for pair in pairs:
        name, end = _cut(pair.stem, cut)
        groups.setdefault(name, []).append((end, pair.files[0]))
    twos = [sorted(group) for group in groups.values() if len(group) == 2]
    kinds = Counter((first, second) for (first, _), (second, _) in twos if first != second)
    ends, count = kinds.most_common(1)[0] if kinds else (("", ""), 0)
    if count < _FEWEST or 2 * count < _MOSTLY * sum(map(len, groups.values())):
        return None
    return next(Two(one, other) for (first, one), (second, other) in twos if (first, second) == ends)


def _cut(stem: str, cut: re.Pattern[str]) -> tuple[str, str]:
    """ "0001_A" as "0001" and "a"; a stem without such an end as it is."""
    match = cut.fullmatch(stem)
    name, end = (match["name"], match["end"]) if match else (stem, "")
    return name.rstrip("_-. ") or stem, end.casefold()

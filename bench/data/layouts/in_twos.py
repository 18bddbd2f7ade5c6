"""Pairs by the ends of their names in one folder, `1_A.png` and `1_B.png`: no layout that is read.

Each file would be cut into halves, or be a plain photo.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.data.layouts.found import Pair

_MOSTLY = 0.9  # share of the files that come in twos of the same ends
_FEWEST = 2  # such twos in all: one may be chance
_END = re.compile(r"(?P<name>.*[\W\d_])(?P<end>[^\W\d_]+)")  # letters at the end: "A" of "1A"


class Two(NamedTuple):
    """The files of one two."""

    first: Path
    second: Path


def in_twos(pairs: Iterable[Pair]) -> Two | None:
    """The first two files that are a pair by name, if nearly all of these files are; else None.

    All twos have the same two ends, of which one may be empty ("1" and "1_mask").

    Args:
        pairs: one file each, of one split.
    """
    groups: dict[str, list[tuple[str, Path]]] = {}
    for pair in pairs:
        name, end = _cut(pair.stem)
        groups.setdefault(name, []).append((end, pair.files[0]))
    twos = [sorted(group) for group in groups.values() if len(group) == 2]
    kinds = Counter((first, second) for (first, _), (second, _) in twos if first != second)
    ends, count = kinds.most_common(1)[0] if kinds else (("", ""), 0)
    if count < _FEWEST or 2 * count < _MOSTLY * sum(map(len, groups.values())):
        return None
    return next(Two(one, other) for (first, one), (second, other) in twos if (first, second) == ends)


def _cut(stem: str) -> tuple[str, str]:
    """ "0001_A" as "0001" and "a"; a stem without an end of letters as it is."""
    match = _END.fullmatch(stem)
    name, end = (match["name"], match["end"]) if match else (stem, "")
    return name.rstrip("_-. ") or stem, end.casefold()

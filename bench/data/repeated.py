"""Pairs that two splits share: then training has seen what is tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from bench.core.files import sha256_file
from bench.data.layouts import Pair


def repeated(splits: Mapping[str, Sequence[Pair]]) -> list[str]:
    """A line for every two splits that share pairs of equal files, whatever their names.

    Only pairs whose files have equal lengths are hashed.
    """
    by_length = {split: _by_length(pairs) for split, pairs in splits.items()}
    said = []
    for one, other in combinations(splits, 2):
        lengths = by_length[one].keys() & by_length[other].keys()
        known = {_content(pair) for length in lengths for pair in by_length[one][length]}
        there = [pair for length in sorted(lengths) for pair in by_length[other][length]]
        if again := [pair for pair in there if _content(pair) in known]:
            said.append(
                f"{len(again):,} of {len(splits[other]):,} pairs of split {other} are in split {one} as "
                f"well, such as {again[0].files[0]}: take them out of one"
            )
    return said


def _by_length(pairs: Sequence[Pair]) -> dict[tuple[int, ...], list[Pair]]:
    found: dict[tuple[int, ...], list[Pair]] = {}
    for pair in pairs:
        found.setdefault(tuple(file.stat().st_size for file in pair.files), []).append(pair)
    return found


def _content(pair: Pair) -> tuple[str, ...]:
    return tuple(sha256_file(file) for file in pair.files)

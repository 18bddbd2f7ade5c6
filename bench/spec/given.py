"""What users give as one word, read: roots of data sets, lengths of training, seeds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.files import named_path


def data_roots(given: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Data set name -> root, from `--data-root` values: NAME=DIR, or one folder for all others.

    A root may be a file: an archive, a list of pairs, a parquet file.

    Raises:
        UsageError: if it does not exist, or two are given for one name.
    """
    roots: dict[str, Path] = {}
    common: Path | None = None
    for value in given:
        name, equals, folder = value.partition("=")
        named = bool(equals) and re.fullmatch(r"[A-Za-z0-9_.+-]+", name) is not None
        path = named_path(folder if named else value)
        if not path.exists():
            raise UsageError(f"expected a folder at --data-root {path}, found none: check the path")
        if named and name not in names:
            raise UsageError(f"--data-root names '{name}', which is not among --dataset {','.join(names)}")
        if (named and name in roots) or (not named and common is not None):
            raise UsageError(f"expected one --data-root for each data set, found another: {value}")
        if named:
            roots[name] = path
        else:
            common = path
    return {name: roots.get(name, common) for name in names if roots.get(name, common)}  # type: ignore[misc]


def parse_lengths(text: str | None) -> tuple[float, ...]:
    """ "2,8,25" as lengths of training.

    Raises:
        UsageError: if it is not a list of numbers above 0, each once.
    """
    try:
        lengths = tuple(float(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        lengths = (math.nan,)
    if not all(0 < length < math.inf for length in lengths) or len(set(lengths)) != len(lengths):
        raise UsageError(f"expected --keep-at such as 2,8,25 (numbers above 0, each once), found '{text}'")
    return lengths


def parse_seeds(text: str) -> tuple[int, ...]:
    """ "0,1,2" or "0-2" as seeds.

    Raises:
        UsageError: if it is neither, or a seed comes twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        if match is None:
            raise UsageError(f"expected --seeds such as 0,1,2 or 0-2, found '{text}'")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first > 999:
            raise UsageError(f"expected a range of at most 1000 rising seeds, found '{part.strip()}'")
        seeds += range(first, last + 1)
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"expected each seed once, found '{text}'")
    return tuple(seeds)

"""Measurements as network images: floats, or 16 bits with a declared range, become 65,536 levels of a range.

A network sees levels as values in [-1, 1]. Its range is declared (`--data-range`, or the card), or for floats
measured on the training images. Values outside are cut to it in what networks see; scores compare with the
values of the files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.core.files import write_text
from bench.data.types import DataRange

TOP = 65535  # the highest level
Ranges = dict[str, tuple[float, float]]
"""Domain -> declared lowest and highest value."""


def is_float(mode: str) -> bool:
    """Whether files of this mode have no range of their own."""
    return mode.startswith("float")


def in_levels(values: NDArray[Any], known: DataRange) -> NDArray[np.uint16]:
    """Values in the files' units as levels, rounded: `known.low` is 0, `known.high` 65,535; cut outside."""
    unit = (values.astype(np.float64) - known.low) / known.width
    return np.rint(TOP * np.clip(unit, 0.0, 1.0)).astype(np.uint16)


def in_units(levels: NDArray[Any], known: DataRange) -> NDArray[np.float32]:
    """The values that levels stand for: the opposite of `in_levels`, within half a level."""
    return (known.low + levels.astype(np.float64) * (known.width / TOP)).astype(np.float32)


def as_compared(levels: NDArray[Any], known: DataRange | None) -> NDArray[Any]:
    """A prediction as scores take it: levels in the units of `known`; anything else as it is."""
    return in_units(levels, known) if known is not None and levels.dtype == np.uint16 else levels


def parse_ranges(given: Sequence[str]) -> Ranges:
    """`DOMAIN=LOW,HIGH` of each.

    Raises:
        UsageError: for any other text, or a range without width.
    """
    found: Ranges = {}
    for text in given:
        domain, _, ends = text.partition("=")
        with suppress(ValueError):
            low, high = (float(end) for end in ends.split(","))
            if domain and domain not in found and math.isfinite(high - low) and low < high:
                found[domain] = low, high
                continue
        raise UsageError(
            f"expected --data-range DOMAIN=LOW,HIGH such as depth=0,80, once each, found '{text}'"
        )
    return found


def check_ranges(ranges: Ranges, domains: Sequence[str], modes: Sequence[str], name: str) -> None:
    """Refuse ranges of domains that are not there, or whose images have one.

    Raises:
        UsageError: naming the domain.
    """
    known = dict(zip(domains, modes, strict=False))
    for domain in ranges:
        if domain not in known:
            raise UsageError(
                f"expected --data-range for a domain of {name} ({', '.join(known)}), found '{domain}'"
            )
        if not is_float(known[domain]) and not known[domain].startswith("16-bit"):
            raise UsageError(
                f"expected 16-bit or float images for --data-range {domain}=..., found {known[domain]} ones, "
                "whose range is 0 to 255: leave it out"
            )


def measured(keep: Path, ends: Callable[[], Sequence[tuple[float, float]]], domain: str) -> DataRange:
    """The range of a domain's training images, from the file `keep` or the lowest and highest of `ends`.

    Raises:
        UsageError: if all values are equal.
    """
    low = high = math.nan
    with suppress(OSError, ValueError, TypeError):
        low, high = map(float, json.loads(keep.read_text(encoding="utf-8")))
    if not low <= high:
        found = ends()
        low, high = min(one for one, _ in found), max(other for _, other in found)
        with suppress(OSError):
            write_text(keep, json.dumps([low, high]))
    if low == high:
        raise UsageError(
            f"expected values of {domain} with a range, found {low:g} everywhere in the training images: "
            f"declare it by --data-range {domain}=LOW,HIGH"
        )
    return DataRange(low, high, "measured on the training images")

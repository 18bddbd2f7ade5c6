"""Whether images use so little of their range that a network sees them as nearly black: label ids, depth."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from bench.core.errors import UsageError
from bench.data.providers import Images

_LOOKED_AT = 5  # images, evenly spaced
_SMALL = 0.25  # of the range
_VOID = 255  # of label ids


def little_used(domains: tuple[str, str], images: Images) -> list[str]:
    """A line for each domain whose gray or 16-bit training images use only the lowest quarter of their range.

    Looks at a few images; one that is damaged is named where all are decoded, not here.
    """
    if images.root is None:
        return []
    said: list[str] = []
    for side, mode in enumerate(images.modes):
        if mode in ("gray", "16-bit", "16-bit colour") and images.ranges[side] is None:
            with suppress(UsageError):
                said += _lines(images, side, domains[side])
    return said


def _lines(images: Images, side: int, domain: str) -> list[str]:
    count = images.splits["train"]
    some = range(0, count, -(-count // _LOOKED_AT))
    seen = [np.unique(images.read("train", index, None)[side].image) for index in some]
    values = np.unique(np.concatenate(seen))
    top = int(np.iinfo(values.dtype).max)
    used = values[values != _VOID] if top == _VOID else values
    if not used.size or not 0 < int(used[-1]) < _SMALL * top:
        return []
    advice = (
        "if they are label ids, a card.toml with classes says so (datasets/README.md)"
        if top == _VOID
        else "networks and figures take the whole range, so they are nearly black there: name theirs by "
        f"--data-range {domain}=LOW,HIGH"
    )
    looked = f"{len(some)} of {count:,} training images looked at"
    return [f"{domain}: values {used[0]} to {used[-1]} of {top} ({looked}); {advice}"]

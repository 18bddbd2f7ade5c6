"""Which half of a pair is which: directions by letter, the check of label maps, and the answer in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.data.layouts.listing import folded
from bench.data.palette import decode_colours, file_values, value_tables
from bench.data.providers import Images
from bench.data.types import VOID, DatasetCard

_LOOK_PX = 256  # every so many pixels of a larger image are looked at
_MOSTLY, _HARDLY = 0.5, 0.2  # share of void pixels in what is no label map, and in what is one


def direction_side(card: DatasetCard, direction: str | None) -> str | None:
    """`direction` in the card's domains: "AtoB" is left to right, as in the released code."""
    left, right = card.domains
    there, back = f"{left}2{right}", f"{right}2{left}"
    if direction is None or direction in (there, back):
        return direction
    return {"atob": there, "btoa": back}.get(direction.casefold(), direction)


def target_side(card: DatasetCard, direction: str | None, source: str) -> int:
    """Which side is the target, 0 or 1, in `direction` (None: the card's) with `source` paired or derived.

    Raises:
        UsageError: for another direction.
    """
    left, right = card.domains
    sides = {f"{left}2{right}": 1, f"{right}2{left}": 0}
    if source != "paired":
        sides |= {f"{source}2{right}": 1, f"{source}2{left}": 0}
    chosen = direction_side(card, direction) or card.direction
    if card.layouts == ("photos",):
        chosen = direction or f"{source}2photo"
        sides = {f"{source}2photo": 1}
    if chosen not in sides:
        raise UsageError(
            f"expected a direction of {card.name} among {', '.join(sides)}, found '{chosen}' (AtoB is left "
            "to right, BtoA right to left)"
        )
    return sides[chosen]


def check_sides(card: DatasetCard, images: Images) -> None:
    """Refuse a data set whose label maps are on the photos' side. Looks at the first pair of the test split.

    Raises:
        UsageError: if the side of the labels is mostly void and the other side is a label map.
    """
    if card.roles.count("labels") != 1 or len(images.modes) != 2:
        return
    labels_side = card.roles.index("labels")
    try:
        sides = images.read("test", 0, None)  # as it is: resizing smoothly makes other values of ids
    except UsageError:
        return  # a damaged image is named where all are read
    labels = sides[labels_side].labels
    if labels is None or (labels == VOID).mean() <= _MOSTLY:
        return
    other = sides[1 - labels_side].image
    step = max(1, max(other.shape) // _LOOK_PX)
    if _void_as_labels(other[::step, ::step], card) >= _HARDLY:
        return
    assert images.found is not None
    names = images.found.halves
    raise UsageError(
        f"expected label maps in {names[labels_side]} and photos in {names[1 - labels_side]} of "
        f"{images.root}, found them the other way round: turn domains and roles in the card, or rename the "
        "two (source/ holds the source of the card's direction; A and the left half are its first domain)"
    )


def _void_as_labels(image: NDArray[Any], card: DatasetCard) -> float:
    """Share of void pixels if `image`, (H, W, C), were a label map of the card; 1 where it cannot be one."""
    if image.dtype != np.uint8 or image.shape[2] not in (1, 3):
        return 1.0
    if image.shape[2] == 3:
        return float((decode_colours(image, card) == VOID).mean())
    train_ids, _, known = value_tables(file_values(card))
    values = image[..., 0]
    return float((train_ids[values] == VOID).mean()) if known[values].all() else 1.0


def sides_in_words(card: DatasetCard, names: tuple[str, str], target_side: int) -> str:
    """ "right half (labels) is the source, left half (photo) the target"."""
    source, target = (_side(card, names, side) for side in (1 - target_side, target_side))
    return f"{source} is the source, {target} the target"


def _side(card: DatasetCard, names: tuple[str, str], side: int) -> str:
    name, domain = names[side], card.domains[side]
    said = domain in ("source", "target") or folded(name.strip("/")) == folded(domain)
    return name if said else f"{name} ({domain})"

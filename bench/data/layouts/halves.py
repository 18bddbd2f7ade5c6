"""Which of two names is the left domain: A and B, source and target, label and img, or a card's own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from bench.data.layouts.listing import folded
from bench.data.types import DatasetCard

# "order": left and right as they stand. "direction": the first is the source of the card's direction.
# "labels": the first holds label maps.
_Rule = Literal["order", "direction", "labels"]
_NAMES: tuple[tuple[str, str, _Rule], ...] = (
    ("source", "target", "direction"),
    ("a", "b", "order"),
    ("src", "tgt", "direction"),
    ("sources", "targets", "direction"),
    ("input", "target", "direction"),
    ("input", "output", "direction"),
    ("inputs", "targets", "direction"),
    ("inputs", "outputs", "direction"),
    ("input", "gt", "direction"),
    ("label", "img", "labels"),
    ("label", "image", "labels"),
    ("labels", "images", "labels"),
    ("labels", "photos", "labels"),
    ("mask", "image", "labels"),
    ("masks", "images", "labels"),
)

_PLAIN = 3  # the card's domains, source and target, A and B: one of two is no accident


def names_in(card: DatasetCard, present: Collection[str]) -> tuple[str, str] | None:
    """The (left, right) names among the folded names `present`: a pair of which both are there.

    Where no pair is whole: the card's domains, source and target, or A and B if one of the two is there, so
    that a message can name the other.
    """
    pairs = _ordered(card)
    for left, right in pairs:
        if left in present and right in present:
            return left, right
    return next((pair for pair in pairs[:_PLAIN] if pair[0] in present or pair[1] in present), None)


def is_whole(names: tuple[str, str] | None, present: Collection[str]) -> bool:
    """Whether both names are there."""
    return names is not None and all(name in present for name in names)


def every_name(card: DatasetCard) -> set[str]:
    """All folded names of halves."""
    return {name for pair in _ordered(card) for name in pair}


def _ordered(card: DatasetCard) -> list[tuple[str, str]]:
    left, right = (folded(domain) for domain in card.domains)
    if card.halves_by_name:
        return [(left, right)]
    return [(left, right), *((b, a) if _turned(card, rule) else (a, b) for a, b, rule in _NAMES)]


def _turned(card: DatasetCard, rule: _Rule) -> bool:
    """Whether the first name of a pair is the card's right domain."""
    source_is_right = card.direction == f"{card.domains[1]}2{card.domains[0]}"
    if rule == "labels" and "labels" in card.roles:
        return card.roles[0] != "labels"
    return source_is_right if rule != "order" else False

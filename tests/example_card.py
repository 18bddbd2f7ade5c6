"""A data set card for tests that need one but read no files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.data.types import DatasetCard

_CARD = DatasetCard(
    name="tiny",
    title="Tiny",
    version="1",
    licence="none",
    homepage="",
    domains=("photo", "labels"),
    roles=("photo", "labels"),
    direction="labels2photo",
    layouts=("pairs",),
    splits={},
    size_px=16,
    how_to_get="",
)


def example_card(**changes: Any) -> DatasetCard:
    """A card of photos and label maps, with `changes`."""
    return replace(_CARD, **changes)

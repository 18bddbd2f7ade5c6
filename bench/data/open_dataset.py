"""Data sets found on disk or generated, and turned to the opposite direction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.core.errors import UsageError
from bench.data.cards import card_names, load_card
from bench.data.dataset import Dataset
from bench.data.derived import DERIVED
from bench.data.locate import locate
from bench.data.measured import Ranges
from bench.data.providers import FileImages, Images, ToyImages
from bench.data.sides import check_sides, target_side
from bench.data.stacked import stacked
from bench.data.types import LabelValues
from bench.data.usable import check_source, check_target, with_label_values, with_ranges


def open_dataset(
    name: str,
    *,
    root: Path | None = None,
    direction: str | None = None,
    source: str = "paired",
    layout: str | None = None,
    label_values: LabelValues | None = None,
    ranges: Ranges | None = None,
) -> Dataset:
    """Find a data set and fix its direction; no image is decoded yet.

    Args:
        name: a card's name, or any name for the user's own folder.
        root: the data set's folder, archive, list or parquet file, or a folder that holds it by name; by
            default `data/NAME`, where `bench data fetch` puts it.
        direction: "<source>2<target>" of the card's domains ("source2target" or "target2source" for own
            folders), or "AtoB" or "BtoA" (A is the left domain); the card's default where None.
        source: "paired", or "gray" or "edges" to derive the source from the target.
        layout: the layout to read, where several fit.
        label_values: what gray label files hold; None: the card's option, or found out.
        ranges: domain -> lowest and highest value of 16-bit or float images, before those of the card.

    Raises:
        UsageError: for an unknown name, direction or source, missing data (the message says where it was
            searched and how to get it), a missing or empty split, or a pair with one half missing.
    """
    if source not in ("paired", *DERIVED):
        raise UsageError(f"expected --source among paired, {', '.join(DERIVED)}, found '{source}'")
    if name in card_names() and load_card(name).layouts == ("embedded",):
        card = load_card(name)
        if label_values is not None:
            raise UsageError(f"expected files with --label-values, found {name}, which has none")
        if ranges:
            raise UsageError(f"expected 16-bit or float files with --data-range, found {name}: leave it out")
        images: Images = ToyImages(card)
    else:
        card, found = locate(name, root, source, direction, layout)
        card = with_ranges(with_label_values(card, label_values), ranges)
        files = FileImages(card, found) if not card.sources else stacked(card, found)
        check_sides(card, files)
        images = files
    target_at = target_side(card, direction, source)
    if source != "paired":
        direction = f"{source}2{card.domains[target_at]}"
    else:
        direction = f"{card.domains[1 - target_at]}2{card.domains[target_at]}"
    dataset = Dataset(card, direction, source, target_at, images)
    check_source(dataset)
    check_target(dataset)
    return dataset


def turned_round(dataset: Dataset) -> Dataset:
    """The same pairs in the opposite direction.

    Raises:
        UsageError: if the source is derived or stacked, or can be no target.
    """
    if dataset.source != "paired":
        raise UsageError(
            f"expected pairs of two domains for the opposite direction, found --source {dataset.source}"
        )
    if dataset.card.sources:
        raise UsageError(f"expected one source for the opposite direction, found {dataset.card.sources}")
    left, _, right = dataset.direction.partition("2")
    turned = replace(dataset, direction=f"{right}2{left}", target_side=1 - dataset.target_side)
    check_target(turned)
    return turned

"""Whether a data set can be used as it is asked for: its options, its source, its target."""

from __future__ import annotations

from dataclasses import replace

from bench.core.errors import UsageError
from bench.data.dataset import Dataset
from bench.data.measured import Ranges
from bench.data.types import DatasetCard, LabelValues


def with_label_values(card: DatasetCard, label_values: LabelValues | None) -> DatasetCard:
    """The card with `label_values` as its option, if that is chosen."""
    if label_values is None:
        return card
    if "labels" not in card.roles:
        raise UsageError(
            f"expected a data set with label maps for --label-values, found {card.name}: a card.toml says "
            "which side they are (datasets/README.md)"
        )
    return replace(card, options=replace(card.options, label_values=label_values))


def with_ranges(card: DatasetCard, ranges: Ranges | None) -> DatasetCard:
    """The card with `ranges` before its own."""
    if not ranges:
        return card
    return replace(card, options=replace(card.options, ranges={**card.options.ranges, **ranges}))


def check_target(dataset: Dataset) -> None:
    """Refuse targets that no prediction can be written as, shown or judged."""
    mode, sides = dataset.target_mode, len(dataset.images.modes)
    if dataset.target_role != "labels" and mode not in ("colour", "gray", "16-bit", "float"):
        domain = dataset.card.domains[dataset.target_side]
        turned = "; as sources they can be used: turn --direction round" if sides == 2 else ""
        raise UsageError(
            f"expected targets of 8 bits in colour or gray, or of 16 bits or floats with one channel, found "
            f"{mode} in {domain} of {dataset.root}: save them so{turned}"
        )


def check_source(dataset: Dataset) -> None:
    """Refuse sources that are not there, or cannot be derived or stacked as asked for."""
    sources = dataset.card.sources
    if sources and (dataset.source != "paired" or dataset.direction != dataset.card.direction):
        raise UsageError(
            f"expected the direction {dataset.card.direction} of {dataset.name}, whose card stacks "
            f"{', '.join(sources)}, found {dataset.direction}: take `sources` out of the card for others"
        )
    if dataset.source == "paired":
        if len(dataset.images.modes) == 1:
            raise UsageError(f"expected pairs in {dataset.root}, found photos: add --source gray or edges")
        return
    if dataset.target_role == "labels":
        raise UsageError(
            f"expected a photo to derive --source {dataset.source} from, found label maps: turn round"
        )
    if dataset.source == "gray" and dataset.target_channels == 1:
        raise UsageError(f"expected colour images for --source gray, found gray ones in {dataset.root}")

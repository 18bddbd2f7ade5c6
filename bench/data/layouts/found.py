"""What a layout finds: the pairs of each split, and in words how they were recognised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.data.types import Layout

LabelValues = Literal["ids", "trainids"]


@dataclass(frozen=True)
class Pair:
    """The files of one pair.

    Attributes:
        stem: the pair's name, unique in the split.
        files: one file (side by side, or a plain photo), or two (left domain, right domain).
    """

    stem: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Found:
    """A data set found on disk.

    Attributes:
        layout: the layout's name.
        root: the folder that holds it, or the list that was given; of an archive or parquet the folder that
            it was unpacked to.
        splits: the pairs of each split, in natural order of their names.
        halves: what the left and the right domain are called there ("A/", "left half", "column imageA").
        why: how the layout was recognised, one line.
        notes: rules that were applied and what was passed over, a line each.
        read_as: what `--layout` calls it, if not `layout` (parquet, written out as files).
        unpaired: the two files of a "pair" have nothing to do with each other (`layouts.unpaired`).
        label_values: what single-channel label maps hold: the card's ids, or train ids.
    """

    layout: Layout
    root: Path
    splits: dict[str, tuple[Pair, ...]]
    halves: tuple[str, str] = ("left half", "right half")
    why: str = ""
    notes: tuple[str, ...] = ()
    label_values: LabelValues = "ids"
    read_as: Layout | None = None
    unpaired: bool = False

    @property
    def chosen_by(self) -> Layout:
        """What `--layout` must say to choose this layout."""
        return self.read_as or self.layout

"""Which columns of a table hold the two halves of a pair, the split, and the name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.core.errors import UsageError
from bench.data.layouts.halves import is_whole, names_in
from bench.data.layouts.listing import folded
from bench.data.types import DatasetCard

_SPLIT = ("split", "subset", "set", "phase", "partition", "fold")
_NAME = ("name", "id", "stem", "key")
_DECORATION = re.compile(r"[ _-]|path|filename|file|image|img|column")


@dataclass(frozen=True)
class Columns:
    """Columns by name.

    Attributes:
        halves: left and right domain, or one column of side-by-side images.
        split: the column that names the split, or None.
        name: the column that names the pair, or None.
        guessed: whether left and right are only the order of the columns.
    """

    halves: tuple[str, ...]
    split: str | None = None
    name: str | None = None
    guessed: bool = False

    @property
    def said(self) -> tuple[str, str]:
        """What the left and the right domain are called."""
        if len(self.halves) == 1:
            return f"left half of column {self.halves[0]}", f"right half of column {self.halves[0]}"
        return f"column {self.halves[0]}", f"column {self.halves[1]}"


def not_read(columns: Columns, images: Sequence[str]) -> list[str]:
    """A line on the columns of images beside those of the two halves."""
    others = [name for name in images if name not in columns.halves]
    return [f"not read: the images in column {', '.join(others)}"] if others else []


def is_split(column: str) -> bool:
    """Whether a column names splits."""
    return folded(column) in _SPLIT


def is_name(column: str) -> bool:
    """Whether a column holds the names of pairs."""
    return folded(column) in _NAME


def choose(card: DatasetCard, names: Sequence[str], images: Sequence[str], where: str) -> Columns:
    """The columns of a table with columns `names`, of which `images` hold images or paths of images.

    Raises:
        UsageError: if neither their names nor their number says which two are a pair.
    """
    others = [name for name in names if name not in images]
    split = min(filter(is_split, others), key=lambda name: _SPLIT.index(folded(name)), default=None)
    named = next((name for name in others if is_name(name)), None)
    if card.halves_by_name:
        _check_names(card, images, where)
    if len(images) == 1:
        _check_alone(card, images[0], names, where)
        return Columns((images[0],), split, named)
    plain = _by_name(images)
    halves = names_in(card, plain)
    if halves is not None and is_whole(halves, plain):
        return Columns((plain[halves[0]], plain[halves[1]]), split, named)
    if len(images) == 2:
        return Columns((images[0], images[1]), split, named, guessed=True)
    raise UsageError(
        f"expected two columns of images in {where}, such as {' and '.join(card.domains)}, found "
        f"{', '.join(images) or 'none'}: name two of them so, or leave the others out"
    )


def _check_names(card: DatasetCard, images: Sequence[str], where: str) -> None:
    """Refuse columns that do not bear the names of the direction asked for."""
    if not is_whole(names_in(card, plain := _by_name(images)), plain):
        raise UsageError(
            f"expected columns of images called {' and '.join(card.domains)} in {where}, as the direction "
            f"names them, found {', '.join(images) or 'none'}: rename them, or say AtoB (the first, or the "
            "left half, is the source) or BtoA"
        )


def _check_alone(card: DatasetCard, image: str, names: Sequence[str], where: str) -> None:
    """Refuse to read the only column of images side by side if another column bears the name of a half."""
    plain = _by_name(names)
    halves = names_in(card, plain)
    if halves is None or not is_whole(halves, plain):
        return
    pair = [plain[half] for half in halves]
    if image in pair:
        (other,) = (name for name in pair if name != image)
        raise UsageError(
            f"expected images in the columns {' and '.join(pair)} of {where}, found none in {other}: store "
            "them there, or give the column another name"
        )


def _by_name(names: Sequence[str]) -> dict[str, str]:
    """Columns by their names, and by what is left of them without words such as "image"; the first counts."""
    named = list(reversed(names))
    return {**{_plain(name): name for name in named}, **{folded(name): name for name in named}}


def _plain(name: str) -> str:
    """ "image_A", "imageA" and "path_a" are "a"; "image" stays."""
    return _DECORATION.sub("", folded(name)) or re.sub(r"[ _-]?(path|filename|file)$", "", folded(name))

"""Finds the layout of a folder, a list, an archive or parquet files, and reads it.

Every layout of the card is tried. One that fits is read; two are named and refused until one is chosen.
A folder that holds nothing but one folder (as archives often do) is looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.core.errors import UsageError
from bench.data.cards import card_names
from bench.data.layouts import folders, lists, official, parquet, unpacked
from bench.data.layouts.found import Found
from bench.data.layouts.listing import has_images, subfolders
from bench.data.types import DatasetCard, Layout

_DEEPEST = 4  # folders within one another that are looked into


class AmbiguousLayoutError(UsageError):
    """Several layouts fit: `layouts` names them."""

    def __init__(self, message: str, layouts: tuple[Layout, ...]) -> None:
        super().__init__(message)
        self.layouts = layouts


@dataclass(frozen=True)
class _Reader:
    """A layout: whether it fits a folder (in words, or None), and how it is read.

    A layout that is `last` is tried only where no other fits.
    """

    fits: Callable[[DatasetCard, Path], str | None]
    collect: Callable[[DatasetCard, Path], Found]
    last: bool = False


def _fits_official(card: DatasetCard, root: Path, layout: Layout = "official") -> str | None:
    kinds = official.kinds_in(card, root)
    if layout == "official":
        return "leftImg8bit/ and label maps" if kinds or official.is_begun(root) else None
    return next((f"leftImg8bit/ and *{kind.end}" for kind in kinds if kind.layout == layout), None)


_READERS: dict[Layout, _Reader] = {
    "official": _Reader(_fits_official, partial(official.collect, layout="official")),
    "prepared": _Reader(folders.fits_folders, folders.collect_folders),
    "folders": _Reader(folders.fits_folders, folders.collect_folders),
    "pairs": _Reader(folders.fits_singles, folders.collect_singles),
    "photos": _Reader(folders.fits_singles, folders.collect_singles),
    "domains": _Reader(folders.fits_domains, folders.collect_domains),
    "suffixed": _Reader(folders.fits_suffixed, folders.collect_suffixed),
    "list": _Reader(lists.fits, lists.collect),
    "cmp": _Reader(folders.fits_cmp, folders.collect_cmp, last=True),
}
for _kind in official.KINDS[1:]:
    _READERS[_kind.layout] = _Reader(
        partial(_fits_official, layout=_kind.layout), partial(official.collect, layout=_kind.layout)
    )


def find(card: DatasetCard, root: Path, layout: str | None = None) -> Found | None:
    """The data set at `root` as one of the card's layouts, read in full; None if it has none of them.

    Args:
        card: its layouts, splits, domains.
        root: a folder, a list of pairs, an archive or a parquet file.
        layout: the layout to read; by default the one that fits.

    Raises:
        AmbiguousLayoutError: if two layouts fit and none is chosen.
        UsageError: if a split of the layout is missing or empty, or a pair lacks a half.
    """
    unpacked.name_origin(root)
    if unpacked.is_archive(root):
        return _unpacked(card, root, layout)
    if root.is_file():
        return _file(card, root, layout)
    broken: list[str] = []
    for _ in range(_DEEPEST):
        broken += lists.passed_over(card, root) if root.is_dir() else []
        if (found := _here(card, root, layout)) is not None:
            return replace(found, notes=(*found.notes, *broken))
        inner = list(subfolders(root).values())
        if len(inner) != 1 or _is_another(card, inner[0]):
            break
        root = inner[0]
    archives = unpacked.archives_in(root) if root.is_dir() and not has_images(root) else []
    return _unpacked(card, archives[0], layout) if len(archives) == 1 else None


def _is_another(card: DatasetCard, folder: Path) -> bool:
    """Whether a folder bears the name of another known data set."""
    return folder.name != card.name and folder.name in card_names()


def entered(place: Path) -> list[Path]:
    """`place` as a folder (an archive unpacked, a file's folder), and the chain of only folders below it."""
    folder = unpacked.archive(place)[0] if unpacked.is_archive(place) else place
    chain = [folder.parent if folder.is_file() else folder]
    while len(chain) <= _DEEPEST and len(inner := list(subfolders(chain[-1]).values())) == 1:
        chain.append(inner[0])
    return chain


def fitting(card: DatasetCard, root: Path) -> dict[Layout, str]:
    """The card's layouts that fit the folder `root`, each with how it is recognised."""
    fits: dict[Layout, str] = {}
    seen: list[_Reader] = []
    for name in card.layouts:
        reader = _READERS.get(name)
        if reader is None or any(one.collect is reader.collect for one in seen):
            continue
        seen.append(reader)
        if (why := reader.fits(card, root)) is not None:
            fits[name] = why
    if "parquet" in card.layouts:
        with nullcontext() if not fits else suppress(UsageError):  # a table that is no set of pairs
            if files := _parquet(card, root):
                fits["parquet"] = str(files[0].relative_to(root)) + _more(files)
    plain = {name: why for name, why in fits.items() if name == "parquet" or not _READERS[name].last}
    return plain or fits


def _here(card: DatasetCard, root: Path, layout: str | None) -> Found | None:
    if not root.is_dir():
        return None
    fits = fitting(card, root)
    chosen = _chosen(card, root, layout, fits)
    if chosen is None:
        if layout == "list" and (broken := lists.passed_over(card, root)):
            raise UsageError(broken[0])
        return None
    if chosen == "parquet":
        return _tables(card, _parquet(card, root), root)
    why = fits.get(chosen) or _READERS[chosen].fits(card, root) or "as chosen"
    found = _READERS[chosen].collect(card, root)
    named = found.layout if chosen.startswith("official") else chosen
    return replace(found, layout=named, why=why)


def _chosen(card: DatasetCard, root: Path, layout: str | None, fits: dict[Layout, str]) -> Layout | None:
    """The layout to read `root` as, or None.

    Raises:
        AmbiguousLayoutError: if several fit and none is chosen.
    """
    if layout is not None:
        readable = [*fits, *(kind.layout for kind in official.kinds_in(card, root) if "official" in fits)]
        if layout in ("pairs", "photos") and "pairs" in card.layouts and folders.may_be_singles(card, root):
            readable.append("pairs")
        return next((name for name in readable if name == layout or _alike(name, layout)), None)
    if len(fits) > 1:
        said = " and ".join(f"{name} ({why})" for name, why in fits.items())
        raise AmbiguousLayoutError(
            f"expected one layout in {root}, found {len(fits)} that fit: {said}: choose one by "
            f"--layout {' or '.join(fits)}",
            tuple(fits),
        )
    return next(iter(fits), None)


def _alike(name: str, layout: str) -> bool:
    """Whether two names are read in one way ("prepared" and "folders", "pairs" and "photos")."""
    one, other = (_READERS.get(each) for each in (name, layout))  # type: ignore[call-overload]
    return one is not None and other is not None and one.collect is other.collect


def _parquet(card: DatasetCard, root: Path) -> list[Path]:
    """The parquet files of `root` that hold images; others, such as annotations, are passed over."""
    return [file for file in parquet.files_in(root) if parquet.columns_of(card, file) is not None]


def _more(files: Sequence[Path]) -> str:
    return f" and {len(files) - 1} more" if files[1:] else ""


def _tables(card: DatasetCard, files: Sequence[Path], root: Path) -> Found | None:
    columns = parquet.columns_of(card, files[0])
    folder, notes = unpacked.tables(card, files, root)
    found = find(replace(card, layouts=_written(card), splits=_SPLITS), folder)
    if found is None or columns is None:
        return None
    why = f"from parquet, {files[0].name}{_more(files)}"
    notes = [*notes, *found.notes]
    return replace(found, why=why, notes=tuple(notes), halves=columns.said, read_as="parquet")


_SPLITS: dict[str, int | str | tuple[str, ...]] = {"train": "train", "test": "test", "val": "val"}


def _written(card: DatasetCard) -> tuple[Layout, ...]:
    """The layouts in which parquet images are written out: those that the card reads again."""
    halves: Layout = "prepared" if "prepared" in card.layouts else "folders"
    return halves, "pairs"


def _unpacked(card: DatasetCard, path: Path, layout: str | None) -> Found | None:
    folder, notes = unpacked.archive(path)
    found, inner = find(card, folder, layout), list(subfolders(folder).values())
    while found is None and len(inner) == 1:  # also into folders that have the name of another data set
        found, inner = find(card, inner[0], layout), list(subfolders(inner[0]).values())
    if found is None and not card.halves_by_name:
        raise UsageError(
            f"expected a data set in {path}, found {_content(folder)}: `bench data info` names the layouts"
        )
    return replace(found, notes=(*notes, *found.notes)) if found is not None else None


def _file(card: DatasetCard, path: Path, layout: str | None) -> Found | None:
    """A list or a parquet file, given itself."""
    if layout not in (None, "list", "parquet"):
        return None
    if path.suffix.lower() == ".parquet":
        if parquet.columns_of(card, path) is None:
            raise UsageError(f"expected columns of images in {path}, found none: export it with its images")
        return _tables(card, [path], path)
    why = lists.fits(card, path)
    return replace(lists.collect(card, path), why=why) if why is not None else None


def _content(folder: Path) -> str:
    """What a folder holds, in words."""
    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in paths)
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return (", ".join(names[:6]) or "nothing") + more


def content_of(card: DatasetCard, place: Path) -> str:
    """What is at `place`, for a message that nothing fits: names, two levels deep at most, and lists of pairs
    that cannot be used."""
    if not place.is_dir():
        return "no folder"
    inner = subfolders(place)
    below = "; ".join(f"in {path.name}/: {_content(path)}" for path in list(inner.values())[:3])
    broken = [line for folder in entered(place) for line in lists.passed_over(card, folder)]
    return "; ".join([_content(place) + (f" ({below})" if below else ""), *broken])

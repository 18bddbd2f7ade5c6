"""Finds the files of a data set: the layout of a folder, and the pairs of each split.

A layout is recognised by its folders and then read strictly: a missing or empty split, or a pair with one
half missing, is an error that names the place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.core.errors import UsageError
from bench.data.types import DatasetCard, Layout

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm",
    ".pnm", ".pfm", ".npy",
)  # fmt: skip
_OFFICIAL = (("leftImg8bit", "_leftImg8bit.png"), ("gtFine", "_gtFine_labelIds.png"))


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
    """A data set found on disk: its layout and the pairs of each split, in natural order of their names."""

    layout: Layout
    root: Path
    splits: dict[str, tuple[Pair, ...]]


def find(card: DatasetCard, root: Path) -> Found | None:
    """The first of the card's layouts that `root` has, read in full; None if it has none of them.

    Raises:
        UsageError: if a split of the layout is missing or empty, or a pair lacks a half.
    """
    for layout in card.layouts:
        if layout in _LAYOUTS:
            there, collect = _LAYOUTS[layout]
            if there(card, root):
                return Found(layout, root, collect(card, root))
    return None


def images(folder: Path) -> list[Path]:
    """Image files of a folder in natural order (2.jpg before 10.jpg), hidden files left out.

    Raises:
        UsageError: if a name is not plain text, or a path is not a file (a pipe, a folder, a broken link).
    """
    files = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return sorted(
        map(_checked, (p for p in files if not p.name.startswith("."))), key=lambda p: natural(p.name)
    )


def _checked(file: Path) -> Path:
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in file.name):
        raise UsageError(f"expected image names without control characters, found {file}: rename it")
    if not file.is_file():
        raise UsageError(f"expected an image at {file}, found something else than a file: remove it")
    return file


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that orders numbers by their value."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts] + [(0, 0, name)]


def halves(card: DatasetCard, folder: Path) -> tuple[str, str] | None:
    """Names of the two folders that hold left and right domain in `folder`, or None."""
    for names in (card.domains, ("source", "target"), ("A", "B")):
        if any((folder / name).is_dir() for name in names):
            return names
    return None


def _candidates(card: DatasetCard, split: str) -> tuple[str, ...]:
    folders = card.splits[split]
    return folders if isinstance(folders, tuple) else (str(folders),)


def _split_folders(card: DatasetCard, root: Path) -> dict[str, Path]:
    """Existing folder of each split; "train" and "test" are required, others optional."""
    folders: dict[str, Path] = {}
    for split in card.splits:
        names = _candidates(card, split)
        existing = [root / name for name in names if (root / name).is_dir()]
        existing = [folder for folder in existing if folder not in folders.values()]
        if existing:
            folders[split] = existing[0]
        elif split in ("train", "test"):
            wanted = " or ".join(f"{name}/" for name in names)
            raise UsageError(
                f"expected split '{split}' of {card.name} in {root}/ as {wanted}, found no such folder"
            )
    return folders


def _need(pairs: Iterable[Pair], split: str, folder: Path) -> tuple[Pair, ...]:
    """The pairs, checked: names are unique, and there is at least one."""
    seen: dict[str, Pair] = {}
    for pair in pairs:
        if pair.stem in seen:
            raise UsageError(
                f"expected one image named '{pair.stem}' in split '{split}', found "
                f"{seen[pair.stem].files[0]} and {pair.files[0]}: rename or remove one"
            )
        seen[pair.stem] = pair
    if not seen:
        raise UsageError(
            f"expected images ({', '.join(SUFFIXES)}) of split '{split}' in {folder}, found none: "
            "fill the folder or choose another --data-root"
        )
    return tuple(seen.values())


def _join(left: Mapping[str, Path], right: Mapping[str, Path], wanted: tuple[str, str]) -> list[Pair]:
    """Pairs by stem; `wanted` says in words what each half's file is called, with {} for the stem."""
    for have, other, where in ((left, right, wanted[1]), (right, left, wanted[0])):
        if alone := [stem for stem in have if stem not in other]:
            raise UsageError(
                f"expected the other half of {have[alone[0]]} as {where.format(alone[0])}, found no such file"
                + (f" ({len(alone)} halves missing)" if len(alone) > 1 else "")
                + ": add it or remove the image"
            )
    return [Pair(stem, (left[stem], right[stem])) for stem in sorted(left, key=natural)]


def _by_stem(files: Iterable[Path], split: str) -> dict[str, Path]:
    pairs = [Pair(path.stem, (path,)) for path in files]
    return {pair.stem: pair.files[0] for pair in (_need(pairs, split, Path()) if pairs else ())}


def _has_images(card: DatasetCard, root: Path) -> bool:
    """Whether a split's folder is in `root` (side-by-side pairs, or plain photos)."""
    return any((root / name).is_dir() for split in card.splits for name in _candidates(card, split))


def _singles(card: DatasetCard, root: Path) -> dict[str, tuple[Pair, ...]]:
    return {
        split: _need((Pair(path.stem, (path,)) for path in images(folder)), split, folder)
        for split, folder in _split_folders(card, root).items()
    }


def _has_halves(card: DatasetCard, root: Path) -> bool:
    folders = (root / name for split in card.splits for name in _candidates(card, split))
    return any(halves(card, folder) for folder in folders)


def _two_folders(card: DatasetCard, root: Path) -> dict[str, tuple[Pair, ...]]:
    splits = {}
    for split, folder in _split_folders(card, root).items():
        names = halves(card, folder) or card.domains
        for name in names:
            if not (folder / name).is_dir():
                raise UsageError(
                    f"expected split '{split}' in {folder}/{names[0]} and {names[1]}, found no {name}/"
                )
        left, right = (_by_stem(images(folder / name), split) for name in names)
        wanted = (f"{folder / names[0]}/{{}}.png (or .jpg)", f"{folder / names[1]}/{{}}.png (or .jpg)")
        splits[split] = _need(_join(left, right, wanted), split, folder)
    return splits


def _is_official(card: DatasetCard, root: Path) -> bool:
    return any((root / tree).is_dir() for tree, _ in _OFFICIAL)


def _glob(folder: Path, end: str) -> list[Path]:
    return [_checked(path) for path in sorted(folder.glob(f"*/*{end}"))]


def _official(card: DatasetCard, root: Path) -> dict[str, tuple[Pair, ...]]:
    (photos, photo_end), (labels, label_end) = _OFFICIAL
    for tree in (photos, labels):
        if not (root / tree).is_dir():
            raise UsageError(
                f"expected {photos}/ and {labels}/ in {root}, found no {tree}/: unpack its archive there"
            )
    splits = {}
    for split, folder in _split_folders(card, root / photos).items():
        left = {p.name.removesuffix(photo_end): p for p in _glob(folder, photo_end)}
        marks = root / labels / folder.name
        right = {p.name.removesuffix(label_end): p for p in _glob(marks, label_end)}
        wanted = (f"{folder}/CITY/{{}}{photo_end}", f"{marks}/CITY/{{}}{label_end}")
        splits[split] = _need(_join(left, right, wanted), split, folder)
    return splits


def _is_cmp(card: DatasetCard, root: Path) -> bool:
    return root.is_dir() and any(p.suffix.lower() in (".jpg", ".png") for p in root.iterdir())


def _cmp(card: DatasetCard, root: Path) -> dict[str, tuple[Pair, ...]]:
    """One flat folder, STEM.jpg + STEM.png; every `cmp_fold`-th of the sorted names is a test pair."""
    files = images(root)
    left = {p.stem: p for p in files if p.suffix.lower() in (".jpg", ".jpeg")}
    right = {p.stem: p for p in files if p.suffix.lower() == ".png"}
    pairs = _join(left, right, (f"{root}/{{}}.jpg", f"{root}/{{}}.png"))
    fold = card.options.cmp_fold
    train = [pair for index, pair in enumerate(pairs) if index % fold != fold - 1]
    return {"train": _need(train, "train", root), "test": _need(pairs[fold - 1 :: fold], "test", root)}


_Collector = tuple[
    Callable[[DatasetCard, Path], bool], Callable[[DatasetCard, Path], dict[str, tuple[Pair, ...]]]
]
_LAYOUTS: dict[Layout, _Collector] = {
    "official": (_is_official, _official),
    "prepared": (_has_halves, _two_folders),
    "folders": (_has_halves, _two_folders),
    "pairs": (_has_images, _singles),
    "photos": (_has_images, _singles),
    "cmp": (_is_cmp, _cmp),
}

"""Layouts of plain folders: side by side, a folder a half, halves outside splits, both in one name, flat.

Each layout has two functions: `fits` says in words how it is recognised (None: it is not this one), and
`collect` reads it strictly: a missing or empty split, or a missing half, is an error that names the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.images import opened
from bench.data.layouts.found import Found, Pair
from bench.data.layouts.halves import every_name, is_whole, names_in
from bench.data.layouts.listing import below, folded, has_images, holds_images, images, natural, subfolders
from bench.data.layouts.pairing import flat, join, need
from bench.data.layouts.splits import all_names, assign, every_fifth, fold_note, told
from bench.data.layouts.unpaired import Sides, joined
from bench.data.types import DatasetCard


def _within(root: Path) -> Callable[[str], Path | None]:
    """Looks a folded relative path up below `root`, in any letter case."""

    def lookup(name: str) -> Path | None:
        folder: Path | None = root
        for part in name.split("/"):
            folder = subfolders(folder).get(part) if folder is not None else None
        return folder

    return lookup


def _present(card: DatasetCard, root: Path) -> Iterator[Path]:
    """The folders of splits in `root`."""
    lookup = _within(root)
    for name in all_names(card):
        if (folder := lookup(name)) is not None:
            yield folder


def _split_folders(card: DatasetCard, root: Path) -> tuple[dict[str, Path], list[str]]:
    assigned = assign(card, _within(root), f"{root}/")
    used = {split: folder for split, (_, folder) in assigned.items()}
    unused = [f"{one.name}/" for one in _present(card, root) if one not in used.values() and has_images(one)]
    return used, [*told(assigned), *_passed(unused)]


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# --- SPLIT/*.jpg: one file a pair, or plain photos -------------------------------------------------


def fits_singles(card: DatasetCard, root: Path) -> str | None:
    for folder in _present(card, root):
        if holds_images(folder):
            return f"images in {folder.name}/"
        if (
            names_in(card, subfolders(folder)) is None
            and has_images(folder)
            and not _are_halves(card, folder)
        ):
            return f"images in folders of {folder.name}/"
    return None


def two_folders(card: DatasetCard, place: Path) -> tuple[str, str] | None:
    """The names of the two folders of images in a split's folder or in `place`; None if it is not two."""
    for folder in (*_present(card, place), place):
        inner = subfolders(folder).items()
        named = [path.name for name, path in inner if name not in all_names(card) and has_images(path)]
        if len(named) == 2:
            return named[0], named[1]
    return None


def _are_halves(card: DatasetCard, folder: Path) -> bool:
    """Whether folders hold images of mostly the same names: halves of unknown order.

    Where a card says which data set this is, images twice as wide as high are side by side all the same.
    """
    inner = [files for path in subfolders(folder).values() if has_images(path) and (files := below(path))]
    if len(inner) < 2:
        return False
    first, names = inner[0], [files.keys() for files in inner]
    if not all(2 * len(one & names[0]) > max(len(one), len(names[0])) for one in names):
        return False
    return set(card.domains) == {"source", "target"} or not _is_twice_as_wide(next(iter(first.values())))


def _is_twice_as_wide(file: Path) -> bool:
    try:
        with opened(file) as image:
            return bool(image.width == 2 * image.height)
    except Exception:  # Pillow raises nearly anything on damaged files, which are named where all are read
        return True


def may_be_singles(card: DatasetCard, root: Path) -> bool:
    """Whether the folders of splits hold images, which `--layout pairs` reads as side by side."""
    return any(has_images(folder) for folder in _present(card, root))


def collect_singles(card: DatasetCard, root: Path) -> Found:
    folders, notes = _split_folders(card, root)
    splits = {}
    for split, folder in folders.items():
        files = below(folder)
        passed = [f"{p.name}/" for p in subfolders(folder).values() if has_images(p)]
        if passed and holds_images(folder):
            notes.append(f"not read: {_listed(passed)} in {folder.name}/, which holds images itself")
        splits[split] = need((Pair(flat(name, file), (file,)) for name, file in files.items()), split, folder)
    return Found("pairs", root, splits, notes=tuple(notes))


# --- SPLIT/A and SPLIT/B -----------------------------------------------------------------------------


def fits_folders(card: DatasetCard, root: Path) -> str | None:
    for folder in _present(card, root):
        present = subfolders(folder)
        names = names_in(card, present)
        if names is not None:
            there = [present[name].name for name in names if name in present]
            return " and ".join(f"{folder.name}/{name}/" for name in there)
    return None


def collect_folders(card: DatasetCard, root: Path) -> Found:
    folders, notes = _split_folders(card, root)
    places: dict[str, Sides] = {}
    said: tuple[str, str] | None = None
    for split, folder in folders.items():
        present = subfolders(folder)
        names = names_in(card, present) or card.domains
        for name in names:
            if name not in present:
                raise UsageError(
                    f"expected split '{split}' in {folder}/{names[0]} and {names[1]}, found no {name}/"
                )
        left, right = present[names[0]], present[names[1]]
        said = said or (f"{left.name}/", f"{right.name}/")
        places[split] = Sides(left, right, _wanted(left, right))
        notes += _others(folder, (*names, *map(folded, card.sources)))
    assert said is not None
    made = joined(places, root)
    notes = list(dict.fromkeys([*notes, *made.notes]))
    return Found("folders", root, made.splits, said, notes=tuple(notes), unpaired=made.unpaired)


def _wanted(left: Path, right: Path) -> tuple[str, str]:
    return f"{left}/{{}}.png (or .jpg)", f"{right}/{{}}.png (or .jpg)"


def _others(folder: Path, used: tuple[str, ...]) -> list[str]:
    """A line on the folders of images beside those that are read."""
    others = [f"{p.name}/" for name, p in subfolders(folder).items() if name not in used and has_images(p)]
    return [f"not read: {_listed(others)} beside them"] if others else []


# --- A/SPLIT and B/SPLIT, or A/ and B/ without splits --------------------------------------------------


def fits_domains(card: DatasetCard, root: Path) -> str | None:
    present = subfolders(root)
    names = names_in(card, present)
    if names is None or not is_whole(names, present):
        return None
    left, right = present[names[0]], present[names[1]]
    if not (has_images(left) and has_images(right)):
        return None
    inner = next((folder.name for folder in _present(card, left)), None)
    return f"{left.name}/{inner}/ and {right.name}/" if inner else f"{left.name}/ and {right.name}/"


def collect_domains(card: DatasetCard, root: Path) -> Found:
    present = subfolders(root)
    names = names_in(card, present)
    assert names is not None
    left, right = present[names[0]], present[names[1]]
    halves = (f"{left.name}/", f"{right.name}/")
    if next(_present(card, left), None) is None:
        pairs = join(below(left), below(right), _wanted(left, right))
        fold = card.options.cmp_fold
        splits = {s: need(part, s, root) for s, part in every_fifth(pairs, fold).items()}
        return Found("domains", root, splits, halves, notes=(fold_note(fold),))
    lefts, notes = _split_folders(card, left)
    also = subfolders(left)
    others = (one for one in _present(card, right) if one.name.casefold() not in also and has_images(one))
    if more := next(others, None):
        raise UsageError(f"expected {more.name}/ in {left} as in {right}, found none: add it, or remove that")
    splits = {}
    for split, folder in lefts.items():
        other = subfolders(right).get(folder.name.casefold())
        if other is None:
            raise UsageError(f"expected {folder.name}/ in {right} as in {left}, found none: add it")
        splits[split] = need(join(below(folder), below(other), _wanted(folder, other)), split, folder)
    return Found("domains", root, splits, halves, notes=tuple(notes))


# --- trainA and trainB, train_A and train_B, train_label and train_img ---------------------------------


def _suffixed(card: DatasetCard, root: Path) -> dict[str, dict[str, Path]]:
    """Split name -> half name -> folder, of folders such as `trainA`."""
    splits = "|".join(sorted(map(re.escape, all_names(card)), key=len, reverse=True))
    halves = "|".join(sorted(map(re.escape, every_name(card)), key=len, reverse=True))
    pattern = re.compile(f"({splits})[ _-]?({halves})")
    found: dict[str, dict[str, Path]] = {}
    for name, folder in subfolders(root).items():
        if match := pattern.fullmatch(name):
            found.setdefault(match[1], {})[match[2]] = folder
    return found


def fits_suffixed(card: DatasetCard, root: Path) -> str | None:
    found = _suffixed(card, root)
    for halves in (found[name] for name in all_names(card) if name in found):
        if names := names_in(card, halves):
            return " and ".join(f"{halves[name].name}/" for name in names if name in halves)
    return None


def collect_suffixed(card: DatasetCard, root: Path) -> Found:
    """Pairs, or unpaired images where no name of one half is in the other."""
    found = _suffixed(card, root)
    assigned = assign(card, lambda name: found.get(name), f"{root}/")
    notes = told(assigned)
    places: dict[str, Sides] = {}
    said: tuple[str, str] | None = None
    for split, (_, halves) in assigned.items():
        names = names_in(card, halves)
        if names is None or not is_whole(names, halves):
            there = ", ".join(f"{folder.name}/" for folder in halves.values())
            raise UsageError(
                f"expected two halves of split '{split}' in {root}, found {there}: add the other"
            )
        left, right = halves[names[0]], halves[names[1]]
        said = said or (f"{left.name}/", f"{right.name}/")
        places[split] = Sides(left, right, _wanted(left, right))
    made = joined(places, root)
    read = {folder for _, halves in assigned.values() for folder in halves.values()}
    others = [f"{p.name}/" for p in subfolders(root).values() if p not in read and has_images(p)]
    assert said is not None
    notes += [*made.notes, *_passed(others)]
    return Found("suffixed", root, made.splits, said, notes=tuple(notes), unpaired=made.unpaired)


def _passed(others: list[str]) -> list[str]:
    return [f"not read: {_listed(others)} beside them"] if others else []


# --- one flat folder: STEM.jpg and STEM.png -------------------------------------------------------------


def fits_cmp(card: DatasetCard, root: Path) -> str | None:
    kinds = {p.suffix.lower() for p in root.iterdir() if not p.name.startswith(".")} if root.is_dir() else ()
    return "STEM.jpg and STEM.png in one folder" if {".jpg", ".png"} & set(kinds) else None


def collect_cmp(card: DatasetCard, root: Path) -> Found:
    """STEM.jpg + STEM.png; every `cmp_fold`-th of the sorted names is a test pair."""
    files = images(root)
    left = {p.stem: p for p in files if p.suffix.lower() in (".jpg", ".jpeg")}
    right = {p.stem: p for p in files if p.suffix.lower() == ".png"}
    pairs = join(left, right, (f"{root}/{{}}.jpg", f"{root}/{{}}.png"))
    fold = card.options.cmp_fold
    splits = {s: need(part, s, root) for s, part in every_fifth(sorted(pairs, key=_by_name), fold).items()}
    return Found("cmp", root, splits, ("STEM.jpg", "STEM.png"), notes=(fold_note(fold),))


def _by_name(pair: Pair) -> list[tuple[int, int, str]]:
    return natural(pair.stem)

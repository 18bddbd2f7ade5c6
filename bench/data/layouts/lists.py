"""Lists of pairs: CSV, TSV, JSON or JSON Lines with two columns of paths, or one of side-by-side images.

Paths are relative to the list's folder. A list that came out of an archive may name nothing outside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.resources import cache_dir
from bench.data.layouts.columns import Columns, choose, is_name, is_split, not_read
from bench.data.layouts.found import Found, Pair
from bench.data.layouts.list_tables import ENDINGS, OtherPurposeError, Row, read_tables
from bench.data.layouts.listing import OTHER_IMAGES, SUFFIXES, checked, folded
from bench.data.layouts.pairing import need
from bench.data.layouts.splits import (
    all_names,
    assign,
    every_fifth,
    fold_note,
    named_apart,
    names_of,
    split_in,
    told,
)
from bench.data.types import DatasetCard

_NOT_LISTS = ("manifest.json", "dataset_infos.json", "package.json")
_LOOKED_AT = 1000  # rows, evenly spaced, whether their images exist


@dataclass(frozen=True)
class _List:
    """One list: its file, its rows, and the split that its own name or a table in it states ("" for none)."""

    file: Path
    split: str
    rows: Sequence[Row]


def fits(card: DatasetCard, root: Path) -> str | None:
    """The lists in `root`, or `root` itself, if the first row names images that are there."""
    named = [one.file.name for one in _lists(card, root)]
    return f"list of pairs {', '.join(dict.fromkeys(named))}" if named else None


def collect(card: DatasetCard, root: Path) -> Found:
    """The pairs of all lists.

    Raises:
        UsageError: naming list and row, if a file is missing or outside the folder; naming a list that has a
            split's name and cannot be read.
    """
    _check_readable(card, root)
    lists = _lists(card, root)
    first = lists[0]
    columns = _columns(card, lists)
    by_split: dict[str, list[tuple[Pair, str]]] = {}
    for one in lists:
        for number, row in enumerate(one.rows, start=1):
            pair = _pair(one.file, number, row, columns)
            split = (folded(row.get(columns.split, "")) if columns.split else "") or one.split
            by_split.setdefault(split, []).append((pair, row.get(columns.name, "") if columns.name else ""))
    named = {split: _named(pairs) for split, pairs in by_split.items()}
    notes = [f"left is column {columns.halves[0]}, as the first of two"] if columns.guessed else []
    notes += not_read(columns, _path_columns(first))
    if set(named) == {""}:
        splits = every_fifth(named[""], card.options.cmp_fold)
        notes.append(fold_note(card.options.cmp_fold))
    else:
        assigned = assign(card, lambda name: named.get(name), str(first.file))
        splits = {split: pairs for split, (_, pairs) in assigned.items()}
        notes += told(assigned)
        used = {name for name, _ in assigned.values()}
        unused = {split: len(pairs) for split, pairs in named.items() if split not in used}
        notes += [
            f"not read: {count:,} rows of " + (f"split '{split}'" if split else "no split")
            for split, count in unused.items()
        ]
    _check_apart(splits, first.file)
    checked_splits = {split: need(pairs, split, first.file) for split, pairs in splits.items()}
    return Found("list", root, checked_splits, columns.said, notes=tuple(notes))


def _check_readable(card: DatasetCard, root: Path) -> None:
    """Refuse a list that cannot be read and has a split's name."""
    apart = named_apart(split_in(card, file.stem) for file in _files(root))
    for file, error in _unreadable(root):
        if folded(file.stem) in all_names(card) or (apart and split_in(card, file.stem)):
            raise error


def _columns(card: DatasetCard, lists: Sequence[_List]) -> Columns:
    """The columns of all lists, by the first of them; a column of splits may be in any."""
    first = lists[0]
    columns = choose(card, _keys(first.rows), _path_columns(first), str(first.file))
    every = dict.fromkeys(name for one in lists for name in _keys(one.rows) if name not in columns.halves)
    named = (name for name in every if is_split(name))
    by_values = (name for name in every if _holds_splits(card, lists, name))
    split = columns.split or next(named, None) or next(by_values, None)
    return replace(columns, split=split)


def _holds_splits(card: DatasetCard, lists: Sequence[_List], column: str) -> bool:
    """Whether a column of any name holds the names of a training and of a test split."""
    values = {folded(row.get(column, "")) for one in lists for row in one.rows}
    return all(values & set(names_of(card, split)) for split in ("train", "test"))


def _keys(rows: Sequence[Row]) -> list[str]:
    """The columns of a table, those that its first row lacks too."""
    kinds = dict.fromkeys(tuple(row) for row in rows)  # most tables have rows of one kind
    return list(dict.fromkeys(name for kind in kinds for name in kind))


def _lists(card: DatasetCard, root: Path) -> list[_List]:
    """The lists in `root` whose first row names images that exist."""
    found: list[_List] = []
    for file in _files(root):
        try:
            tables = read_tables(file)
        except UsageError:
            if root.is_file():
                raise
            continue  # of another purpose, or told of by `passed_over`
        for name, rows in tables.items():
            own = folded(file.stem)
            split = folded(name) or (own if own in all_names(card) else "")
            one = _List(file, split, rows)
            if rows and _path_columns(one):
                found.append(one)
    words = [one.split or split_in(card, one.file.stem) for one in found]
    if named_apart(words):
        found = [replace(one, split=word) for one, word in zip(found, words, strict=True)]
    if root.is_file() and not found:
        raise UsageError(
            f"expected a list of pairs in {root}: two columns of paths to images, relative to {root.parent}, "
            "found none in its first row"
        )
    return found


def _files(root: Path) -> list[Path]:
    """The files in `root`, or `root` itself, that may be lists."""
    if root.is_file():
        files = [root] if root.suffix.lower() in ENDINGS else []
    else:
        files = sorted(p for p in root.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
    return [file for file in files if file.name.lower() not in _NOT_LISTS and not file.name.startswith(".")]


def passed_over(card: DatasetCard, folder: Path) -> list[str]:
    """A line for each file in `folder` that cannot be read, or names images of which none is there."""
    if "list" not in card.layouts:
        return []
    return [*(str(error) for _, error in _unreadable(folder)), *_without_images(card, folder)]


def _without_images(card: DatasetCard, folder: Path) -> Iterator[str]:
    used = {one.file for one in _lists(card, folder)}
    for file in _files(folder):
        if file in used:
            continue
        with suppress(UsageError):  # cannot be read
            for rows in read_tables(file).values():
                named = _named_columns(rows, SUFFIXES) if rows else {}
                if len(named) > 1:
                    first = next(iter(named.values()))
                    yield f"not read: {file}, as none of the images that it names is there, such as {first}"
                    break


def _unreadable(root: Path) -> Iterator[tuple[Path, UsageError]]:
    for file in _files(root):
        try:
            read_tables(file)
        except OtherPurposeError:
            continue
        except UsageError as error:
            yield file, error


def _path_columns(one: _List) -> list[str]:
    """The columns of paths of images: some of their files exist.

    If that is only one, those beside it whose values look like paths count as well (but for names of pairs),
    also those of existing images in a format that is not read: otherwise images whose partners are missing
    would be cut into halves.
    """
    named = _named_columns(one.rows, SUFFIXES)
    some = one.rows[:: -(-len(one.rows) // _LOOKED_AT)]
    there = [name for name in named if any(_path(one.file, row.get(name, "")) for row in some)]
    if len(there) != 1:
        return there
    unread = _named_columns(one.rows, OTHER_IMAGES)
    others = [name for name, value in unread.items() if _path(one.file, value)]
    taken = {*others, *there, *(name for name in named if not is_name(name))}
    return [name for name in _keys(one.rows) if name in taken]


def _named_columns(rows: Sequence[Row], endings: Sequence[str]) -> dict[str, str]:
    """The columns whose first value ends in one of `endings`, with that value."""
    firsts = {name: next((row[name] for row in rows if row.get(name)), "") for name in _keys(rows)}
    return {name: value for name, value in firsts.items() if Path(value).suffix.lower() in endings}


def _pair(file: Path, number: int, row: Row, columns: Columns) -> Pair:
    files = []
    for column in columns.halves:
        value = row.get(column, "")
        path = _path(file, value)
        if path is None:
            raise UsageError(
                f"expected an image at {file.parent / value}, as row {number} of {file} says in column "
                f"{column}, found none: correct the list (paths are relative to its folder)"
            )
        if _is_unpacked(file) and not path.resolve().is_relative_to(file.parent.resolve()):
            raise UsageError(
                f"expected paths inside the archive in {file}, found '{value}' in row {number}: not read"
            )
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"expected images of a format that is read ({', '.join(SUFFIXES)}) in column {column} of "
                f"{file}, found {path}: convert them (floats as TIFF, PFM or .npy)"
            )
        files.append(checked(path))
    return Pair(files[0].stem, tuple(files))


def _check_apart(splits: Mapping[str, Sequence[Pair]], where: Path) -> None:
    """Refuse an image that is listed in two splits: what is tested on would be trained on."""
    seen: dict[Path, str] = {}
    for split, pairs in splits.items():
        for file in {file.resolve() for pair in pairs for file in pair.files}:
            if seen.setdefault(file, split) != split:
                raise UsageError(
                    f"expected each image in one split of {where}, found {file} in {seen[file]} and in "
                    f"{split}: list it once"
                )


def _path(file: Path, value: str) -> Path | None:
    """The file that a list names, with / or (as Windows writes it) a backslash between folders, or None."""
    for spelt in dict.fromkeys((value, value.replace("\\", "/"))):
        with suppress(OSError, ValueError):  # a name that no file can have
            if spelt and (path := file.parent / spelt).is_file():
                return path
    return None


def _is_unpacked(file: Path) -> bool:
    """Whether `file` came out of an archive, so that a stranger wrote it."""
    return file.resolve().is_relative_to((cache_dir() / "unpacked").resolve())


def _named(pairs: Sequence[tuple[Pair, str]]) -> list[Pair]:
    """Pairs under the names that the list gives, else under their stems, else folder and stem."""
    if all(name for _, name in pairs):
        return [Pair(_safe(name), pair.files) for pair, name in pairs]
    stems = [pair.stem for pair, _ in pairs]
    if len(set(stems)) == len(stems):
        return [pair for pair, _ in pairs]
    return [Pair(f"{pair.files[0].parent.name}__{pair.stem}", pair.files) for pair, _ in pairs]


def _safe(name: str) -> str:
    """A name from a table as a file's stem."""
    stem = "".join(letter if letter.isalnum() or letter in "._+-" else "_" for letter in name)
    return stem.lstrip(".")[:120] or "_"

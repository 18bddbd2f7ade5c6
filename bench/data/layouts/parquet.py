"""Hugging Face parquet: two columns of images, or one of side-by-side images, written out once as files.

The split of a file is in its name (`train-00000-of-00004.parquet`) or its folder (`train/0000.parquet`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from bench.core.errors import UsageError
from bench.data.layouts.columns import Columns, choose, is_split, not_read
from bench.data.layouts.listing import folded, natural
from bench.data.layouts.splits import all_names, assign, fold_note, named_apart, split_in, told
from bench.data.types import DatasetCard

_BATCH = 16  # rows in memory at once
_MAX_RATIO = 200  # bytes written for each byte of the files; images are compressed already
_FLOOR = 100 * 10**6
_MAGIC = (
    (b"\x89PNG", ".png"), (b"\xff\xd8", ".jpg"), (b"RIFF", ".webp"), (b"BM", ".bmp"),
    (b"II*\0", ".tif"), (b"MM\0*", ".tif"),
)  # fmt: skip


def files_in(root: Path) -> list[Path]:
    """The parquet files of `root`: itself, or in it and up to three folders below."""
    if root.is_file():
        return [root] if root.suffix.lower() == ".parquet" else []
    found = [path for depth in ("", "*/", "*/*/", "*/*/*/") for path in root.glob(f"{depth}*.parquet")]
    hidden = [path for path in found if any(part.startswith(".") for part in path.relative_to(root).parts)]
    return sorted((p for p in found if p not in hidden and p.is_file()), key=lambda p: natural(str(p)))


def columns_of(card: DatasetCard, file: Path) -> Columns | None:
    """The columns of images in `file`; None if it has none (a table of another purpose)."""
    schema = _schema(file, file.stat().st_mtime_ns)
    images = [one.name for one in schema if _holds_images(one)]
    return choose(card, schema.names, images, str(file)) if images else None


def write_out(card: DatasetCard, files: Sequence[Path], root: Path, into: Path) -> list[str]:
    """Write the images of parquet files as `SPLIT/DOMAIN/NAME.png` (side by side: `SPLIT/NAME.png`).

    The bytes are those in the table. A pair is named as its left image is in the table, if that is a name of
    its own, else by its row. Where all files are of one split, a column that names splits decides; without
    one every fifth pair is for the test.

    Returns:
        The rules that were applied, a line each.

    Raises:
        UsageError: if columns differ between files, a cell is empty, or there is more than `_MAX_RATIO` bytes
            for each byte of the files.
    """
    columns = columns_of(card, files[0])
    assert columns is not None
    by_split = _by_split(card, files, root)
    notes = _not_read(files[0], columns)
    room = max(_FLOOR, _MAX_RATIO * sum(file.stat().st_size for file in files))
    if len(by_split) == 1:
        (parts,) = by_split.values()
        if columns.split is not None and (named := _splits_of_rows(card, parts, columns.split)):
            of_rows, more = named
            _write(card, parts, columns, of_rows.__getitem__, into, room)
            return [*notes, *more]
        fold = card.options.cmp_fold
        of_none = (
            f"column {columns.split} names no split of {', '.join(card.splits)}; " if columns.split else ""
        )
        notes.append(of_none + fold_note(fold))
        _write(card, parts, columns, lambda row: "test" if row % fold == fold - 1 else "train", into, room)
        return notes
    assigned = assign(card, by_split.get, str(root))
    for split, (_, parts) in assigned.items():
        room -= _write(card, parts, columns, lambda _row, split=split: split, into, room)
    return [*notes, *told(assigned)]


def _not_read(file: Path, columns: Columns) -> list[str]:
    """Lines on the columns of images that are no half, and on those of arrays, perhaps meant as images."""
    from pyarrow import types

    schema = [one for one in _schema(file, file.stat().st_mtime_ns) if one.name not in columns.halves]
    images = [one.name for one in schema if _holds_images(one)]
    others = [one for one in schema if one.name not in images]
    arrays = [one.name for one in others if types.is_nested(one.type) or "Array" in str(one.type)]
    said = f"not read: the values in column {', '.join(arrays)}, which are no image files"
    return [*not_read(columns, images), *([said] if arrays else [])]


def _splits_of_rows(
    card: DatasetCard, files: Sequence[Path], column: str
) -> tuple[list[str | None], list[str]] | None:
    """The split of each row by `column` (None: of no split of the card), and the rules that were applied.

    None if the values name no split at all. A split that is missing is an error of `assign`.
    """
    batches = (batch for file in files for batch in _batches(file, [column]))
    cells = (cell for batch in batches for cell in batch[column])
    words = (cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell) for cell in cells)
    values = list(map(folded, words))
    counts = Counter(values)
    if not counts.keys() & set(all_names(card)):
        return None
    assigned = assign(card, lambda name: counts.get(name), f"column {column} of {files[0]}")
    split_of = {name: split for split, (name, _) in assigned.items()}
    unused = {name: count for name, count in counts.items() if name not in split_of}
    passed = [f"not read: {count:,} rows of split '{name}'" for name, count in unused.items()]
    return [split_of.get(value) for value in values], [*told(assigned), *passed]


def _open(file: Path) -> Any:
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(file)
    except Exception as error:  # pyarrow raises nearly anything on damaged files
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"expected a parquet file, found {file} ({said}): get it again") from None


@lru_cache(maxsize=4096)
def _schema(file: Path, _changed: int) -> Any:
    """The columns of a file; kept, as each of many shards is asked for twice."""
    return _open(file).schema_arrow


def _holds_images(column: Any) -> bool:
    """Whether a column holds images; bytes alone are names of splits where the column is called so."""
    return _is_image(column.type) and not (is_split(column.name) and _is_bytes(column.type))


def _is_image(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        names = [kind.field(number).name for number in range(kind.num_fields)]
        return "bytes" in names and _is_bytes(kind.field(names.index("bytes")).type)
    return _is_bytes(kind)


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _by_split(card: DatasetCard, files: Sequence[Path], root: Path) -> dict[str, list[Path]]:
    named: list[tuple[str, str]] = []  # as the name begins or a folder says, and by any word of the name
    for file in files:
        inner = file.relative_to(root) if file != root else Path(file.name)
        first, *_ = re.split(r"[-_.]", folded(file.stem))
        words = [first, *map(folded, inner.parts[-2::-1])]
        sure = next((word for word in words if word in all_names(card)), "")
        named.append((sure, sure or split_in(card, file.stem)))
    by_word = named_apart(word for _, word in named)
    splits: dict[str, list[Path]] = {}
    for file, (sure, word) in zip(files, named, strict=True):
        splits.setdefault(word if by_word else sure, []).append(file)
    return splits


def _write(
    card: DatasetCard, files: Sequence[Path], columns: Columns, split_of: Any, into: Path, room: int
) -> int:
    """Write the rows of one split's files; returns the number of bytes."""
    names = _names(files, columns.halves[0])
    folders = ("",) if len(columns.halves) == 1 else card.domains
    written = 0
    for row, cells in enumerate(_rows(files, columns.halves)):
        if (split := split_of(row)) is None:
            continue
        name = names[row] if names else f"{row:06d}"
        for folder, column, cell in zip(folders, columns.halves, cells, strict=True):
            content = _content(cell)
            if content is None:
                raise UsageError(
                    f"expected an image in row {row} of column {column} in {files[0].parent}, found none"
                )
            written += len(content)
            if written > room:
                raise UsageError(f"expected less data in {files[0]}, found too much for its size: not read")
            to = into / split / folder / f"{name}{_ending(content)}"
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(content)
    return written


def _rows(files: Sequence[Path], columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for file in files:
        held = _open(file).schema_arrow.names
        if missing := [name for name in columns if name not in held]:
            raise UsageError(f"expected column {missing[0]} in {file} as in the first file, found none")
        for batch in _batches(file, columns):
            yield from zip(*(batch[name] for name in columns), strict=True)


def _names(files: Sequence[Path], column: str) -> list[str] | None:
    """The stems that the table gives to the images of `column`, if every row has one of its own."""
    names: list[str] = []
    for file in files:
        schema = _open(file).schema_arrow
        if column not in schema.names or not _has_paths(schema.field(column).type):
            return None
        for batch in _batches(file, [f"{column}.path"]):
            for cell in batch[column]:
                path = cell.get("path") if isinstance(cell, Mapping) else None
                names.append(PurePosixPath(str(path or "").replace("\\", "/")).stem)
    clean = all(0 < len(name) < 200 and name.isprintable() and name[0] != "." for name in names)
    return names if clean and len({folded(name) for name in names}) == len(names) else None


def _batches(file: Path, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """Rows of `file` as values by column, a few at a time."""
    batches = iter(_open(file).iter_batches(batch_size=_BATCH, columns=list(columns)))
    while True:
        try:
            batch = next(batches, None)
            values = (
                None
                if batch is None
                else {name: batch.column(name).to_pylist() for name in batch.schema.names}
            )
        except Exception as error:  # as above
            said = " ".join(str(error).split())[:200]
            raise UsageError(f"expected whole rows in {file}, found damage ({said}): get it again") from None
        if values is None:
            return
        yield values


def _has_paths(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_struct(kind)) and "path" in [kind.field(i).name for i in range(kind.num_fields)]


def _content(cell: Any) -> bytes | None:
    value = cell.get("bytes") if isinstance(cell, Mapping) else cell
    return value if isinstance(value, bytes) and value else None


def _ending(content: bytes) -> str:
    return next((ending for magic, ending in _MAGIC if content.startswith(magic)), ".png")

"""Archives and parquet files, read through a copy in the cache that is made once.

`CACHE/unpacked/KEY/NAME/`; the key names path, size and times of the files. It is safe to delete.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.files import whole_folder, write_bytes
from bench.core.lock import locked
from bench.core.resources import cache_dir
from bench.core.shown_paths import shown, stand_for
from bench.data.archives import extract
from bench.data.cache import digest
from bench.data.layouts import parquet
from bench.data.types import DatasetCard

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_NOT_READ = (".7z", ".7z.001", ".rar", ".tar.zst", ".tzst", ".tar.lz4")
_NOTES = ".notes"
_ORIGIN = "origin"  # beside the unpacked folder: the archive or parquet file, as messages name it


def is_archive(path: Path) -> bool:
    """Whether `path` is a file that is named like an archive, also of a kind that is not read."""
    return path.is_file() and path.name.lower().endswith((*_ENDINGS, *_NOT_READ))


def archives_in(folder: Path) -> list[Path]:
    """The archives in a folder; those of a kind that is not read only where there are no others."""
    found = sorted(path for path in folder.iterdir() if is_archive(path) and not path.name.startswith("."))
    return [path for path in found if path.name.lower().endswith(_ENDINGS)] or found


def archive(path: Path) -> tuple[Path, list[str]]:
    """The folder with the content of an archive, and lines that say so.

    Raises:
        UsageError: if it is of a kind that is not read, damaged, or not safe to unpack
            (`bench.data.archives`), or no room is left.
    """
    if path.name.lower().endswith(_NOT_READ):
        raise UsageError(
            f"expected a zip or tar archive, found {path}, which is not read: unpack it and give the folder, "
            "or make a zip or tar of it"
        )
    folder = _place([path], "archive")
    _make(folder, lambda into: _unpack(path, into))
    _stands_for(folder, path)
    return folder, [f"{path} is read unpacked, from the cache"]


def _stands_for(folder: Path, file: Path) -> None:
    """Let messages of this and other processes name `file` instead of `folder`."""
    name = shown(str(file))  # parquet in an archive: ARCHIVE!FILE
    with suppress(OSError):  # a cache that others filled and this user may only read
        write_bytes(folder.parent / _ORIGIN, os.fsencode(name))
    stand_for(folder, name)


def name_origin(place: Path) -> None:
    """Let messages name the archive or parquet file that `place` came from, if it did: other processes get
    only the folder."""
    for folder in (place, *place.parents):
        origin = folder.parent / _ORIGIN
        if folder.parent.parent == _home() and origin.is_file():
            stand_for(folder, os.fsdecode(origin.read_bytes()))


def tables(card: DatasetCard, files: Sequence[Path], root: Path) -> tuple[Path, list[str]]:
    """The folder with the images of parquet files, and lines that say so.

    Raises:
        UsageError: from `parquet.write_out`, or if there is no room.
    """
    columns = parquet.columns_of(card, files[0])
    by_column = [columns.split] if columns is not None and columns.split is not None else []
    asked = [card.domains, card.splits, card.direction, card.roles, card.options.cmp_fold, *by_column]
    folder = _place(files, asked)

    def write(into: Path) -> None:
        notes = parquet.write_out(card, files, root, into)
        (into / _NOTES).write_text("\n".join(notes), encoding="utf-8")

    _make(folder, write)
    _stands_for(folder, files[0] if len(files) == 1 else root / "*.parquet")
    notes = (folder / _NOTES).read_text(encoding="utf-8").splitlines()
    return folder, [*notes, f"the images of {len(files)} parquet file(s) are read as files, from the cache"]


def _unpack(path: Path, into: Path) -> None:
    extract(path, into)


def _place(files: Sequence[Path], asked: object) -> Path:
    stamps = [
        (str(path.resolve()), held.st_size, held.st_mtime_ns, held.st_ctime_ns)
        for path, held in ((path, path.stat()) for path in files)
    ]
    name = files[0].name.split(".")[0] or "data"
    return _home() / digest([stamps, asked]) / name


def _home() -> Path:
    return cache_dir() / "unpacked"


def _make(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill the new folder `folder`, whole or not at all; does nothing where it exists."""
    try:
        with locked(cache_dir() / "locks" / f"unpacked-{folder.parent.name}.lock"):
            if folder.is_dir():
                return
            with whole_folder(folder) as made:
                fill(made)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(
            f"expected room for unpacked images in {cache_dir()}: {reason}; free some, or set "
            "PIX2PIX_BENCH_CACHE to a folder that can be written"
        ) from None

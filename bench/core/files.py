"""Write files and folders whole or not at all: neither a crash nor a power cut leaves half of one.

Temporary name, fsync, rename, fsync of the folder. The leftovers of a killed process begin with `.tmp-` or
`.partial-` (`leftovers`).
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.core.errors import UsageError

_TEMPORARY, _PARTIAL, _DAMAGED = ".tmp-", ".partial-", ".damaged"
_NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # file systems that sync no folders


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` when the block ends without error."""
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(
        prefix=f"{_TEMPORARY}{path.name[:40]}.", suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        move_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder to fill. It becomes `path` when the block ends without error.

    A folder that already exists at `path` is replaced. After an error the new folder is removed.
    """
    make_folder(path.parent)
    partial = path.with_name(f"{_PARTIAL}{path.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        move_folder(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def named_path(text: str | Path) -> Path:
    """A path that a user typed, with `~` and `~user` replaced by the home folder.

    Raises:
        UsageError: if the user does not exist.
    """
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):
        raise UsageError(
            f"expected a path, found {str(text)!r}: no user of that name has a home folder; "
            "write ./ before it if you mean a file of that name"
        ) from None


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def move_file(finished: Path, path: Path) -> None:
    """Move a finished file to its place. It is on disk before it appears there."""
    _sync(finished)
    finished.replace(path)
    _sync(path.parent)


def move_folder(finished: Path, path: Path) -> None:
    """The same for a folder with its content; `path` must not exist, or must be an empty folder."""
    for folder, _, names in os.walk(finished):
        for name in names:
            if not (file := Path(folder, name)).is_symlink():
                _sync(file)
        _sync(Path(folder))
    finished.rename(path)
    _sync(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; they are on disk when this returns."""
    if folder.is_dir():
        return
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        _sync(made.parent)


def leftovers(folder: Path) -> list[Path]:
    """Unfinished files in `folder`: of killed processes, or of live ones that are still writing."""
    return sorted(filter(is_leftover, folder.glob(".*"))) if folder.is_dir() else []


def is_leftover(path: Path) -> bool:
    """Whether `path` is an unfinished file or folder, which must not be read."""
    return path.name.startswith((_TEMPORARY, _PARTIAL))


def set_aside(path: Path) -> Path:
    """Rename a damaged file: it is no longer used, but can be inspected. Returns its new path."""
    aside = path.with_name(f"{path.name}{_DAMAGED}")
    path.replace(aside)
    _sync(path.parent)
    return aside


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NOT_FOR_FOLDERS):
            raise
    finally:
        os.close(handle)

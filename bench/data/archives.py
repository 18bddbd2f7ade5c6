"""Unpacking archives that came from elsewhere: plain files and folders inside the target, nothing else."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from bench.errors import UsageError

MAX_BYTES = 200 * 10**9
MAX_FILES = 2_000_000
_BLOCK = 1 << 20

# name, "file" | "folder" | what else it is, how to open a file's content, and how far into the archive we are
_Member = tuple[str, str, Callable[[], IO[bytes] | None], int]


def extract(
    archive: Path,
    into: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into the folder `into`, which should be fresh.

    Modes, owners and times of the archive are not taken over. What was unpacked before an error stays:
    unpack into a folder that is thrown away then.

    Args:
        archive: the file.
        into: existing folder.
        max_bytes, max_files: limits on what comes out, in all.
        progress: called with (bytes of the archive so far, of all).

    Returns:
        Number of files written.

    Raises:
        UsageError: if a member is a link or a device, has an absolute name or one with "..", comes twice,
            a limit is passed, or the archive is damaged, empty or of another kind.
    """
    files, room, size = 0, max_bytes, archive.stat().st_size
    try:
        for name, kind, open_member, position in _members(archive):
            target = into / _safe(archive, name, kind)
            if kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            files += 1
            if files > max_files:
                raise UsageError(f"expected at most {max_files:,} files in {archive}, found more: refused")
            room -= _write(archive, open_member(), target, name, room)
            if progress:
                progress(min(position, size), size)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(archive, str(error)) from None
    except (RuntimeError, NotImplementedError) as error:  # zip: encrypted, or an unknown compression
        raise UsageError(f"expected an archive that can be unpacked, found {archive}: {error}") from None
    if not files:
        raise _damaged(archive, "nothing in it")
    return files


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                position = entry.header_offset + entry.compress_size
                yield entry.filename, _zip_kind(entry), partial(zipped.open, entry), position
        return
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as tar:
        for member in tar:
            kind = "file" if member.isreg() else "folder" if member.isdir() else "link or device"
            yield member.name, kind, partial(tar.extractfile, member), raw.tell()


def _zip_kind(entry: zipfile.ZipInfo) -> str:
    """Zip keeps Unix file types in the upper half of `external_attr`."""
    unix_type = (entry.external_attr >> 16) & 0o170000
    if entry.is_dir():
        return "folder"
    return "file" if unix_type in (0, 0o100000) else "link or device"


def _safe(archive: Path, name: str, kind: str) -> PurePosixPath:
    """The member's path below the target folder."""
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    if path.is_absolute() or windows.anchor or ".." in windows.parts or "\0" in name:
        raise UsageError(f"expected names below the top in {archive}, found '{name}': not unpacked")
    if kind not in ("file", "folder") or (kind == "file" and not path.parts):
        raise UsageError(f"expected files and folders in {archive}, found a {kind} '{name}': not unpacked")
    return path


def _write(archive: Path, content: IO[bytes] | None, target: Path, name: str, room: int) -> int:
    if content is None:
        raise _damaged(archive, f"no content for '{name}'")
    written = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with content, target.open("xb") as output:
            while block := content.read(_BLOCK):
                written += len(block)
                if written > room:
                    raise UsageError(
                        f"expected less data in {archive}, found it too large at '{name}': not unpacked"
                    )
                output.write(block)
    except (FileExistsError, NotADirectoryError):
        reason = f"found '{name}' again: not unpacked"
        raise UsageError(f"expected each name once in {archive}, {reason}") from None
    return written


def _damaged(archive: Path, reason: str) -> UsageError:
    return UsageError(
        f"expected a whole tar or zip archive, found {archive} ({reason}): delete it and fetch again"
    )

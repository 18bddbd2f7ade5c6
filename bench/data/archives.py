"""Unpacks archives from untrusted sources: only plain files and folders inside the target folder.

`tarfile` with `filter="data"` and `zipfile` are not enough alone: they overwrite a file if its name comes
twice (or in another letter case), accept line ends and drive letters in names, unpack absolute names
elsewhere than they say, and `tarfile` reads a name of gigabytes into memory.
"""

from __future__ import annotations

import os
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from bench.core.errors import UsageError

MAX_BYTES = 200 * 10**9
MAX_MEMBERS = 1_000_000
MAX_RATIO = 100  # unpacked bytes per archive byte; images hardly shrink, label maps by less than 20
_RATIO_FLOOR = 100 * 10**6  # below this total of bytes the ratio does not matter
_MAX_NAME = 1 << 16  # bytes of a tar member's name or further headers
_NAME_TYPES = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
_BLOCK = 1 << 20


class ArchiveError(UsageError):
    """The archive is damaged, or not safe to unpack."""


def extract(
    archive: Path,
    into: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_members: int = MAX_MEMBERS,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into the folder `into`, which should be fresh.

    Modes, owners and times are not copied. Files unpacked before an error stay: unpack into a folder that you
    delete on error.

    Args:
        archive: the file.
        into: existing folder.
        max_bytes, max_members: limits on the unpacked content; beyond 100 MB also `MAX_RATIO` bytes for
            each byte of the archive.
        progress: called with (bytes of the archive so far, of all).

    Returns:
        Number of files written.

    Raises:
        ArchiveError: if a member is a link or a device, its name is absolute, holds "..", is not plain text
            or comes twice (ignoring letter case), a limit is exceeded, or the archive is damaged, empty or of
            another kind.
        UsageError: if the folder cannot be written.
    """
    size = archive.stat().st_size
    room = min(max_bytes, max(_RATIO_FLOOR, MAX_RATIO * size))
    unpacked = _Unpacked(archive, into, room, max_members)
    try:
        for member in _members(archive):
            unpacked.add(member)
            if progress:
                progress(min(member.position, size), size)
    except UsageError:
        raise
    except OSError as error:
        if error.errno is None:  # not from the system: a damaged gzip or bzip2 stream
            raise _damaged(archive, str(error)) from None
        reason = os.strerror(error.errno)
        raise UsageError(f"cannot unpack {archive} into {into} ({reason}): free room there") from None
    except (RuntimeError, NotImplementedError) as error:  # zip: encrypted, or an unknown compression
        raise ArchiveError(f"expected an archive that can be unpacked, found {archive}: {error}") from None
    except Exception as error:  # tarfile and zipfile raise nearly anything on damaged files
        raise _damaged(archive, str(error) or type(error).__name__) from None
    if not unpacked.files:
        raise _damaged(archive, "nothing in it")
    return unpacked.files


class _Member(NamedTuple):
    """A member: name, kind ("file", "folder" or another), how to read it, where it ends in the archive."""

    name: str
    kind: str
    open: Callable[[], IO[bytes] | None]
    position: int


@dataclass
class _Unpacked:
    """What is unpacked so far, and the limits."""

    archive: Path
    into: Path
    room: int
    members_left: int
    files: int = 0
    _names: dict[str, str] = field(default_factory=dict)  # normalised case and form -> as spelt

    def add(self, member: _Member) -> None:
        """Write one member."""
        self.members_left -= 1
        if self.members_left < 0:
            raise _refused(self.archive, "fewer members", "too many")
        path = _safe(self.archive, member.name, member.kind)
        for part in (path, *path.parents[:-1]):
            # On some file systems names that differ only in case or form are one file.
            folded = unicodedata.normalize("NFC", str(part)).casefold()
            if self._names.setdefault(folded, str(part)) != str(part):
                raise _refused(self.archive, "each name once", f"'{member.name}' again")
        try:
            if member.kind == "folder":
                (self.into / path).mkdir(parents=True, exist_ok=True)
                return
            self.files += 1
            self.room -= _write(self.archive, member, self.into / path, self.room)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise _refused(self.archive, "each name once", f"'{member.name}' again") from None


class _Header(tarfile.TarInfo):
    """A tar header that reads further headers (long names) into memory only if they are small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _NAME_TYPES and not 0 <= header.size <= _MAX_NAME:
            raise ArchiveError(f"expected names of files, found one of {header.size:,} bytes: not unpacked")
        return header


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                position = entry.header_offset + entry.compress_size
                yield _Member(entry.filename, _zip_kind(entry), partial(zipped.open, entry), position)
        return
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*", tarinfo=_Header) as tar:
        while (member := tar.next()) is not None:
            kind = "file" if member.isreg() else "folder" if member.isdir() else "link or device"
            yield _Member(member.name, kind, partial(tar.extractfile, member), raw.tell())
            tar.members.clear()  # type: ignore[attr-defined]  # else all headers would stay in memory


def _zip_kind(entry: zipfile.ZipInfo) -> str:
    """Zip keeps Unix file types in the upper half of `external_attr`."""
    unix_type = (entry.external_attr >> 16) & 0o170000
    if entry.is_dir():
        return "folder"
    return "file" if unix_type in (0, 0o100000) else "link or device"


def _safe(archive: Path, name: str, kind: str) -> PurePosixPath:
    """The member's path below the target folder."""
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    if path.is_absolute() or windows.anchor or ".." in windows.parts:
        raise _refused(archive, "names below the top", f"'{name}'")
    if not name.isprintable() or any(len(part.encode()) > 255 for part in path.parts) or len(name) > 1024:
        raise _refused(archive, "names of plain text", f"'{name[:80]}'")
    if kind not in ("file", "folder") or (kind == "file" and not path.parts):
        raise _refused(archive, "files and folders", f"a {kind} '{name}'")
    return path


def _write(archive: Path, member: _Member, target: Path, room: int) -> int:
    content = member.open()
    if content is None:
        raise _damaged(archive, f"no content for '{member.name}'")
    written = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("xb") as output:
        while block := content.read(_BLOCK):
            written += len(block)
            if written > room:
                raise _refused(archive, "less data", f"it too large at '{member.name}'")
            output.write(block)
    return written


def _refused(archive: Path, expected: str, found: str) -> ArchiveError:
    return ArchiveError(f"expected {expected} in {archive}, found {found}: not unpacked")


def _damaged(archive: Path, reason: str) -> ArchiveError:
    return ArchiveError(f"expected a whole tar or zip archive, found {archive} ({reason}): fetch it again")

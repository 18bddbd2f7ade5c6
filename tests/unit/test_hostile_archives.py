"""Archives that mean harm: bombs, collisions, names that are none, and what else `test_fetch.py` has not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.core.errors import UsageError
from bench.data import archives
from bench.data.archives import ArchiveError, extract


def tar(entries: list[tuple[str, bytes]], kind: bytes = tarfile.REGTYPE) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, len(content)
            made.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return held.getvalue()


def refused(tmp_path: Path, content: bytes, said: str, **limits: int) -> None:
    """Refused in one line that names the archive, quickly and in little memory; nothing outside `into`."""
    archive, into = tmp_path / "evil.archive", tmp_path / "into"
    archive.write_bytes(content)
    into.mkdir()
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(ArchiveError, match=said) as caught:
        extract(archive, into, **limits)
    assert time.process_time() - began < 5
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
    assert str(caught.value).isprintable()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.archive", "into"]


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lambda content: lzma.compress(content, preset=0),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_a_small_archive_that_becomes_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packer: str
) -> None:
    monkeypatch.setattr(archives, "_RATIO_FLOOR", 10**6)
    bomb = PACKERS[packer](tar([("zeros", bytes(20_000_000))]))
    assert len(bomb) * archives.MAX_RATIO < 20_000_000
    refused(tmp_path, bomb, "too large at 'zeros'")
    assert sum(path.stat().st_size for path in (tmp_path / "into").iterdir()) < 4_000_000


def test_a_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_RATIO_FLOOR", 10**6)
    refused(tmp_path, zipped([("zeros", bytes(20_000_000))]), "too large")


def test_a_sparse_file_counts_with_its_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_RATIO_FLOOR", 10**6)
    header = bytearray(tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = b"%011o\0%011o\0" % (0, 0)  # one empty piece
    header[483:495] = b"%011o\0" % (7 * 10**9)  # the real size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    refused(tmp_path, bytes(header) + bytes(1024), "too large")


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE]
)
def test_a_name_of_gigabytes_is_not_read(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = kind, 2 * 10**9
    refused(tmp_path, gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(10**6)), "2,000,000,000 bytes")


def test_folders_count_as_members(tmp_path: Path) -> None:
    many = tar([(f"d{i}", b"") for i in range(50)], tarfile.DIRTYPE)
    refused(tmp_path, many, "too many", max_members=40)


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
@pytest.mark.parametrize(
    "names",
    [("a.png", "a.png"), ("a.png", "A.PNG"), ("d/a", "D/b"), ("é", "e\u0301"), ("a", "a/b"), ("a/b", "a")],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_collide_here_or_elsewhere(
    tmp_path: Path, pack: Callable[[list[tuple[str, bytes]]], bytes], names: tuple[str, str]
) -> None:
    refused(tmp_path, pack([(name, b"x") for name in names]), "each name once")


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[2Jb", "x" * 300, "d/" * 600 + "x", "..", "a/..", "/", "\\\\host\\x", "c:x", "a\r"]
)
def test_names_that_are_none(
    tmp_path: Path, pack: Callable[[list[tuple[str, bytes]]], bytes], name: str
) -> None:
    refused(tmp_path, pack([(name, b"x")]), r"evil\.archive")


def test_names_with_spaces_dashes_and_accents_are_unpacked(tmp_path: Path) -> None:
    for number, pack in enumerate((tar, zipped)):
        names = {"-rf", "a b.png", "straße/ü.png", "日本.png", " lead"}
        (tmp_path / "made").write_bytes(pack([(name, b"x") for name in names]))
        into = tmp_path / str(number)
        into.mkdir()
        assert extract(tmp_path / "made", into) == 5
        found = {path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()}
        assert found == names


def test_a_folder_twice_is_no_collision(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "made", "w") as made:
        for name, kind in (("d", tarfile.DIRTYPE), ("./d", tarfile.DIRTYPE), ("d/a", tarfile.REGTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type = kind
            made.addfile(entry, io.BytesIO())
    (tmp_path / "into").mkdir()
    assert extract(tmp_path / "made", tmp_path / "into") == 1


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path) -> None:
    whole = bytearray(zipped([("a", bytes(100_000))]))
    place = whole.index(b"PK\x01\x02")
    struct.pack_into("<I", whole, place + 24, 10)
    refused(tmp_path, bytes(whole), "whole tar or zip")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    whole = bytearray(zipped([("a", b"secret")]))
    whole[6] |= 1
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    refused(tmp_path, bytes(whole), "encrypted|password")


def test_a_disk_that_is_full_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "made").write_bytes(tar([("a", b"x")]))
    monkeypatch.setattr(archives, "_write", full)
    with pytest.raises(UsageError, match="No space left") as caught:
        extract(tmp_path / "made", tmp_path)
    assert not isinstance(caught.value, ArchiveError)

"""Downloads against a server on this machine, and archives that mean harm."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_server import serving
from PIL import Image

from bench.core.errors import UsageError
from bench.data.acquire import weights as weights_module
from bench.data.acquire.download import fetch_file, recorded_hash
from bench.data.acquire.fetch import fetch
from bench.data.acquire.weights import fetch_inception, find_inception, weights_digest
from bench.data.archives import extract
from bench.data.cards import make_card
from bench.data.layouts import find
from bench.data.types import Archive, DatasetCard, Mirror

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Server:
    """What the server does, request by request, and what it was asked.

    `faults` are used up one a request: a status to answer with, or ("cut", n) to hang up after n bytes.
    """

    body: bytes = BODY
    etag: str = '"one"'
    ranges: bool = True
    faults: list[int | tuple[str, int]] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()

    def answer(to: BaseHTTPRequestHandler) -> None:
        wanted = to.headers.get("Range")
        state.asked.append(wanted)
        fault = state.faults.pop(0) if state.faults else None
        if isinstance(fault, int):
            to.send_error(fault)
            return
        first = 0
        if wanted and state.ranges and to.headers.get("If-Range") == state.etag:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if first >= len(state.body):
                to.send_error(416)
                return
            to.send_response(206)
            to.send_header("Content-Range", f"bytes {first}-{len(state.body) - 1}/{len(state.body)}")
        else:
            to.send_response(200)
        to.send_header("ETag", state.etag)
        to.send_header("Content-Length", str(len(state.body) - first))
        to.end_headers()
        end = first + fault[1] if fault else len(state.body)
        to.wfile.write(state.body[first:end])

    with serving(answer) as address:
        state.url = f"{address}/file.bin"
        yield state


def get(server: Server, to: Path, **options: object) -> Path:
    return fetch_file(server.url, to, backoff=0.01, timeout=5, **options)  # type: ignore[arg-type]


# --- files ----------------------------------------------------------------------------------------


def test_a_file_comes_whole_and_its_hash_is_recorded(server: Server, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    file = get(server, tmp_path / "deep" / "file.bin", progress=lambda *step: steps.append(step))
    assert file.read_bytes() == BODY
    assert recorded_hash(file) == SHA256
    assert (tmp_path / "deep" / "file.bin.sha256").read_text() == f"{SHA256}  file.bin\n"
    assert steps[-1] == (len(BODY), len(BODY))
    assert sorted(p.name for p in file.parent.iterdir()) == ["file.bin", "file.bin.sha256"]


def test_what_is_there_is_not_downloaded_again(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path / "file.bin")
    get(server, tmp_path / "file.bin", sha256=SHA256.upper())
    assert len(server.asked) == 1
    (tmp_path / "file.bin").write_bytes(b"changed")
    with pytest.raises(UsageError, match="delete"):
        get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == b"changed"


def test_a_recorded_hash_is_required_from_then_on(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path / "file.bin").unlink()
    server.body = BODY[::-1]
    with pytest.raises(UsageError, match=SHA256):
        get(server, tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()
    assert recorded_hash(tmp_path / "file.bin") == SHA256


def test_a_wrong_pinned_hash_keeps_nothing(server: Server, tmp_path: Path) -> None:
    for pinned in ({"sha256": "0" * 64}, {"sha256_prefix": "ffffffff"}):
        with pytest.raises(UsageError, match=r"expected (a )?sha256"):
            get(server, tmp_path / "file.bin", **pinned)
    assert list(tmp_path.iterdir()) == []
    assert get(server, tmp_path / "file.bin", sha256_prefix=SHA256[:8].upper()).read_bytes() == BODY


def test_a_broken_transfer_is_resumed_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.faults = [("cut", 300_000)]
    assert get(server, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    assert server.asked == [None, "bytes=300000-"]


def test_the_next_call_goes_on_with_what_came(server: Server, tmp_path: Path) -> None:
    server.faults = [("cut", 200_000)]
    with pytest.raises(UsageError, match=r"200,000 of 1,024,000 bytes"):
        get(server, tmp_path / "file.bin", retries=0)
    assert (tmp_path / "file.bin.part").stat().st_size == 200_000
    assert not (tmp_path / "file.bin").exists()
    assert get(server, tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked[-1] == "bytes=200000-"
    assert not (tmp_path / "file.bin.part").exists()


@pytest.mark.parametrize("change", ["another version", "no ranges"])
def test_a_part_that_cannot_be_continued_starts_anew(server: Server, tmp_path: Path, change: str) -> None:
    server.faults = [("cut", 200_000)]
    with pytest.raises(UsageError):
        get(server, tmp_path / "file.bin", retries=0)
    if change == "no ranges":
        server.ranges = False
    else:
        server.body, server.etag = BODY[::-1], '"two"'
    assert get(server, tmp_path / "file.bin").read_bytes() == server.body


def test_a_part_longer_than_the_file_starts_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY + b"more")
    (tmp_path / "file.bin.part.of").write_text(server.etag)
    assert get(server, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    assert len(server.asked) == 2


def test_a_server_in_trouble_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.faults = [503, 500]
    assert get(server, tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.asked) == 3


def test_not_found_is_final(server: Server, tmp_path: Path) -> None:
    server.faults = [404, 404]
    with pytest.raises(UsageError, match="HTTP 404") as caught:
        get(server, tmp_path / "file.bin")
    assert len(server.asked) == 1
    assert server.url in str(caught.value)
    assert str(tmp_path / "file.bin") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_offline_says_host_address_and_what_to_do(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        fetch_file("http://127.0.0.1:9/x.bin", tmp_path / "x.bin", retries=1, backoff=0.01, timeout=2)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in ("http://127.0.0.1:9/x.bin", "by hand", str(tmp_path / "x.bin")))


def test_file_addresses_work_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "from.bin").write_bytes(BODY)
    assert (
        fetch_file((tmp_path / "from.bin").as_uri(), tmp_path / "to.bin", sha256=SHA256).read_bytes() == BODY
    )
    with pytest.raises(UsageError, match="cannot download"):
        fetch_file((tmp_path / "absent.bin").as_uri(), tmp_path / "other.bin")
    with pytest.raises(UsageError, match="http, https or file"):
        fetch_file("ftp://127.0.0.1/x", tmp_path / "x")


def test_a_damaged_record_is_not_passed_over(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.sha256").write_text("rubbish\n")
    with pytest.raises(UsageError, match="expected a sha256 in"):
        get(server, tmp_path / "file.bin")
    assert server.asked == []


# --- archives ---------------------------------------------------------------------------------------


def tar_of(path: Path, entries: dict[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in entries.items():
            if isinstance(content, bytes):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            else:
                tar.addfile(content)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


EVIL: dict[str, dict[str, bytes | tarfile.TarInfo]] = {
    "traversal": {"a/../../evil": b"x"},
    "absolute": {"/tmp/evil-by-test": b"x"},
    "windows": {"C:\\evil": b"x"},
    "backslash": {"..\\evil": b"x"},
    "symlink": {"link": special("link", tarfile.SYMTYPE, "/etc")},
    "hard link": {"link": special("link", tarfile.LNKTYPE, "/etc/passwd")},
    "device": {"null": special("null", tarfile.CHRTYPE)},
    "fifo": {"pipe": special("pipe", tarfile.FIFOTYPE)},
    "file as folder": {"a": b"x", "a/b": b"y"},
}


@pytest.mark.parametrize("case", EVIL)
def test_evil_archives_are_refused(tmp_path: Path, case: str) -> None:
    archive = tar_of(tmp_path / "evil.tar.gz", {"good": b"g", **EVIL[case]})
    into = tmp_path / "into" / "deep"
    into.mkdir(parents=True)
    with pytest.raises(UsageError, match=r"evil\.tar\.gz"):
        extract(archive, into)
    assert not any(p.is_symlink() for p in into.rglob("*"))
    assert {p.name for p in tmp_path.rglob("*")} <= {"evil.tar.gz", "into", "deep", "good", "a"}


def test_limits_on_size_and_number(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "big.tar.gz", {"a": bytes(1000), "b": bytes(1000)})
    for limit in ({"max_bytes": 1999}, {"max_members": 1}):
        into = tmp_path / str(limit)
        into.mkdir()
        with pytest.raises(UsageError, match=r"big\.tar\.gz"):
            extract(archive, into, **limit)
    (tmp_path / "enough").mkdir()
    assert extract(archive, tmp_path / "enough", max_bytes=2000, max_members=2) == 2


def test_zip_archives_are_unpacked_and_checked(tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    with zipfile.ZipFile(tmp_path / "good.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("set/train/1.txt", "one")
    assert extract(tmp_path / "good.zip", into) == 1
    assert (into / "set/train/1.txt").read_text() == "one"
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    for name, entry in (("link.zip", link), ("up.zip", zipfile.ZipInfo("../evil"))):
        with zipfile.ZipFile(tmp_path / name, "w") as zipped:
            zipped.writestr(entry, "/etc")
        with pytest.raises(UsageError, match=name):
            extract(tmp_path / name, into)


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_damaged_archive_is_named(tmp_path: Path, keep: int) -> None:
    whole = tar_of(tmp_path / "whole.tar.gz", {"a": hashlib.shake_128(b"seed").digest(5000)})
    (tmp_path / "cut.tar.gz").write_bytes(whole.read_bytes()[:keep])
    (tmp_path / "into").mkdir()
    with pytest.raises(UsageError, match=r"cut\.tar\.gz"):
        extract(tmp_path / "cut.tar.gz", tmp_path / "into")


# --- data sets ----------------------------------------------------------------------------------------


def card_with(*urls: str) -> DatasetCard:
    return make_card(
        {
            "name": "streets",
            "title": "Streets",
            "version": "1",
            "licence": "none",
            "homepage": "",
            "domains": ["a", "b"],
            "roles": ["photo", "image"],
            "direction": "a2b",
            "layouts": ["pairs"],
            "splits": {"train": "train", "test": "val"},
            "size_px": 64,
            "how_to_get": "ask its authors",
            "urls": [{"url": url} for url in urls],
        }
    )


def test_a_data_set_is_fetched_unpacked_and_its_hash_kept(server: Server, tmp_path: Path) -> None:
    content: dict[str, bytes | tarfile.TarInfo] = {"streets/train/1.jpg": b"1", "streets/val/2.jpg": b"2"}
    server.body = tar_of(tmp_path / "made.tar.gz", content).read_bytes()
    address = server.url.replace("file.bin", "streets.tar.gz")
    steps: list[tuple[int, int]] = []
    got = fetch(card_with(address), tmp_path / "data", progress=lambda *step: steps.append(step))
    folder = got.folder
    assert (got.took, got.notes) == ("its own archives", ())
    assert got.hashes == {address: hashlib.sha256(server.body).hexdigest()}
    assert folder == tmp_path / "data" / "streets"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg")) == [
        "train/1.jpg",
        "val/2.jpg",
    ]
    kept = sorted(p.name for p in (tmp_path / "data").rglob("*") if p.is_file() and folder not in p.parents)
    assert kept == ["streets.tar.gz.sha256"]
    assert all(done <= total for done, total in steps)
    with pytest.raises(UsageError, match="missing or empty"):
        fetch(card_with(address), tmp_path / "data")


def mirrored(server: Server, *files: str) -> DatasetCard:
    """A card whose own address answers 404, with two mirrors: one that is gone, and one with `files`."""
    here = server.url.removesuffix("/file.bin")
    gone = Mirror("a mirror that is gone", (Archive(f"{here}/gone.zip"),))
    there = Mirror("a copy", tuple(Archive(f"{here}/{name}") for name in files), "other splits")
    return replace(card_with(f"{here}/streets.tar.gz"), mirrors=(gone, there))


def test_mirrors_are_tried_in_order_and_the_answer_says_which(server: Server, tmp_path: Path) -> None:
    server.body = tar_of(tmp_path / "made.tar.gz", {"train/1.jpg": b"1", "val/2.jpg": b"2"}).read_bytes()
    server.faults = [404, 404]
    got = fetch(mirrored(server, "copy.tar.gz"), tmp_path / "data")
    assert got.took == "a copy"
    assert [note.split(":")[0] for note in got.notes] == [
        "its own archives",
        "a mirror that is gone",
        "a copy",
    ]
    assert "HTTP 404" in got.notes[0]
    assert got.notes[2] == "a copy: other splits"
    record = tmp_path / "data" / ".downloads" / "streets" / "copy.tar.gz.sha256"
    assert record.read_text().split()[0] == next(iter(got.hashes.values()))
    shutil.rmtree(got.folder)
    server.body = tar_of(tmp_path / "made.tar.gz", {"train/1.jpg": b"other", "val/2.jpg": b"2"}).read_bytes()
    server.faults = [404, 404]
    with pytest.raises(UsageError, match="expected sha256"):
        fetch(mirrored(server, "copy.tar.gz"), tmp_path / "data")
    assert not got.folder.exists()


def test_parquet_of_a_mirror_is_kept_as_it_is_and_read(server: Server, tmp_path: Path, cache: Path) -> None:
    image = {"bytes": (png := png_bytes()), "path": None}
    table = pa.table({"imageA": [image] * 6, "imageB": [image] * 6})
    pq.write_table(table, tmp_path / "made.parquet")
    server.body = (tmp_path / "made.parquet").read_bytes()
    server.faults = [404, 404]
    card = replace(mirrored(server, "train-00000-of-00001.parquet"), layouts=("pairs", "parquet"))
    got = fetch(card, tmp_path / "data")
    assert (got.folder / "train-00000-of-00001.parquet").read_bytes() == server.body
    found = find(card, got.folder)
    assert found is not None
    assert {split: len(pairs) for split, pairs in found.splits.items()} == {"train": 5, "test": 1}
    assert found.splits["test"][0].stem == "000004"
    assert found.splits["test"][0].files[1].read_bytes() == png


def test_an_error_page_for_parquet_is_refused_and_sets_no_hash(server: Server, tmp_path: Path) -> None:
    server.body, server.faults = b"<html>log in</html>", [404, 404]
    with pytest.raises(UsageError, match="expected a parquet file"):
        fetch(mirrored(server, "train-00000-of-00001.parquet"), tmp_path / "data")
    kept = [path.name for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert kept == []


def test_no_place_left_names_all_of_them(server: Server, tmp_path: Path) -> None:
    server.faults = [404, 404, 404]
    with pytest.raises(UsageError, match="from any of 3 places") as caught:
        fetch(mirrored(server, "copy.tar.gz"), tmp_path / "data")
    assert all(part in str(caught.value) for part in ("streets.tar.gz", "gone.zip", "copy.tar.gz"))


def png_bytes() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(out, format="PNG")
    return out.getvalue()


def test_an_evil_data_set_leaves_no_folder(server: Server, tmp_path: Path) -> None:
    server.body = tar_of(tmp_path / "made.tar.gz", {"train/1.jpg": b"1", "../evil": b"2"}).read_bytes()
    with pytest.raises(UsageError, match=r"\.\./evil"):
        fetch(card_with(server.url), tmp_path / "data")
    assert [p.name for p in (tmp_path / "data").iterdir()] == [".downloads"]
    assert not list(tmp_path.rglob("evil"))


def test_a_card_without_archives_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ask its authors"):
        fetch(card_with(), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


# --- Inception weights ----------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIX2PIX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(weights_module.INCEPTION.variable, raising=False)
    return tmp_path / "cache"


def test_no_weights_is_none_with_the_command(cache: Path) -> None:
    path, reason = find_inception()
    assert path is None
    assert reason is not None
    assert "bench data fetch inception" in reason


def test_weights_are_fetched_into_the_cache(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replace(weights_module.INCEPTION, url=server.url)
    monkeypatch.setattr(weights_module, "INCEPTION", here)
    with pytest.raises(UsageError, match="6726825d"):
        fetch_inception()
    assert not list(cache.rglob("*.bin*"))
    monkeypatch.setattr(weights_module, "INCEPTION", replace(here, prefix=SHA256[:8]))
    assert fetch_inception() == cache / "weights" / "file.bin"
    assert find_inception() == (cache / "weights" / "file.bin", None)
    (cache / "weights" / "file.bin").write_bytes(b"damaged")
    path, reason = find_inception()
    assert path is None
    assert "delete" in str(reason)


def test_what_the_user_names_is_used(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "random.pth"
    weights.write_bytes(BODY)
    assert find_inception(weights) == (weights, None)
    assert weights_digest(weights) == SHA256
    monkeypatch.setenv(weights_module.INCEPTION.variable, str(weights))
    assert find_inception() == (weights, None)
    weights.write_bytes(BODY[:-1])
    assert weights_digest(weights) == hashlib.sha256(BODY[:-1]).hexdigest()
    weights.unlink()
    with pytest.raises(UsageError, match="inception"):
        find_inception(weights)
    path, reason = find_inception()
    assert path is None
    assert weights_module.INCEPTION.variable in str(reason)


def test_the_released_address_carries_the_prefix() -> None:
    assert weights_module.INCEPTION.url.endswith(f"-{weights_module.INCEPTION.prefix}.pth")
    assert weights_module.INCEPTION.url.startswith("https://")

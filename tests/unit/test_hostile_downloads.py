"""Servers that stall, trickle, cut off, redirect, send false data or never end: one line, nothing kept."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from example_card import example_card
from local_server import serving

from bench.core.errors import UsageError
from bench.data.acquire import download
from bench.data.acquire.download import fetch_file, recorded_hash
from bench.data.acquire.fetch import fetch
from bench.data.types import Archive

BODY = bytes(range(256)) * 400
SHA256 = hashlib.sha256(BODY).hexdigest()
Handler = BaseHTTPRequestHandler


@dataclass
class Server:
    """Answers each request with the next of `answers` (the last one again and again)."""

    url: str = ""
    answers: list[Callable[[Handler], None]] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()

    def answer(to: Handler) -> None:
        state.ranges.append(to.headers.get("Range"))
        to.close_connection = True
        next_one = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
        with suppress(OSError):  # the client has hung up, as it should
            next_one(to)

    with serving(answer, "HTTP/1.1") as address:
        state.url = f"{address}/set.tar.gz"
        yield state
        state.closing.set()


def headers(to: Handler, status: int = 200, **more: object) -> None:
    to.send_response(status)
    for name, value in {"ETag": '"one"', **more}.items():
        to.send_header(name.replace("_", "-"), str(value))
    to.end_headers()


def whole(to: Handler) -> None:
    headers(to, Content_Length=len(BODY))
    to.wfile.write(BODY)


def cut(to: Handler) -> None:
    headers(to, Content_Length=len(BODY))
    to.wfile.write(BODY[:5000])


def sent_to(address: str, status: int = 302) -> Callable[[Handler], None]:
    return lambda to: headers(to, status, Location=address, Content_Length=0)


def get(server: Server, to: Path, **options: object) -> Path:
    return fetch_file(server.url, to, **{"backoff": 0.01, "timeout": 0.3, "retries": 1, **options})  # type: ignore[arg-type]


def refused(server: Server, to: Path, said: str, **options: object) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        get(server, to, **options)
    assert "\n" not in str(caught.value)
    assert server.url in str(caught.value)
    assert not to.exists()
    assert recorded_hash(to) is None


# --- silence ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["nothing", "headers", "a part"])
def test_a_server_that_stalls_is_left(server: Server, tmp_path: Path, after: str) -> None:
    def stall(to: Handler) -> None:
        if after != "nothing":
            headers(to, Content_Length=len(BODY))
        if after == "a part":
            to.wfile.write(BODY[:5000])
        server.closing.wait(20)

    server.answers = [stall]
    began = time.monotonic()
    refused(server, tmp_path / "set.tar.gz", "timed out|bytes arrived")
    assert time.monotonic() - began < 5
    assert len(server.ranges) == 2


def test_a_server_that_trickles_is_as_good_as_silent(server: Server, tmp_path: Path) -> None:
    def trickle(to: Handler) -> None:
        headers(to, Content_Length=len(BODY))
        while not server.closing.wait(0.02):
            to.wfile.write(b"x")

    server.answers = [trickle]
    began = time.monotonic()
    refused(server, tmp_path / "set.tar.gz", "bytes arrived in")
    assert time.monotonic() - began < 5


# --- false answers ------------------------------------------------------------------------------------------


def test_a_cut_transfer_goes_on_and_a_false_rest_is_not_believed(server: Server, tmp_path: Path) -> None:
    def rest(to: Handler) -> None:
        headers(
            to, 206, Content_Length=len(BODY) - 5000, Content_Range=f"bytes 5000-{len(BODY) - 1}/{len(BODY)}"
        )
        to.wfile.write(BODY[5000:])

    server.answers = [cut, rest]
    assert get(server, tmp_path / "set.tar.gz").read_bytes() == BODY
    assert server.ranges == [None, "bytes=5000-"]


@pytest.mark.parametrize(
    "said",
    ["bytes 0-9/10", "bytes 5000-102399/999999", "bytes 5000-4999/102400", "bytes 5000-", "", "pages 1-2/3"],
)
def test_a_range_that_was_not_asked_for_starts_anew(server: Server, tmp_path: Path, said: str) -> None:
    def deceive(to: Handler) -> None:
        headers(to, 206, Content_Length=10, Content_Range=said)
        to.wfile.write(b"0123456789")

    server.answers = [cut, deceive, whole]
    assert get(server, tmp_path / "set.tar.gz", retries=2).read_bytes() == BODY
    assert server.ranges == [None, "bytes=5000-", None]


def test_part_of_a_file_that_was_asked_for_whole_is_refused(server: Server, tmp_path: Path) -> None:
    server.answers = [lambda to: headers(to, 206, Content_Length=0, Content_Range="bytes 0-9/10")]
    refused(server, tmp_path / "set.tar.gz", "another range")


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 40, "٣", "12, 13"])
def test_a_length_that_is_none_is_not_believed(server: Server, tmp_path: Path, length: str) -> None:
    def deceive(to: Handler) -> None:
        to.send_response(200)
        to.wfile.write(b"")
        to._headers_buffer.append(f"Content-Length: {length}\r\n".encode())  # type: ignore[attr-defined]
        to.end_headers()
        to.wfile.write(BODY)

    server.answers = [deceive]
    assert get(server, tmp_path / "set.tar.gz", sha256=SHA256).read_bytes() == BODY


def test_a_length_beyond_the_disk_and_one_beyond_the_limit(server: Server, tmp_path: Path) -> None:
    server.answers = [lambda to: headers(to, Content_Length=10**17)]
    with pytest.raises(UsageError, match="MB free"):
        get(server, tmp_path / "set.tar.gz", max_bytes=10**18)
    refused(server, tmp_path / "set.tar.gz", "at most 1 MB", max_bytes=10**6)
    assert list(tmp_path.iterdir()) == []


def test_data_without_end_stops_at_the_limit(server: Server, tmp_path: Path) -> None:
    def endless(to: Handler) -> None:
        headers(to)
        while not server.closing.is_set():
            to.wfile.write(BODY)

    server.answers = [endless]
    refused(server, tmp_path / "set.tar.gz", "at most 3 MB", max_bytes=3 * 10**6, timeout=5)
    assert list(tmp_path.iterdir()) == []


# --- elsewhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "gopher:x", "\x1b[31m"]
)
def test_no_other_scheme_is_followed(server: Server, tmp_path: Path, where: str) -> None:
    server.answers = [sent_to(where)]
    refused(server, tmp_path / "set.tar.gz", "HTTP 302|HTTP 404|cannot download")
    assert list(tmp_path.iterdir()) == []


def test_redirects_are_followed_but_not_for_ever(server: Server, tmp_path: Path) -> None:
    server.answers = [sent_to("/elsewhere.tar.gz", 307), whole]
    assert get(server, tmp_path / "set.tar.gz").read_bytes() == BODY
    server.answers = [sent_to("/a"), sent_to("/b"), sent_to("/set.tar.gz")]
    refused(server, tmp_path / "other.tar.gz", "HTTP 302")
    assert len(server.ranges) < 2 + 2 * 11


def test_from_https_to_http_is_refused() -> None:
    asked = download.urllib.request.Request("https://example.org/x")
    with pytest.raises(download.urllib.error.HTTPError, match="refused"):
        download._Redirects().redirect_request(asked, io.BytesIO(), 302, "", {}, "http://example.org/x")
    assert download._Redirects().redirect_request(asked, io.BytesIO(), 302, "", {}, "https://example.org/y")


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://" + "a" * 70 + ".org/x", "http://host:port/x", "http:///x", "HTTP:x", "x"]
)
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        fetch_file(url, tmp_path / "x", retries=0, timeout=1)
    assert "\n" not in str(caught.value)


# --- hashes ----------------------------------------------------------------------------------------


def archive() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name in ("train/1.jpg", "val/1.jpg"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
    return held.getvalue()


def test_an_error_page_does_not_become_the_hash_that_is_required(server: Server, tmp_path: Path) -> None:
    def page(to: Handler) -> None:
        headers(to, Content_Length=len(BODY))
        to.wfile.write(b"<html>log in first</html>".ljust(len(BODY)))

    def real(to: Handler) -> None:
        headers(to, Content_Length=len(archive()))
        to.wfile.write(archive())

    card = example_card(name="streets", urls=(Archive(server.url),))
    server.answers = [page, real]
    with pytest.raises(UsageError, match="whole tar or zip"):
        fetch(card, tmp_path)
    assert not list(tmp_path.rglob("*.sha256"))
    assert not list(tmp_path.rglob("*.gz"))
    fetch(card, tmp_path)
    assert (tmp_path / "streets" / "val" / "1.jpg").is_file()
    assert [path.name for path in tmp_path.rglob("*.sha256")] == ["set.tar.gz.sha256"]


def test_two_archives_of_one_name_are_not_taken_for_each_other(server: Server, tmp_path: Path) -> None:
    server.answers = [whole]
    card = example_card(urls=(Archive(server.url), Archive(server.url.replace("set", "x/set"))))
    with pytest.raises(UsageError, match="different names"):
        fetch(card, tmp_path)
    assert server.ranges == []

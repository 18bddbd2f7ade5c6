"""One download: resumed, checked against a sha256, whole or not at all.

A hash that the caller gives must match. Without one, the first download records its hash beside the file
(`FILE.sha256`, in the format of sha256sum), and later downloads must match that.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.core.errors import UsageError
from bench.core.files import move_file, sha256_file, write_text
from bench.core.progress import Progress

MAX_BYTES = 200 * 10**9
_BLOCK = 1 << 18
_SLOWEST = 1 << 12  # bytes that must arrive within one timeout: a server that trickles counts as silent
_REDIRECTS = 10
_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # status codes worth another try


class UnreachableError(UsageError):
    """The address does not answer, or not with the file: another one may."""


class _Interrupted(Exception):
    """The transfer may succeed if it is tried again."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http or https addresses, but never from https to http."""

    max_redirections = _REDIRECTS

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise urllib.error.HTTPError(newurl, code, f"sent on to {newurl}, refused", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_Redirects)


def fetch_file(
    url: str,
    destination: Path,
    *,
    sha256: str | None = None,
    sha256_prefix: str | None = None,
    progress: Progress | None = None,
    timeout: float = 30,
    retries: int = 3,
    backoff: float = 1.0,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Download `url` to `destination`, unless it exists already. Its hash is checked either way.

    An interrupted transfer leaves `destination.part`; the next one resumes from it if the server can.

    Args:
        url: http, https or file.
        destination: the file to write.
        sha256: the hash that the file must have, if known.
        sha256_prefix: what the hash must begin with.
        progress: called with (bytes, total), if the server gives the total.
        timeout: seconds without an answer after which a try fails.
        retries: further tries after a temporary failure.
        backoff: seconds before the first retry; each further one waits twice as long.
        max_bytes: larger files are refused, whether or not the server announces the size.

    Returns:
        `destination`.

    Raises:
        UsageError: naming the URL, what went wrong and what to do by hand.
    """
    if not url.startswith(("http://", "https://", "file://")):
        raise UsageError(f"expected a http, https or file URL, found '{url}': correct it")
    required = sha256 or recorded_hash(destination)
    if destination.exists():
        _check_hash(destination, destination, url, required, sha256_prefix)
        return destination
    part = destination.with_name(destination.name + ".part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        transfer = _Transfer(url, part, progress, timeout, max_bytes)
        _transfer_with_retries(transfer, destination, retries, backoff)
        try:
            found = _check_hash(part, destination, url, required, sha256_prefix)
        except UsageError:
            _discard(part)
            raise
        if sha256 is None:
            write_text(_record(destination), f"{found}  {destination.name}\n")
        move_file(part, destination)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        where = error.filename or destination
        raise UsageError(f"cannot write {where} ({reason}): free room or choose another folder") from None
    _discard(part)
    return destination


def recorded_hash(destination: Path) -> str | None:
    """The sha256 recorded at the first download of `destination`, or None.

    Raises:
        UsageError: if the record exists but holds no hash.
    """
    record = _record(destination)
    if not record.exists():
        return None
    words = record.read_text(encoding="utf-8", errors="replace").split()
    if not words or len(words[0]) != 64 or set(words[0].lower()) - set("0123456789abcdef"):
        raise UsageError(f"expected a sha256 in {record}, found none: delete it to record the file again")
    return words[0].lower()


def forget_hash(destination: Path) -> None:
    """Delete the hash that `fetch_file` recorded, because the file turned out to be unusable."""
    _record(destination).unlink(missing_ok=True)


def _record(destination: Path) -> Path:
    return destination.with_name(destination.name + ".sha256")


def _validator(part: Path) -> Path:
    """File with the ETag or date of a .part file's source, so that two versions are never mixed."""
    return part.with_name(part.name + ".of")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator(part).unlink(missing_ok=True)


def _check_hash(file: Path, destination: Path, url: str, required: str | None, prefix: str | None) -> str:
    found = sha256_file(file)
    if required and found != required.lower():
        raise UsageError(
            f"expected sha256 {required.lower()} for {destination.name}, found {found} ({url}): "
            f"{_remedy(file, destination)}"
        )
    if prefix and not found.startswith(prefix.lower()):
        raise UsageError(
            f"expected a sha256 beginning with {prefix.lower()} for {destination.name}, found {found} "
            f"({url}): "
            f"{_remedy(file, destination)}"
        )
    return found


def _remedy(file: Path, destination: Path) -> str:
    if file == destination:
        return f"delete {destination} to download it again"
    return "nothing was kept: try again; if the hash differs again, the file at that address has changed"


@dataclass(frozen=True)
class _Transfer:
    """One transfer and its options."""

    url: str
    part: Path
    progress: Progress | None
    timeout: float
    max_bytes: int


def _transfer_with_retries(transfer: _Transfer, destination: Path, retries: int, backoff: float) -> None:
    for attempt in range(retries + 1):
        try:
            _transfer(transfer)
            return
        except urllib.error.HTTPError as error:
            failure = f"HTTP {error.code} {' '.join(str(error.reason).split())}"
            error.close()
            if error.code not in _PASSING:
                break
        except urllib.error.URLError as error:
            failure = str(error.reason)
            if transfer.url.startswith("file:"):
                break
        except (_Interrupted, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            failure = str(error) or type(error).__name__
        except ValueError as error:  # an invalid address: a host that cannot be encoded, brackets
            failure = str(error)
            break
        if attempt < retries:
            time.sleep(backoff * 2**attempt)
    raise UnreachableError(
        f"cannot download {transfer.url} ({failure}): try again, or get it by hand and put it at "
        f"{destination}"
    ) from None


def _transfer(transfer: _Transfer) -> None:
    """One try: complete `part` to the whole file."""
    part, validator = transfer.part, _validator(transfer.part)
    request = urllib.request.Request(
        transfer.url, headers={"User-Agent": "pix2pix-bench", "Accept-Encoding": "identity"}
    )
    have = part.stat().st_size if part.exists() and validator.exists() else 0
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator.read_text(encoding="utf-8"))
    try:
        response = _opener.open(request, timeout=transfer.timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        error.close()
        _discard(part)
        raise _Interrupted("the server cannot continue the partial file") from None
    with response:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
        if getattr(response, "status", None) == 206:
            total = _resumed(response, part, have, total)
        else:
            have = 0
            _note_version(validator, response.headers)
        have = _receive(response, transfer, have, total)
    if total is not None and have != total:
        raise _Interrupted(f"{have:,} of {total:,} bytes arrived")


def _resumed(response: Any, part: Path, have: int, length: int | None) -> int | None:
    """Size of the whole file, after a request for the rest to which the server announces `length` bytes."""
    said = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if said is not None and int(said[1]) == have > 0:
        total = int(said[2]) + 1
        if said[3] in ("*", str(total)) and length in (None, total - have):
            return total
    _discard(part)
    raise _Interrupted("the server sent another range than requested")


def _note_version(validator: Path, headers: Any) -> None:
    """If-Range takes a strong ETag or a date."""
    tag = headers.get("ETag")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
    if version and headers.get("Content-Length"):
        write_text(validator, version)
    else:
        validator.unlink(missing_ok=True)


def _receive(response: Any, transfer: _Transfer, have: int, total: int | None) -> int:
    part, progress = transfer.part, transfer.progress
    _check_size(transfer, total or 0)
    free = shutil.disk_usage(part.parent).free
    if total is not None and free < total - have:
        raise UsageError(
            f"expected {(total - have) / 1e6:,.0f} MB free at {part.parent}, found {free / 1e6:,.0f} MB: "
            "free some room or choose another folder"
        )
    window = (time.monotonic(), have)
    with part.open("ab" if have else "wb") as output:
        while block := getattr(response, "read1", response.read)(_BLOCK):
            output.write(block)
            have += len(block)
            _check_size(transfer, have)
            window = _check_pace(window, have, transfer.timeout)
            if progress and total is not None:
                progress(have, total)
        output.flush()
        os.fsync(output.fileno())
    return have


def _check_size(transfer: _Transfer, found: int) -> None:
    if found > transfer.max_bytes:
        _discard(transfer.part)
        raise UsageError(
            f"expected at most {transfer.max_bytes / 1e6:,.0f} MB from {transfer.url}, found more: nothing "
            "was kept; check the address"
        )


def _check_pace(window: tuple[float, int], have: int, timeout: float) -> tuple[float, int]:
    """Start time and byte count of the current time window; each window must bring some bytes."""
    began, had = window
    now = time.monotonic()
    if now - began < timeout:
        return window
    if have - had < _SLOWEST:
        raise _Interrupted(f"only {have - had:,} bytes arrived in {now - began:.0f} s")
    return now, have

"""One download: resumed, checked against a sha256, whole or not at all.

A hash that the caller knows is required. One that nobody knows is recorded beside the file (`FILE.sha256`, in
the format of sha256sum) at the first download, and required from then on.
"""

from __future__ import annotations

import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.errors import UsageError
from bench.files import sha256_file, write_text

Progress = Callable[[int, int], None]  # bytes so far, of how many; not called where that is unknown

_BLOCK = 1 << 18
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers after which trying again makes sense


class _Interrupted(Exception):
    """A transfer that may succeed when it is tried again."""


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
) -> Path:
    """Download `url` to `destination`, unless it is there already; either way its hash is checked.

    An interrupted transfer leaves `destination.part`, from which the next one goes on where the server can.

    Args:
        url: http, https or file.
        destination: the file to be.
        sha256: the hash that the file must have, where it is known.
        sha256_prefix: what the hash must begin with.
        progress: called with (bytes, total), if the server says how many there are.
        timeout: seconds without an answer after which a try counts as failed.
        retries: further tries after a failure that may pass.
        backoff: seconds before the first of them; each waits twice as long as the one before.

    Returns:
        `destination`.

    Raises:
        UsageError: naming the URL, what went wrong and what to do by hand.
    """
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise UsageError(f"expected a http, https or file URL, found '{url}': correct it")
    required = sha256 or recorded_hash(destination)
    if destination.exists():
        _check_hash(destination, destination, url, required, sha256_prefix)
        return destination
    part = destination.with_name(destination.name + ".part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _transfer_with_retries(url, part, destination, progress, timeout, retries, backoff)
        try:
            found = _check_hash(part, destination, url, required, sha256_prefix)
        except UsageError:
            _discard(part)
            raise
        if sha256 is None:
            write_text(_record(destination), f"{found}  {destination.name}\n")
        part.replace(destination)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        where = error.filename or destination
        raise UsageError(f"cannot write {where} ({reason}): free room or choose another folder") from None
    _discard(part)
    return destination


def recorded_hash(destination: Path) -> str | None:
    """The sha256 recorded at the first download of `destination`, or None.

    Raises:
        UsageError: if the record is there but holds no hash.
    """
    record = _record(destination)
    if not record.exists():
        return None
    words = record.read_text(encoding="utf-8", errors="replace").split()
    if not words or len(words[0]) != 64 or set(words[0].lower()) - set("0123456789abcdef"):
        raise UsageError(f"expected a sha256 in {record}, found none: delete it to record the file anew")
    return words[0].lower()


def _record(destination: Path) -> Path:
    return destination.with_name(destination.name + ".sha256")


def _validator(part: Path) -> Path:
    """Holds the ETag or date of what a .part file was taken from, so that two versions are never mixed."""
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
    return "nothing was kept: try again; if it stays so, the file at that address has changed"


def _transfer_with_retries(
    url: str,
    part: Path,
    destination: Path,
    progress: Progress | None,
    timeout: float,
    retries: int,
    backoff: float,
) -> None:
    for attempt in range(retries + 1):
        try:
            _transfer(url, part, progress, timeout)
            return
        except urllib.error.HTTPError as error:
            failure = f"HTTP {error.code} {error.reason}"
            error.close()
            if error.code not in _PASSING:
                break
        except urllib.error.URLError as error:
            failure = str(error.reason)
            if urlsplit(url).scheme == "file":
                break
        except (_Interrupted, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            failure = str(error) or type(error).__name__
        if attempt < retries:
            time.sleep(backoff * 2**attempt)
    where = urlsplit(url).hostname or "this machine"
    raise UsageError(
        f"cannot download {url} from {where} ({failure}): try again, or get it by hand and put it at "
        f"{destination}"
    ) from None


def _transfer(url: str, part: Path, progress: Progress | None, timeout: float) -> None:
    """One try: bring `part` up to the whole file."""
    headers = {"User-Agent": "pix2pix-bench", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers)
    have, validator = part.stat().st_size if part.exists() else 0, _validator(part)
    if have and validator.exists():
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator.read_text(encoding="utf-8"))
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        error.close()
        _discard(part)
        raise _Interrupted("the server would not go on with the part at hand") from None
    with response:
        resumed = getattr(response, "status", None) == 206
        if resumed and not str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-"):
            _discard(part)
            raise _Interrupted("the server sent another range than was asked for")
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        if not resumed:
            _note_version(validator, response.headers)
        have = _receive(response, part, have, total, progress)
    if total is not None and have != total:
        raise _Interrupted(f"{have:,} of {total:,} bytes came")


def _note_version(validator: Path, headers: Any) -> None:
    """If-Range takes a strong ETag or a date."""
    tag = headers.get("ETag")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
    if version and headers.get("Content-Length"):
        write_text(validator, version)
    else:
        validator.unlink(missing_ok=True)


def _receive(response: Any, part: Path, have: int, total: int | None, progress: Progress | None) -> int:
    if total is not None and shutil.disk_usage(part.parent).free < total - have:
        raise UsageError(
            f"expected {(total - have) / 1e6:,.0f} MB free at {part.parent}, found "
            f"{shutil.disk_usage(part.parent).free / 1e6:,.0f} MB: free some room or choose another folder"
        )
    with part.open("ab" if have else "wb") as output:
        while block := response.read(_BLOCK):
            output.write(block)
            have += len(block)
            if progress and total is not None:
                progress(have, total)
        output.flush()
        os.fsync(output.fileno())
    return have

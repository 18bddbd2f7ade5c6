"""Fetching what is public: the archives of data sets, and the Inception weights that FID and KID need."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bench.core.errors import UsageError
from bench.core.files import move_folder, named_path, sha256_file
from bench.core.resources import cache_dir
from bench.data.acquire.archives import ArchiveError, extract
from bench.data.acquire.download import Progress, fetch_file, forget_hash, recorded_hash
from bench.data.types import DatasetCard

INCEPTION_URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
INCEPTION_PREFIX = "6726825d"
INCEPTION_VARIABLE = "PIX2PIX_BENCH_INCEPTION"


# --- data sets ----------------------------------------------------------------------------------


def fetch(card: DatasetCard, root: Path, *, progress: Progress | None = None) -> Path:
    """Download the archives of a data set and unpack them as the folder `root / card.name`.

    Unfinished downloads wait in `root / ".downloads"`, where the next try goes on; the data set's folder
    appears when all is unpacked. A single folder at the top of an archive is left out.

    Args:
        card: what to get.
        root: folder for data sets; must not hold this one yet.
        progress: called with (bytes, total): of each download, then of each archive while it is unpacked.

    Returns:
        The data set's folder.

    Raises:
        UsageError: if the card has no archives, the folder is there and not empty, a transfer fails, a hash
            differs, or an archive is not safe to unpack.
    """
    if not card.urls:
        raise UsageError(f"expected archives of '{card.name}' to download, found none: {card.how_to_get}")
    folder = root / card.name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"expected {folder} to be missing or empty, found something there: check it with "
            f"`bench data verify {card.name}`, or choose another folder"
        )
    downloads = root / ".downloads" / card.name
    archives = [downloads / _file_name(entry.url) for entry in card.urls]
    if len(set(archives)) < len(archives):
        raise UsageError(f"expected archives of different names in the card of {card.name}: correct the card")
    # An archive that still lies there was never unpacked: its hash is not proven yet.
    proven = {archive: recorded_hash(archive) is not None and not archive.exists() for archive in archives}
    for archive, entry in zip(archives, card.urls, strict=True):
        fetch_file(entry.url, archive, sha256=entry.sha256, progress=progress)
    staging = Path(tempfile.mkdtemp(prefix=f".{card.name}.", dir=root))
    try:
        whole = staging / "whole"
        whole.mkdir()
        for number, archive in enumerate(archives):
            part = staging / str(number)
            part.mkdir()
            try:
                extract(archive, part, progress=progress)
            except ArchiveError:
                archive.unlink()
                if not proven[archive]:  # what cannot be used, such as an error page, sets no hash
                    forget_hash(archive)
                raise
            _merge(_without_top(part), whole, archive)
        if folder.exists():
            folder.rmdir()
        move_folder(whole, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for archive in archives:
        archive.unlink(missing_ok=True)  # its recorded hash stays
    return folder


def _file_name(url: str) -> str:
    try:
        name = Path(unquote(urlsplit(url).path)).name
    except ValueError:
        name = ""
    if not name or name.startswith(".") or not name.isprintable():
        raise UsageError(f"expected a URL that ends in a file name, found {url}: correct the card")
    return name


def _without_top(folder: Path) -> Path:
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _merge(folder: Path, whole: Path, archive: Path) -> None:
    for entry in folder.iterdir():
        if (whole / entry.name).exists():
            raise UsageError(
                f"expected archives of different content, found '{entry.name}' again in {archive}"
            )
        entry.rename(whole / entry.name)


# --- Inception weights ------------------------------------------------------------------------------


def fetch_inception(*, progress: Progress | None = None) -> Path:
    """Download torch-fidelity's Inception-v3 weights (2015-12-05) into the cache.

    Raises:
        UsageError: if that fails; the message names the URL and where to put the file by hand.
    """
    return fetch_file(INCEPTION_URL, _inception_in_cache(), sha256_prefix=INCEPTION_PREFIX, progress=progress)


def find_inception(explicit: Path | None = None) -> tuple[Path | None, str | None]:
    """The Inception weights: `explicit`, else `$PIX2PIX_BENCH_INCEPTION`, else the cache.

    What the user names is used as it is (its hash enters the protocol); the file in the cache must be the
    released one.

    Returns:
        (path, None), or (None, the reason and the command that helps).

    Raises:
        UsageError: if `explicit` is no file.
    """
    if explicit is not None:
        if not explicit.is_file():
            raise UsageError(
                f"expected Inception weights at {explicit}, found no file: correct --inception-weights, "
                "or get them with `bench data fetch inception`"
            )
        return explicit, None
    if named := os.environ.get(INCEPTION_VARIABLE):
        path = named_path(named)
        if path.is_file():
            return path, None
        return None, f"${INCEPTION_VARIABLE} names {path}, which is no file: correct or unset it"
    path = _inception_in_cache()
    if not path.is_file():
        return None, "no Inception weights at hand: `bench data fetch inception` gets them"
    if not inception_hash(path).startswith(INCEPTION_PREFIX):
        return None, (
            f"the sha256 of {path} does not begin with {INCEPTION_PREFIX}: delete it, then "
            "`bench data fetch inception`"
        )
    return path, None


def inception_hash(path: Path) -> str:
    """Hexadecimal sha256 of a weights file; computed once per process unless size or time change."""
    status = path.stat()
    return _hash(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _hash(path: Path, size: int, mtime_ns: int) -> str:
    return sha256_file(path)


def _inception_in_cache() -> Path:
    return cache_dir() / "weights" / _file_name(INCEPTION_URL)

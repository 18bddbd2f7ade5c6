"""Downloads and unpacks the archives of a data set."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bench.core.errors import UsageError
from bench.core.files import move_folder
from bench.core.progress import Progress
from bench.data.acquire.download import fetch_file, forget_hash, recorded_hash
from bench.data.archives import ArchiveError, extract
from bench.data.types import DatasetCard


def fetch(card: DatasetCard, root: Path, *, progress: Progress | None = None) -> Path:
    """Download the archives of a data set and unpack them as the folder `root / card.name`.

    Unfinished downloads stay in `root / ".downloads"` and the next try resumes them. The data set's folder
    appears when everything is unpacked. A single folder at the top of an archive is left out.

    Args:
        card: the data set.
        root: folder for data sets; must not hold this one yet.
        progress: called with (bytes, total): of each download, then of each archive while it is unpacked.

    Returns:
        The data set's folder.

    Raises:
        UsageError: if the card has no archives, the folder is not empty, a transfer fails, a hash differs, or
            an archive is not safe to unpack.
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
    archives = [downloads / file_name(entry.url) for entry in card.urls]
    if len(set(archives)) < len(archives):
        raise UsageError(f"expected archives of different names in the card of {card.name}: correct the card")
    # An archive that still exists was never unpacked: its hash is not proven yet.
    proven = {archive: recorded_hash(archive) is not None and not archive.exists() for archive in archives}
    for archive, entry in zip(archives, card.urls, strict=True):
        fetch_file(entry.url, archive, sha256=entry.sha256, progress=progress)
    _unpack(proven, folder, progress)
    for archive in archives:
        archive.unlink(missing_ok=True)  # its recorded hash stays
    return folder


def _unpack(archives: Mapping[Path, bool], folder: Path, progress: Progress | None) -> None:
    """Unpack all archives (each with whether its hash is proven) as `folder`, whole or not at all."""
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        whole = staging / "whole"
        whole.mkdir()
        for number, (archive, is_proven) in enumerate(archives.items()):
            part = staging / str(number)
            part.mkdir()
            try:
                extract(archive, part, progress=progress)
            except ArchiveError:
                archive.unlink()
                if not is_proven:  # a useless file, such as an error page, must not set the hash
                    forget_hash(archive)
                raise
            _merge(_without_top(part), whole, archive)
        if folder.exists():
            folder.rmdir()
        move_folder(whole, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def file_name(url: str) -> str:
    """The last part of a URL."""
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

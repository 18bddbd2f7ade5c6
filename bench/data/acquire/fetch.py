"""Downloads and unpacks the archives of a data set."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bench.core.errors import UsageError
from bench.core.files import move_folder, sha256_file
from bench.core.progress import Progress
from bench.data.acquire.download import UnreachableError, fetch_file, forget_hash, recorded_hash
from bench.data.archives import ArchiveError, extract
from bench.data.types import DatasetCard, Mirror


@dataclass(frozen=True)
class Fetched:
    """A data set that was downloaded.

    Attributes:
        folder: where it is.
        took: the place that it came from: "its own archives", or a mirror's name.
        hashes: sha256 of each file by its address; they are recorded and required from now on.
        notes: what was tried before, and what differs at the place that was taken, a line each.
    """

    folder: Path
    took: str
    hashes: dict[str, str]
    notes: tuple[str, ...] = ()


def fetch(card: DatasetCard, root: Path, *, progress: Progress | None = None) -> Fetched:
    """Download a data set and unpack it as the folder `root / card.name`; its mirrors are tried in order.

    Unfinished downloads stay in `root / ".downloads"` and the next try resumes them. The data set's folder
    appears when everything is unpacked. A single folder at the top of an archive is left out; parquet files
    are kept as they are.

    Args:
        card: the data set.
        root: folder for data sets; must not hold this one yet.
        progress: called with (bytes, total): of each download, then of each archive while it is unpacked.

    Raises:
        UsageError: if the card has no archives, the folder is not empty, no place has them, a hash differs,
            or an archive is not safe to unpack.
    """
    if not card.urls:
        raise UsageError(f"expected archives of '{card.name}' to download, found none: {card.how_to_get}")
    folder = root / card.name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"expected {folder} to be missing or empty, found something there: check it with "
            f"`bench data verify {card.name}`, or choose another folder"
        )
    places = [Mirror("its own archives", card.urls), *card.mirrors]
    failed: list[str] = []
    for place in places:
        try:
            hashes = _from_place(card, place, folder, progress)
        except UnreachableError as error:
            failed.append(f"{place.name}: {error}")
            continue
        notes = (*failed, *([f"{place.name}: {place.differs}"] if place.differs else []))
        return Fetched(folder, place.name, hashes, notes)
    if len(failed) == 1:
        raise UsageError(failed[0].split(": ", 1)[1])
    raise UsageError(f"cannot download {card.name} from any of {len(places)} places: {'; '.join(failed)}")


def _from_place(card: DatasetCard, place: Mirror, folder: Path, progress: Progress | None) -> dict[str, str]:
    """Download and unpack the files of one place; sha256 by address."""
    downloads = folder.parent / ".downloads" / card.name
    archives = [downloads / file_name(entry.url) for entry in place.urls]
    if len(set(archives)) < len(archives):
        raise UsageError(f"expected archives of different names in the card of {card.name}: correct the card")
    # An archive that still exists was never unpacked: its hash is not proven yet.
    proven = {archive: recorded_hash(archive) is not None and not archive.exists() for archive in archives}
    for archive, entry in zip(archives, place.urls, strict=True):
        fetch_file(entry.url, archive, sha256=entry.sha256, progress=progress)
    hashes = {entry.url: sha256_file(archive) for archive, entry in zip(archives, place.urls, strict=True)}
    _unpack(proven, folder, progress)
    for archive in archives:
        archive.unlink(missing_ok=True)  # its recorded hash stays
    return hashes


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
                if archive.suffix == ".parquet":
                    _check_parquet(archive)
                    shutil.copy2(archive, part / archive.name)
                else:
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


def _check_parquet(file: Path) -> None:
    """Refuse what is no parquet file, such as an error page."""
    with file.open("rb") as content:
        if content.read(4) != b"PAR1":
            raise ArchiveError(f"expected a parquet file, found {file} of another kind: fetch it again")


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

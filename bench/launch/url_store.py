"""Outputs and data at a URL (S3 and all else that fsspec reaches), kept in step with a local folder.

A URL is not a file system: nothing trains on it. `--out URL` works in a folder of the cache; finished files
are uploaded whole, a run's record last, so that the files of a record are there before it. `--data-root URL`
is copied into the cache once; changed files are copied again.
"""

from __future__ import annotations

import glob
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from bench.core.errors import UsageError
from bench.core.files import atomic_path, write_text
from bench.core.resources import cache_dir

_TRIES, _WAIT_SECONDS = 4, 2.0


class Store(Protocol):
    """Files by name ("records/x.json"), each read and written whole."""

    def stamps(self, prefix: str) -> dict[str, str]:
        """Name -> a text that changes with the content, for all files below the folder `prefix`."""
        ...

    def get(self, name: str, local: Path) -> None:
        """Copy a file here, whole or not at all."""
        ...

    def put(self, local: Path, name: str) -> str:
        """Copy a file there, whole or not at all; returns its stamp."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file, if it exists."""
        ...


def is_url(text: str) -> bool:
    """Whether `text` is a URL such as "s3://bucket/folder", not a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


class UrlStore:
    """A folder at a URL, through fsspec."""

    def __init__(self, url: str) -> None:
        """Open it.

        Raises:
            UsageError: if fsspec or what it needs for this kind of URL is missing, or the URL is invalid.
        """
        try:
            import fsspec
        except ImportError:
            raise UsageError(
                f"expected fsspec for {url}, found none: pip install 'pix2pix-bench[s3]'"
            ) from None
        self.url = url.rstrip("/")
        try:
            self._system, self._root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise UsageError(f"{url}: {error} (for S3: pip install 'pix2pix-bench[s3]')") from None

    def stamps(self, prefix: str) -> dict[str, str]:
        self._system.invalidate_cache()
        try:
            found = self._trying(lambda: self._system.find(self._at(prefix), detail=True))
        except FileNotFoundError:
            return {}
        names = {path[len(self._root) :].lstrip("/"): info for path, info in found.items()}
        return {name: _stamp(info) for name, info in names.items() if name and not name.endswith("/")}

    def get(self, name: str, local: Path) -> None:
        with atomic_path(local) as temporary:
            self._trying(lambda: self._system.get_file(self._at(name), str(temporary)))

    def put(self, local: Path, name: str) -> str:
        try:
            self._trying(lambda: self._system.put_file(str(local), self._at(name)))
        except FileNotFoundError:
            if not local.is_file():
                raise
            raise UsageError(f"expected a folder that can be written at {self.url}, found none") from None
        return _stamp(self._trying(lambda: self._system.info(self._at(name), refresh=True)))

    def remove(self, name: str) -> None:
        try:
            self._trying(lambda: self._system.rm_file(self._at(name)))
        except FileNotFoundError:
            return

    def check_writable(self) -> None:
        """Write a small file and delete it again.

        Raises:
            UsageError: if that fails.
        """
        with tempfile.NamedTemporaryFile() as probe:
            self.put(Path(probe.name), ".pix2pix-bench")
        self.remove(".pix2pix-bench")

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _trying(self, action: Callable[[], Any]) -> Any:
        """Do `action`; as networks fail, try a few times, with longer and longer waits.

        Raises:
            FileNotFoundError: if the file does not exist.
            UsageError: for any other error that persists.
        """
        for number in range(_TRIES):
            try:
                return action()
            except FileNotFoundError:
                raise
            except Exception as error:  # each file system raises its own kinds
                if number == _TRIES - 1 or isinstance(error, PermissionError):
                    said = " ".join(str(error).split())[:200]
                    raise UsageError(f"{self.url} cannot be used: {type(error).__name__}: {said}") from error
                time.sleep(_WAIT_SECONDS * 2**number)
        raise AssertionError


def _stamp(info: dict[str, Any]) -> str:
    """The store's content hash if it has one, else size and time."""
    changed = info.get("ETag") or info.get("etag") or info.get("LastModified") or info.get("mtime") or ""
    return f"{info.get('size')} {changed}"


class Mirror:
    """Keeps a folder and a store in step, file by file, on request.

    `.stamps.json` in the folder holds the stamps of both from when they last agreed.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._index = folder / ".stamps.json"
        try:
            self._agreed: dict[str, list[Any]] = json.loads(self._index.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._agreed = {}

    def pull(
        self,
        prefix: str,
        wanted: Callable[[str], bool] = lambda name: True,
        progress: Callable[[int, int], None] | None = None,
        *,
        keep_local: bool = True,
    ) -> list[str]:
        """Fetch the files below `prefix` that are missing here or have changed in the store.

        Args:
            keep_local: keep files that changed here and have not been uploaded.

        Returns:
            the wanted names.

        Raises:
            UsageError: for a name that leads out of the folder.
        """
        stamps = {name: s for name, s in self._store.stamps(prefix).items() if wanted(checked_name(name))}
        fresh = [name for name, stamp in stamps.items() if self._is_stale(name, stamp, keep_local)]
        for done, name in enumerate(fresh, start=1):
            self._store.get(name, self._folder / name)
            self._agree(name, stamps[name])
            if progress is not None:
                progress(done, len(fresh))
        self._save()
        return list(stamps)

    def push(self, prefixes: Sequence[str]) -> None:
        """Upload new and changed files below `prefixes`, in that order; delete there what was deleted here.

        In each folder records come last: a table of values first, then the record that refers to it.
        """
        try:
            for prefix in prefixes:
                there = sorted(
                    files_below(self._folder, prefix), key=lambda path: (path.suffix == ".json", path)
                )
                names = {path.relative_to(self._folder).as_posix(): path for path in there}
                for name, path in names.items():
                    with suppress(FileNotFoundError):  # a state that was rotated meanwhile
                        here = _local_stamp(path)  # before the upload: a later change goes next time
                        if self._agreed.get(name, [])[1:] != here:
                            self._agreed[name] = [self._store.put(path, name), *here]
                for name in [n for n in self._agreed if n not in names and n.startswith(prefix)]:
                    self._store.remove(name)
                    del self._agreed[name]
        finally:
            self._save()

    def _is_stale(self, name: str, stamp: str, keep_local: bool) -> bool:
        path = self._folder / name
        if not path.is_file():
            return True
        agreed = self._agreed.get(name, [])
        if keep_local and agreed[1:] != _local_stamp(path):
            return False
        return agreed[:1] != [stamp]

    def _agree(self, name: str, stamp: str) -> None:
        self._agreed[name] = [stamp, *_local_stamp(self._folder / name)]

    def _save(self) -> None:
        write_text(self._index, json.dumps(self._agreed))


def files_below(folder: Path, prefix: str) -> list[Path]:
    """Files of `folder` below the folder `prefix`, or with a path that starts with it; no temporary ones."""
    place = folder / prefix
    found = place.rglob("*") if place.is_dir() else place.parent.glob(f"{glob.escape(place.name)}*")
    return [path for path in found if path.is_file() and not _is_hidden(path, folder)]


def _local_stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def checked_name(name: str) -> str:
    """`name`, if it stays in its folder.

    Raises:
        UsageError: if it leads out of it.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise UsageError(f"expected names below the folder, found '{name[:80]}' in the store: remove it")
    return name


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def run_prefixes(run_id: str) -> list[str]:
    """The prefixes of a run's files, the record last."""
    return [f"runs/{run_id}", f"predictions/{run_id}", "gallery", f"records/{run_id}"]


def local_data_root(value: str, counter: Callable[[str], Callable[[int, int], None]]) -> str:
    """A `--data-root` (DIR or NAME=DIR) as a path: data at a URL is copied into the cache.

    Raises:
        UsageError: if nothing is there, or it cannot be read.
    """
    name, equals, url = value.partition("=")
    if not equals or is_url(value):
        name, equals, url = "", "", value
    if not is_url(url):
        return value
    digest = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    folder = cache_dir() / "data" / digest / PurePosixPath(url.rstrip("/")).name
    folder.mkdir(parents=True, exist_ok=True)
    mirror = Mirror(UrlStore(url), folder)
    there = set(mirror.pull("", progress=counter(f"copying {url}"), keep_local=False))
    if not there:
        raise UsageError(f"expected images at --data-root {url}, found nothing: check the URL")
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in there and not _is_hidden(path, folder):
            path.unlink()  # deleted at the URL, so no longer part of the data
    return f"{name}{equals}{folder}"

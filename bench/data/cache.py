"""Decoded splits as memory-mapped arrays, found by content.

`CACHE/decoded/KEY/` holds source.npy, target.npy, labels.npy (if there are labels) and meta.json. Images with
sizes of their own lie end to end in source.raw, ... and meta.json has their shapes. The folder appears
whole or not at all. If several processes want the same split, one decodes it and the others wait. Content
hashes of files are remembered by path, size and times, so a second start reads no image.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.core.files import move_folder, sha256_file, write_text
from bench.core.lock import locked
from bench.core.progress import Progress
from bench.data.types import VOID, SplitArrays

_Entry = tuple[int, int, int, str]  # of a file: size, times of modification and change, sha256
_ARRAYS = ("source", "target", "labels", "values")
_STALE_S = 24 * 3600.0  # temporary folders of killed processes are removed after a day
_SETTLED_NS = 2_000_000_000  # a file changed this recently may change again within one tick of its clock


@dataclass(frozen=True)
class Sample:
    """One decoded pair: source (H, W, C), target (H, W, C'), labels (H, W) uint8 or None.

    `values` are the target's uint16 or float32 values where `target` only shows them in 8 bits.
    """

    source: NDArray[Any]
    target: NDArray[Any]
    labels: NDArray[np.uint8] | None
    values: NDArray[Any] | None = None


def digest(content: Any) -> str:
    """Hash (16 hexadecimal digits) of a JSON value."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class FileHashes:
    """Content hashes of files, remembered in `index` (JSON) by path, size, modification and change time.

    Files are hashed again if the index cannot be read or written.
    """

    def __init__(self, index: Path) -> None:
        self._index = index
        self._known: dict[str, _Entry] | None = None

    def hashes(self, files: Sequence[Path]) -> list[str]:
        """sha256 of each file.

        Raises:
            UsageError: if a file cannot be read.
        """
        if self._known is None:
            self._known = _read_index(self._index)
        known = self._known
        try:
            stamps = {str(file): _stamp(file) for file in files}
            fresh = [name for name, stamp in stamps.items() if known.get(name, ())[:3] != stamp]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for name, content in zip(fresh, pool.map(sha256_file, map(Path, fresh)), strict=True):
                    known[name] = (*stamps[name], content)
        except OSError as error:
            raise UsageError(f"expected a readable image: {error}; check its permissions") from None
        if fresh:
            self._write(known)
        return [known[str(file)][3] for file in files]

    def _write(self, known: dict[str, _Entry]) -> None:
        before = time.time_ns() - _SETTLED_NS
        settled = {name: entry for name, entry in known.items() if max(entry[1], entry[2]) < before}
        with suppress(OSError):
            write_text(self._index, json.dumps(settled))


def _stamp(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read_index(index: Path) -> dict[str, _Entry]:
    try:
        return msgspec.json.decode(index.read_bytes(), type=dict[str, _Entry])
    except (OSError, ValueError, RecursionError):
        return {}


def load_split(
    cache: Path,
    key: str,
    names: tuple[str, ...],
    read: Callable[[int], Sample],
    progress: Progress | None = None,
    *,
    mixed: bool = False,
) -> SplitArrays:
    """The split with content `key`, from the cache or decoded into it.

    Args:
        cache: folder of the cache; created when needed.
        key: names the content: equal keys mean equal pixels.
        names: stems, one a pair.
        read: decodes pair i; called from several threads.
        progress: called with (pairs done, pairs in all) while decoding, never on a hit.
        mixed: each image has its own size.

    Raises:
        UsageError: from `read`, or if the cache cannot be written; nothing is left behind.
    """
    place = cache / "decoded" / key
    arrays = _open(place, key, names)
    if arrays is None:
        with _cache_errors(cache), locked(cache / "locks" / f"{key}.lock"):
            if _open(place, key, names) is None:  # else another process has just made it
                _decode(place, names, read, progress, mixed)
        arrays = _open(place, key, names)
    if arrays is None:
        raise UsageError(f"expected decoded images in {place}, found none that can be read: check the disk")
    return arrays


def release_pages(arrays: SplitArrays) -> None:
    """Give the memory of pages read so far back to the system (they stay in its file cache).

    Pages of a memory map count as resident once read; a long training reads all of them.
    """
    for array in (arrays.source, arrays.target, arrays.labels, arrays.values):
        release_array(array)


def release_array(array: NDArray[Any] | None) -> None:
    """`release_pages` for one array; does nothing unless it is a memory map itself."""
    if array is not None and array.dtype == object and len(array):  # each image is a part of one memory map
        array = array[0]
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _open(place: Path, key: str, names: tuple[str, ...]) -> SplitArrays | None:
    """The arrays in `place`; None if they are missing or damaged (then `place` is cleared)."""
    try:
        meta = json.loads((place / "meta.json").read_text(encoding="utf-8"))
        stored = {name: _stored(place, name, meta) for name in _ARRAYS if name in meta["arrays"]}
        kinds = {name: "ufO" if name == "values" else "uO" for name in stored}
        if any(
            len(array) != len(names) or array.dtype.kind not in kinds[name] for name, array in stored.items()
        ):
            raise ValueError("wrong number of pairs, or no images")
        return SplitArrays(
            names, stored["source"], stored["target"], stored.get("labels"), meta["void_share"], key,
            stored.get("values"),
        )  # fmt: skip
    except FileNotFoundError:
        return None
    except Exception:  # numpy raises nearly anything on damaged files
        shutil.rmtree(place, ignore_errors=True)
        return None


def _stored(place: Path, name: str, meta: dict[str, Any]) -> NDArray[Any]:
    """One array of the cache; images of mixed sizes as an array of objects, each a part of one memory map."""
    if "mixed" not in meta:
        whole: NDArray[Any] = np.load(place / f"{name}.npy", mmap_mode="r")
        return whole
    about = meta["mixed"][name]
    flat = np.memmap(place / f"{name}.raw", dtype=np.dtype(about["dtype"]), mode="r")
    ends = np.cumsum([math.prod(shape) for shape in about["shapes"]])
    if flat.dtype.kind not in "uf" or flat.size != ends[-1]:
        raise ValueError("wrong number of values, or no images")
    images = np.empty(len(ends), dtype=object)
    for index, (shape, end) in enumerate(zip(about["shapes"], ends, strict=True)):
        images[index] = flat[end - math.prod(shape) : end].reshape(shape)
    return images


@contextmanager
def _cache_errors(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"expected room for decoded images in {cache}: {error.strerror or error}; free some, or set "
            "PIX2PIX_BENCH_CACHE to a folder that can be written"
        ) from None


def _decode(
    place: Path,
    names: tuple[str, ...],
    read: Callable[[int], Sample],
    progress: Progress | None,
    mixed: bool,
) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(place.parent)
    temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=place.parent))
    try:
        meta = _write_arrays(temporary, len(names), read, progress, mixed)
        (temporary / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        temporary.chmod(0o755)
        try:
            move_folder(temporary, place)
        except OSError:
            if not (place / "meta.json").is_file():  # else another process was first: same content
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_arrays(
    folder: Path, count: int, read: Callable[[int], Sample], progress: Progress | None, mixed: bool
) -> dict[str, Any]:
    """Decode all pairs in threads and append them in order; a full disk raises an error."""
    files: dict[str, IO[bytes]] = {}
    shapes: dict[str, list[tuple[int, ...]]] = {}
    dtypes: dict[str, str] = {}
    void = pixels = 0
    try:
        for done, sample in enumerate(_in_order(count, read), start=1):
            parts = {name: getattr(sample, name) for name in _ARRAYS}
            arrays = {name: array for name, array in parts.items() if array is not None}
            if not files:
                files = {
                    name: (folder / f"{name}.raw").open("wb") if mixed else _start(folder, name, count, array)
                    for name, array in arrays.items()
                }
                dtypes = {name: array.dtype.str for name, array in arrays.items()}
            for name, array in arrays.items():
                shapes.setdefault(name, []).append(array.shape)
                files[name].write(np.ascontiguousarray(array).data)
            if sample.labels is not None:
                void += int((sample.labels == VOID).sum())
                pixels += sample.labels.size
            if progress is not None:
                progress(done, count)
        for handle in files.values():
            handle.flush()
            os.fsync(handle.fileno())
    finally:
        for handle in files.values():
            with suppress(OSError):
                handle.close()
    about: dict[str, Any] = {"arrays": sorted(files), "void_share": void / pixels if pixels else None}
    if mixed:
        about["mixed"] = {name: {"dtype": dtypes[name], "shapes": shapes[name]} for name in files}
    return about


def _start(folder: Path, name: str, count: int, first: NDArray[Any]) -> IO[bytes]:
    handle = (folder / f"{name}.npy").open("wb")
    header = np.lib.format.header_data_from_array_1_0(first[None])
    np.lib.format.write_array_header_1_0(
        handle, {**header, "fortran_order": False, "shape": (count, *first.shape)}
    )
    return handle


def _in_order(count: int, read: Callable[[int], Sample]) -> Iterator[Sample]:
    """Samples 0, 1, 2, ... decoded by all cores, with a bounded number in memory."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, count, 16 * workers):
            yield from pool.map(read, range(start, min(count, start + 16 * workers)))


def _remove_stale(folder: Path) -> None:
    for leftover in folder.glob(".tmp-*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _STALE_S:
                shutil.rmtree(leftover, ignore_errors=True)

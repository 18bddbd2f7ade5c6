"""The cache of decoded splits: by content, once, whole or not at all, mapped rather than loaded."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

from bench.core.errors import UsageError
from bench.data import cache as cache_module
from bench.data import readers
from bench.data.cache import FileHashes, Sample, load_split, release_pages
from bench.data.open_dataset import open_dataset
from bench.data.types import SplitArrays

SIZE = 16


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (SIZE, 2 * SIZE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        for index in range(4):
            save(tmp_path / "maps" / split / f"{index}.png", index)
    return tmp_path / "maps"


def load(root: Path, cache: Path, size_px: int = 8, split: str = "train") -> SplitArrays:
    return open_dataset("maps", root=root).load(split, size_px=size_px, cache=cache)


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path, *, channels: bool) -> Image.Image:
        raise AssertionError(f"decoded {file} again")

    monkeypatch.setattr(readers, "decode", refuse)


def age(root: Path) -> None:
    """Let all files look old enough to be remembered."""
    for path in root.rglob("*.png"):
        os.utime(path, (1e9, 1e9))


def test_a_second_start_decodes_nothing(maps: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(maps, cache)
    forbid_decoding(monkeypatch)
    second = load(maps, cache)
    assert second.key == first.key
    assert second.names == first.names
    assert np.array_equal(second.target, first.target)
    with pytest.raises(AssertionError, match="decoded"):
        load(maps, cache, size_px=9)


def test_hashes_are_remembered_by_size_and_times(
    maps: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, index = sorted(maps.rglob("*.png")), cache / "index.json"
    monkeypatch.setattr(cache_module, "_SETTLED_NS", 0)
    first = FileHashes(index).hashes(files)
    hashed: list[Path] = []
    real = cache_module.sha256_file
    monkeypatch.setattr(cache_module, "sha256_file", lambda path: hashed.append(path) or real(path))
    assert FileHashes(index).hashes(files) == first
    assert hashed == []
    save(files[2], 99)
    second = FileHashes(index).hashes(files)
    assert hashed == [files[2]]
    assert [a != b for a, b in zip(first, second, strict=True)].count(True) == 1


def test_a_file_changed_just_now_is_not_remembered(maps: Path, cache: Path) -> None:
    files, index = sorted(maps.rglob("*.png")), cache / "index.json"
    FileHashes(index).hashes(files)
    assert index.read_text() == "{}"


def test_a_damaged_index_is_made_anew(maps: Path, cache: Path) -> None:
    files, index = sorted(maps.rglob("*.png")), cache / "index.json"
    for damage in ("", "{", "\x00"):
        index.write_text(damage)
        assert len(set(FileHashes(index).hashes(files))) == 4


def test_changed_content_is_decoded_again(maps: Path, cache: Path) -> None:
    before = load(maps, cache)
    old = open_dataset("maps", root=maps).fingerprint("train")
    path = maps / "train" / "2.png"
    status = path.stat()
    save(path, 77)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = load(maps, cache)
    assert after.key != before.key
    assert open_dataset("maps", root=maps).fingerprint("train") != old
    same = [np.array_equal(a, b) for a, b in zip(before.target, after.target, strict=True)]
    assert same == [True, True, False, True]


def test_a_moved_folder_shares_the_cache(
    maps: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(maps, cache)
    moved = maps.rename(tmp_path / "elsewhere")
    forbid_decoding(monkeypatch)
    assert load(moved, cache).key == first.key


def test_arrays_are_read_only_memory_maps(maps: Path, cache: Path) -> None:
    pairs = load(maps, cache)
    for array in (pairs.source, pairs.target):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
    before = pairs.source.sum()
    release_pages(pairs)
    assert pairs.source.sum() == before


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_stays_flat_while_decoding_and_after_release(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    image = np.full((512, 512, 3), 7, np.uint8)
    names = tuple(str(i) for i in range(120))  # 189 MB in all
    start = resident()
    pairs = load_split(tmp_path, "k", names, lambda i: Sample(image, image, None))
    assert resident() - start < 60e6
    assert int(pairs.source[..., 0].sum()) == 7 * 512 * 512 * 120
    touched = resident()
    release_pages(pairs)
    assert touched - resident() > 60e6


def test_damaged_cache_is_decoded_again(maps: Path, cache: Path) -> None:
    first = load(maps, cache)
    expected = np.array(first.source)
    for name, damage in (("source.npy", b"\x93NUMPY"), ("meta.json", b"{}"), ("target.npy", b"")):
        (cache / "decoded" / first.key / name).write_bytes(damage)
        assert np.array_equal(load(maps, cache).source, expected)


def test_an_error_leaves_nothing_behind(maps: Path, cache: Path) -> None:
    (maps / "train" / "3.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"3\.png"):
        load(maps, cache)
    assert list(cache.glob("decoded/*")) == []


def test_old_leftovers_are_removed_and_young_ones_kept(maps: Path, cache: Path) -> None:
    old, young = cache / "decoded" / ".tmp-old", cache / "decoded" / ".tmp-young"
    old.mkdir(parents=True)
    young.mkdir()
    os.utime(old, (time.time() - 1e6,) * 2)
    load(maps, cache)
    assert not old.exists()
    assert young.exists()


def test_a_cache_that_cannot_be_written(maps: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(UsageError, match=f"{taken}.*PIX2PIX_BENCH_CACHE"):
        load(maps, taken)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(maps: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(folder: Path, name: str, count: int, first: Any) -> IO[bytes]:
        return open("/dev/full", "wb")

    monkeypatch.setattr(cache_module, "_start", start)
    with pytest.raises(UsageError, match="No space left"):
        load(maps, cache)
    assert list(cache.glob("decoded/*")) == []


def test_progress_counts_pairs_and_is_silent_on_a_hit(maps: Path, cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    for _ in range(2):
        data = open_dataset("maps", root=maps)
        data.load("train", size_px=8, cache=cache, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def decode_and_report(cache: Path, barrier: Any, answers: Any) -> None:
    """One of two processes that want the same split at once."""
    decoded = []

    def read(index: int) -> Sample:
        decoded.append(index)
        time.sleep(0.1)
        image = np.full((4, 4, 3), index, np.uint8)
        return Sample(image, image, None)

    barrier.wait(20)
    pairs = load_split(cache, "same", ("a", "b", "c"), read)
    answers.put((sorted(decoded), pairs.source[:, 0, 0, 0].tolist()))


def test_of_two_processes_at_once_one_decodes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(2), context.Queue()
    workers = [context.Process(target=decode_and_report, args=(tmp_path, barrier, answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = sorted(answers.get(timeout=30) for _ in workers)
    assert found == [([], [0, 1, 2]), ([0, 1, 2], [0, 1, 2])]
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert [path.name for path in (tmp_path / "decoded").iterdir()] == ["same"]
    assert not list((tmp_path / "locks").iterdir())


@pytest.mark.real
def test_real_cityscapes_opens_in_a_second_the_second_time(tmp_path: Path) -> None:
    root = Path(os.environ["BENCH_REAL_DATA"])
    for attempt in range(2):
        start = time.monotonic()
        data = open_dataset("cityscapes", root=root)
        pairs = data.load("test", size_px=128, cache=tmp_path)
        taken = time.monotonic() - start
        assert data.splits == {"train": 2975, "test": 500}
        assert pairs.void_share is not None
        assert 0.1 < pairs.void_share < 0.3
        assert attempt == 0 or taken < 1.0

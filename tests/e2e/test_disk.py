"""A disk that is full, or an output that cannot be written midway: the rest goes on."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import bench_process
import pytest

from baselines.trainer import Trainer
from bench.cli.main import invoke
from bench.core.files import is_leftover
from bench.records.record import read_records

GRID = [
    *("run", "--variants", "l1,l1+cgan", "--dataset", "toycity", "--size", "32", "--base-filters", "16"),
    *("--steps", "4", "--train-limit", "8", "--test-limit", "4", "--judge", "none", "--metrics", "ssim"),
    *("--device", "cpu", "--threads", "1", "--checkpoint-every", "0"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    assert invoke([*GRID, "--out", str(out), "--keep", "all"]) == 0
    return out


def results(out: Path) -> dict[str, object]:
    content: dict[str, object] = {record.id: (record.status, record.results) for record in read_records(out)}
    for path in (*out.glob("runs/*/checkpoint.safetensors"), *out.glob("predictions/*/*.png")):
        content[str(path.relative_to(out))] = path.read_bytes()
    return content


def status(out: Path) -> dict[str, tuple[str, str]]:
    return {r.label: (r.status, str(r.error)) for r in read_records(out) if r.kind == "run"}


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_file_that_does_not_fit_costs_its_run_alone(whole: Path, tmp_path: Path) -> None:
    sizes = {path.parent.name: path.stat().st_size for path in whole.glob("runs/*/checkpoint.safetensors")}
    limit = int(3.3 * max(sizes.values()))  # the state of l1 fits, that of l1+cgan does not
    out, said, cache = tmp_path / "out", tmp_path / "said", tmp_path / "cache"
    grid = [*GRID, "--out", str(out)]
    assert bench_process.start(grid, said, cache, partial(limit_files, limit)).wait() == 4, said.read_text()
    found = status(out)
    assert found["l1"][0] == "finished", said.read_text()
    assert found["l1+cgan"][0] == "failed"
    assert "too large" in found["l1+cgan"][1]
    assert not list(out.glob("runs/*/.tmp-*"))
    assert bench_process.run(grid, said, cache) == 0
    assert results(out) == results(whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "bench-test", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_refused_or_survived(
    whole: Path, small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, ballast = small_disk / "out", small_disk / "ballast"
    grid = [*GRID, "--out", str(out)]
    ballast.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 200_000))
    assert invoke(grid) == 2
    assert "--no-space-check" in capfd.readouterr().err
    assert not out.exists()
    assert invoke([*grid, "--no-space-check"]) == 4
    assert "No space left" in capfd.readouterr().err
    with suppress(OSError), ballast.open("ab", buffering=0) as more:  # not a byte is left for a record
        while more.write(b"x" * 4096):
            pass
    assert invoke([*grid, "--no-space-check"]) == 4
    assert "no record could be written" in capfd.readouterr().err
    ballast.unlink()
    assert invoke(grid) == 0
    assert results(out) == results(whole)


def read_only(out: Path) -> Callable[[], None]:
    """The folder `out` takes no more, though its files can be read; the answer undoes it."""
    there = str(out)
    mounted = subprocess.run(["mount", "--bind", there, there], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.decode().strip()}")
    subprocess.run(["mount", "-o", "remount,bind,ro", there], check=True)

    def undo() -> None:
        subprocess.run(["umount", "--lazy", there], check=True)

    return undo


def file_in_the_way(out: Path) -> Callable[[], None]:
    """What stops even root where nothing can be mounted: OUT/runs is a file."""
    runs, aside = out / "runs", out.parent / "aside"
    runs.rename(aside)
    runs.write_text("in the way")

    def undo() -> None:
        runs.unlink()
        aside.rename(runs)

    return undo


@pytest.mark.parametrize(
    ("stop", "reason"), [(read_only, "Read-only file system"), (file_in_the_way, "Not a directory")]
)
def test_an_output_that_cannot_be_written_midway_fails_and_goes_on_later(
    stop: Callable[[Path], Callable[[], None]],
    reason: str,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It happens in the middle of the second training, after step 2 was saved."""
    out = tmp_path / "out"
    grid, undo, step = [*GRID, "--out", str(out)], [], Trainer.step

    def stopped(self: Trainer) -> None:
        if self.variant.name == "l1+cgan" and self.steps_done == 2 and not undo:
            undo.append(stop(out))
        step(self)

    monkeypatch.setattr(Trainer, "step", stopped)
    try:
        assert invoke(grid) == 4
        found = status(out)
    finally:
        undo[0]()
    said = capfd.readouterr().err
    assert sum(line.startswith("bench: ") for line in said.splitlines()) == 1
    assert reason in said
    assert "Traceback" not in said
    assert found["l1"][0] == "finished"
    assert "l1+cgan" not in found or reason in found["l1+cgan"][1]
    assert not [path for path in out.rglob(".*") if is_leftover(path)]
    assert invoke(grid) == 0
    assert "goes on at step 2" in capfd.readouterr().err
    assert results(out) == results(whole)


def test_predictions_that_cannot_be_written_fail_and_are_made_later(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "predictions").write_text("a file is in the way, which stops even root")
    grid = [*GRID, "--out", str(out)]
    assert invoke(grid) == 4
    assert {state for state, _ in status(out).values()} == {"failed"}
    assert all("predictions" in error for _, error in status(out).values())
    (out / "predictions").unlink()
    assert invoke(grid) == 0
    assert results(out) == results(whole)


def test_the_room_is_stated_before(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke([*GRID, "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    shown = capfd.readouterr().out
    assert "MB checkpoints" in shown
    assert "MB states" in shown


def test_generators_are_kept_as_asked_and_cleaned(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    before = {path: path.read_bytes() for path in out.glob("records/*")}
    assert (
        len(list(out.glob("runs/*/checkpoints/*.safetensors"))) == 2 * 3
    )  # at each of four steps but the last
    (next(out.glob("runs/*")) / "state.safetensors.damaged").write_text("x")
    half = [
        out / "records" / ".tmp-a.json",
        out / "gallery" / ".partial-b" / ".tmp-c",
        out / ".partial-report",
    ]
    half += [next(out.glob("runs/*/samples")) / ".tmp-sample.png"]
    young = out / "records" / ".tmp-young.json"  # somebody may be writing it
    for path in (*half, young):
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    for path in (*half, half[1].parent):
        os.utime(path, (time.time() - 7200,) * 2)
    assert invoke(["clean", str(out), "--dry-run"]) == 0
    assert "would be freed" in capfd.readouterr().out
    assert len(list(out.glob("runs/*/checkpoint.safetensors"))) == 2
    assert invoke(["clean", str(out), "--predictions"]) == 0
    assert "checkpoints: " in capfd.readouterr().out
    assert not [
        *out.glob("runs/*/*.safetensors"),
        *out.glob("runs/*/*.damaged"),
        *out.glob("runs/*/checkpoints"),
    ]
    assert [path for path in out.rglob(".*") if is_leftover(path)] == [young]
    young.unlink()
    assert {path: path.read_bytes() for path in out.glob("records/*")} == before
    assert invoke([*GRID, "--out", str(out)]) == 0
    assert capfd.readouterr().err.count("finished before, skipped") == 2
    assert invoke([*GRID, "--out", str(tmp_path / "none"), "--keep", "none", "--variants", "l1"]) == 0
    assert not list((tmp_path / "none").glob("runs/*/*.safetensors"))
    again = ["--variants", "l1", "--metrics", "psnr", "--keep", "none"]
    assert invoke([*GRID, "--out", str(tmp_path / "none"), *again]) == 0
    assert "train " not in capfd.readouterr().err
    assert not list((tmp_path / "none").glob("runs/*/*.safetensors"))

"""A grid that is killed at any moment and started again ends as one that was not, bit for bit."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bench_process
import pandas as pd
import pytest
from waiting import wait_for

from bench.core.files import is_leftover
from bench.records.record import per_image_path, read_records

GRID = [
    *("run", "--variants", "l1,l1+cgan", "--dataset", "toycity", "--size", "32", "--base-filters", "4"),
    *("--steps", "12", "--train-limit", "12", "--test-limit", "4", "--device", "cpu", "--threads", "1"),
    *("--checkpoint-every", "0"),
]
WITHOUT_JUDGE = [*GRID, "--judge", "none", "--metrics", "ssim,diversity"]
WITH_JUDGE = [*GRID, "--judge", "fcn-small", "--metrics", "ssim,diversity,fcn_pixel_acc,fd_lite0"]
# What a process was doing, by the innermost of these that is on its stack; else it was starting or planning.
STAGES = {
    "training the judge": ("judges/train_network.py", "judges/trained.py"),
    "decoding": ("in _decode",),
    "reference rows": ("in _references",),
    "training": ("bench/stages/train.py",),
    "generating": ("bench/stages/generate.py",),
    "scoring": ("bench/scoring/one_pass.py", "in score\n"),
    "illustrating": ("bench/stages/illustrate.py",),
    "report": ("bench/report/",),
}


@dataclass
class Whole:
    """An uninterrupted grid.

    Attributes:
        grid: its command line.
        cache: filled.
        content: what came of it.
        seconds: of CPU time that it took with an empty cache.
    """

    grid: list[str]
    cache: Path
    content: dict[str, Any]
    seconds: float


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return uninterrupted(WITHOUT_JUDGE, tmp_path_factory.mktemp("whole"))


def uninterrupted(grid: list[str], folder: Path) -> Whole:
    process = start(grid, folder)
    assert process.wait() == 0, (folder / "said").read_text()
    return Whole(grid, folder / "cache", content_of(folder / "out"), float(process.cpu.read_text()))


def start(grid: list[str], folder: Path, cache: Path | None = None) -> bench_process.BenchProcess:
    """Start a grid whose judge is trained in few steps, with its output and what it says in `folder`."""
    return bench_process.start(
        [*grid, "--out", str(folder / "out")], folder / "said", cache or folder / "cache", few_steps
    )


def few_steps() -> None:
    from bench.scoring.judges import trained as store

    recipe = store.default_recipe
    store.default_recipe = lambda *about: replace(recipe(*about), steps=15)


def content_of(out: Path) -> dict[str, Any]:
    """What a grid leaves, except times and leftovers: weights, images, records, values by image."""
    content: dict[str, Any] = {}
    for pattern in ("runs/*/checkpoint*.safetensors", "runs/*/samples/*", "predictions/*/*", "gallery/**/*"):
        files = (path for path in out.glob(pattern) if path.is_file() and not is_leftover(path))
        content |= {str(path.relative_to(out)): path.read_bytes() for path in files}
    assert not [path for path in out.glob("runs/**/.*") if is_leftover(path)]
    for record in read_records(out):
        history = [
            {key: value for key, value in entry.items() if key not in ("seconds", "data_wait")}
            for entry in record.history
        ]
        details = {key: value for key, value in record.details.items() if key != "scored_by"}
        if "cost" in details:  # the time of an image is in there
            details["cost"] = {key: value for key, value in details["cost"].items() if key != "ms_per_image"}
        if details.get("judge"):  # how long its training took is in there
            details["judge"] = {key: value for key, value in details["judge"].items() if key != "seconds"}
        values = pd.read_parquet(per_image_path(out, record.id)).to_dict("list")
        content[record.id] = (record.status, record.spec, record.results, history, details, record.gallery)
        content[f"{record.id} by image"] = {name: list(map(repr, column)) for name, column in values.items()}
    return content


def moments(count: int, until: float, seed: int) -> list[float]:
    """Random moments, one in each of `count` equal parts of the time, the earliest first.

    What a process has done the next one skips: late moments first would never meet the early stages.
    """
    rng = random.Random(seed)
    return [(part + rng.random()) / count * until for part in range(count)]


def kill_and_compare(whole: Whole, folder: Path, moments: list[float]) -> Counter[str]:
    """Kill a grid at each moment after its start, and start it again, until it is done; what the kills met.

    A grid that is done before the moment has come is compared, and the next one begins with nothing.
    """
    met: Counter[str] = Counter()
    number = 0
    for moment in [*moments, None]:
        process = start(whole.grid, folder)
        if moment is not None:
            process.after(moment)
            code = process.kill()
        else:
            code = process.wait()
        # Now and then `faulthandler`, asked for the stack, crashes the process first: as hard an end.
        assert code in (0, -signal.SIGKILL, -signal.SIGSEGV), (folder / "said").read_text()
        if code:
            met[stage(process.stack)] += 1
        else:
            assert content_of(folder / "out") == whole.content
            number += 1
            shutil.rmtree(folder / "out")
            shutil.rmtree(folder / "cache")
    print(f"{met.total()} kills, {number} grids compared: {dict(met)}")
    return met


def stage(stack: Path) -> str:
    """What a killed process was doing; one that had not come to write its stack was starting."""
    said = stack.read_text() if stack.is_file() else ""
    return next((name for name, marks in STAGES.items() if any(mark in said for mark in marks)), "starting")


def test_the_stages_name_files_that_are_there() -> None:
    code = [path.as_posix() for path in (Path(__file__).resolve().parents[2] / "bench").rglob("*")]
    named = [mark for marks in STAGES.values() for mark in marks if "/" in mark]
    assert [mark for mark in named if not any(mark.rstrip("/") in path for path in code)] == []


def test_killed_at_six_moments_it_ends_as_if_it_had_not_been(whole: Whole, tmp_path: Path) -> None:
    met = kill_and_compare(whole, tmp_path, moments(6, 0.85 * whole.seconds, seed=6))
    assert met.total() >= 4


def test_unpaired_trainings_end_so_too_with_their_way_back(tmp_path: Path) -> None:
    """With a pool that is full, and updates of D and G that take turns."""
    unpaired = ["cyclegan[generator=resnet6,pool_size=3,receptive_field=16]", "discogan[gan_curriculum=5]"]
    grid = [*WITHOUT_JUDGE, "--size", "64", "--both-directions", "--test-limit", "2"]
    grid = [",".join(unpaired) if word == "l1,l1+cgan" else word for word in grid]
    whole = uninterrupted(grid, tmp_path)
    assert len([name for name in whole.content if "checkpoint" in name]) == 4
    shutil.rmtree(tmp_path / "out")
    met = kill_and_compare(whole, tmp_path, [share * whole.seconds for share in (0.4, 0.45, 0.5)])
    assert met.total() >= 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_fifty_moments(tmp_path: Path) -> None:
    scored = uninterrupted(WITH_JUDGE, tmp_path)
    shutil.rmtree(tmp_path / "out")
    shutil.rmtree(tmp_path / "cache")
    met: Counter[str] = Counter()
    rng = random.Random(50)
    while met.total() < 50:  # a grid that goes on may be done before its moment
        count = min(5, 50 - met.total())
        met += kill_and_compare(scored, tmp_path, moments(count, 0.8 * scored.seconds, rng.randrange(10**6)))
    print(f"in all: {dict(met)}")
    assert len(met) >= 5


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_any_stage_ends_it_with_its_code(
    whole: Whole, tmp_path: Path, number: int, exit_code: int
) -> None:
    codes = []
    for moment in moments(2, 0.8 * whole.seconds, seed=number):
        process = start(whole.grid, tmp_path, whole.cache)
        process.after(moment + 0.05)
        process.send(number)
        codes.append(process.wait())
    said = (tmp_path / "said").read_text()
    assert set(codes) <= {0, exit_code}, said
    assert exit_code in codes
    assert "Traceback" not in said
    assert not list((tmp_path / "out").glob("locks/*"))
    assert start(whole.grid, tmp_path, whole.cache).wait() == 0
    assert content_of(tmp_path / "out") == whole.content


def test_two_processes_share_a_grid(whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "out"
    both = [
        bench_process.start(
            ["--plugin", str(plugin(tmp_path)), *WITHOUT_JUDGE, "--out", str(out)],
            tmp_path / f"said-{name}",
            whole.cache,
        )
        for name in "ab"
    ]
    assert [process.wait() for process in both] == [0, 0]
    trained = (tmp_path / "trained").read_text().split()
    assert sorted(trained) == ["l1", "l1+cgan"], "each run is trained by one of them"
    assert content_of(out) == whole.content
    assert not list(out.glob("locks/*"))


def test_the_run_of_a_killed_process_is_taken_over_by_one_that_waits(whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one = ["--plugin", str(plugin(tmp_path)), *WITHOUT_JUDGE, "--out", str(out), "--variants", "l1+cgan"]
    first = bench_process.start(one, tmp_path / "said-a", whole.cache)
    wait_for(lambda: list(out.glob("runs/*/state.safetensors")))
    os.kill(first.pid, signal.SIGSTOP)  # its lock is held, it does nothing
    second = bench_process.start(one, tmp_path / "said-b", whole.cache)
    said = tmp_path / "said-b"
    wait_for(lambda: said.is_file() and f"process {first.pid} on " in said.read_text())
    assert second.process.is_alive()
    first.kill()
    assert second.wait() == 0
    assert "goes on at step" in said.read_text()
    content = content_of(out)
    assert content == {key: whole.content[key] for key in content}
    assert len(list(out.glob("runs/*/checkpoint.safetensors"))) == 1


def plugin(folder: Path) -> Path:
    """A plug-in that writes down which runs are trained to their end."""
    path = folder / "count.py"
    path.write_text(
        f"""
from bench.stages.train import TrainingStage

finish = TrainingStage._finish

def counted(self, trainer):
    with open({str(folder / "trained")!r}, "a") as file:
        file.write(self.spec.label + "\\n")
    finish(self, trainer)

TrainingStage._finish = counted
"""
    )
    return path

"""A grid that is killed at any moment and started again ends as one that was not, bit for bit."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_process
import pandas as pd
import pytest

from bench.records import per_image_path, read_records

GRID = [
    *("run", "--variants", "l1,l1+cgan", "--dataset", "toycity", "--size", "32", "--base-filters", "4"),
    *("--steps", "30", "--train-limit", "24", "--test-limit", "6", "--scorer", "none"),
    *("--metrics", "ssim,hf_ratio,diversity", "--device", "cpu", "--threads", "1"),
    *("--checkpoint-every", "0.02"),
]


@dataclass
class Whole:
    """An uninterrupted grid.

    Attributes:
        cache: filled.
        content: what came of it.
        seconds: what it took, with an empty cache and with a filled one.
    """

    cache: Path
    content: dict[str, Any]
    seconds: tuple[float, float]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    bench_process.run(["list", "variants"], folder / "said", folder / "cache")  # the fork server is up
    seconds = []
    for name in ("cold", "warm"):
        began = time.monotonic()
        assert bench_process.run([*GRID, "--out", str(folder / name)], folder / "said", folder / "cache") == 0
        seconds.append(time.monotonic() - began)
    assert content_of(folder / "cold") == content_of(folder / "warm")
    return Whole(folder / "cache", content_of(folder / "cold"), (seconds[0], seconds[1]))


def content_of(out: Path) -> dict[str, Any]:
    """All that a grid leaves, but for times: weights, predictions, samples, records, values by picture."""
    content: dict[str, Any] = {}
    for pattern in ("runs/*/checkpoint.safetensors", "runs/*/samples/*", "predictions/*/*", "gallery/*/*/*"):
        content |= {str(path.relative_to(out)): path.read_bytes() for path in out.glob(pattern)}
    for record in read_records(out):
        history = [
            {key: value for key, value in entry.items() if key not in ("seconds", "data_wait")}
            for entry in record.history
        ]
        details = {key: value for key, value in record.details.items() if key != "scored_by"}
        values = pd.read_parquet(per_image_path(out, record.id)).to_dict("list")
        content[record.id] = (record.status, record.spec, record.results, history, details, record.gallery)
        content[f"{record.id} by picture"] = {
            name: list(map(repr, column)) for name, column in values.items()
        }
    return content


def moments(count: int, until: float, seed: int) -> list[float]:
    """Random moments, one in each of `count` equal parts of the time, in random order."""
    rng = random.Random(seed)
    chosen = [(part + rng.random()) / count * until for part in range(count)]
    rng.shuffle(chosen)
    return chosen


def kill_and_compare(whole: Whole, folder: Path, delays: list[float], cold: bool) -> int:
    """Kill a grid at each moment after its start, and start it again, until it is done; the number of kills.

    A grid that is done before the moment has come is compared, and the next one begins with an empty output.
    """
    kills = number = 0
    out, cache = folder / "out", folder / "cache" if cold else whole.cache
    for delay in [*delays, None]:
        arguments = [*GRID, "--out", str(out)]
        process = bench_process.start(arguments, folder / "said", cache)
        if delay is not None:
            time.sleep(delay)
            code = process.kill()
            kills += code == -signal.SIGKILL
        else:
            code = process.wait()
        assert code in (0, -signal.SIGKILL), (folder / "said").read_text()
        if code == 0:
            assert content_of(out) == whole.content
            number += 1
            shutil.rmtree(out)
            if cold:
                shutil.rmtree(cache)
    assert number >= 1
    return kills


@pytest.mark.parametrize(("count", "cold"), [(4, False), (2, True)])
def test_killed_at_six_moments_it_ends_as_if_it_had_not_been(
    whole: Whole, tmp_path: Path, count: int, cold: bool
) -> None:
    """Four moments with a filled cache (training to report), two with an empty one (decoding, too)."""
    delays = moments(count, whole.seconds[not cold], seed=count)
    assert kill_and_compare(whole, tmp_path, delays, cold) >= count - 1


@pytest.mark.slow
@pytest.mark.parametrize(("count", "cold"), [(30, False), (20, True)])
def test_killed_at_fifty_moments(whole: Whole, tmp_path: Path, count: int, cold: bool) -> None:
    delays = moments(count, whole.seconds[not cold], seed=50 + count)
    kills = kill_and_compare(whole, tmp_path, delays, cold)
    print(f"{kills} kills at {[round(delay, 2) for delay in delays]} s")
    assert kills >= 0.7 * count


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_any_stage_ends_it_with_its_code(
    whole: Whole, tmp_path: Path, number: int, exit_code: int
) -> None:
    codes = []
    for delay in moments(3, 0.9 * whole.seconds[1], seed=number):
        process = bench_process.start([*GRID, "--out", str(tmp_path / "out")], tmp_path / "said", whole.cache)
        time.sleep(delay + 0.05)
        process.send(number)
        codes.append(process.wait())
    said = (tmp_path / "said").read_text()
    assert set(codes) <= {0, exit_code}, said
    assert exit_code in codes
    assert "Traceback" not in said
    assert not list((tmp_path / "out").glob("locks/*"))
    assert bench_process.run([*GRID, "--out", str(tmp_path / "out")], tmp_path / "said", whole.cache) == 0
    assert content_of(tmp_path / "out") == whole.content


def test_two_processes_share_a_grid(whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "out"
    both = [
        bench_process.start(
            ["--plugin", str(plugin(tmp_path)), *GRID, "--out", str(out)],
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
    one = ["--plugin", str(plugin(tmp_path)), *GRID, "--out", str(out), "--variants", "l1+cgan"]
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
from bench.training import TrainingStage

finish = TrainingStage._finish

def counted(self, trainer):
    with open({str(folder / "trained")!r}, "a") as file:
        file.write(self.spec.label + "\\n")
    finish(self, trainer)

TrainingStage._finish = counted
"""
    )
    return path


def wait_for(condition, seconds: float = 60) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

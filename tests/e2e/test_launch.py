"""Worker processes give the results of one process, even if some of them die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import bench_process
import pandas as pd
import pytest
from waiting import wait_for

from bench.cli.main import invoke
from bench.core.resources import cache_dir
from bench.records.record import RunRecord, read_records

SMALL = [
    "--steps", "20", "--dataset", "toycity", "--size", "32", "--base-filters", "8", "--device", "cpu",
    "--threads", "1", "--train-limit", "40", "--test-limit", "6",
]  # fmt: skip
GRID = ["run", "--variants", "l1,gan,l1+cgan", *SMALL, "--metrics", "ssim,hf_ratio", "--judge", "none"]
TRAIN = ["train", "--variants", "l1,l1+cgan", *SMALL]
JOBS = ["--jobs", "2"]

# Loaded by the driver and its workers; acts in the workers alone, once for each file that it leaves.
FAULT = """
import os, signal, sys, time
from pathlib import Path
from baselines.trainer import Trainer

marks, variant, times, action = Path({marks!r}), {variant!r}, {times}, {action!r}
step = Trainer.step

def faulty(self):
    step(self)
    done = len(list(marks.glob(variant + "-*")))
    if self.variant.name == variant and self.steps_done == 17 and done < times:
        (marks / f"{{variant}}-{{done}}").write_text(str(os.getpid()))
        whom = os.getpid() if action == "worker" else os.getppid()
        os.kill(whom, signal.SIGKILL if action in ("worker", "driver") else getattr(signal, action))
        time.sleep(2)  # the driver's signal, or its end, arrives meanwhile

if getattr(sys.modules["__main__"].__spec__, "name", "") == "bench.launch.run_worker":
    Trainer.step = faulty
"""


@pytest.fixture
def fault(tmp_path: Path):  # type: ignore[no-untyped-def]
    """`fault(variant, times, action)`: the plugin options, and the folder of the marks that it leaves."""

    def write(variant: str, times: int, action: str) -> list[str]:
        marks = tmp_path / "marks"
        marks.mkdir(exist_ok=True)
        file = tmp_path / f"fault-{variant}.py"
        file.write_text(FAULT.format(marks=str(marks), variant=variant, times=times, action=action))
        return ["--plugin", str(file)]

    return write


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid in one process."""
    out = tmp_path_factory.mktemp("alone") / "out"
    assert invoke([*GRID, "--out", str(out)]) == 0
    return out


def by_label(out: Path) -> dict[str, RunRecord]:
    return {record.label: record for record in read_records(out)}


def assert_same_run(out: Path, alone: Path, label: str) -> None:
    """Weights, predictions, values and those of every image: bit for bit."""
    record, wanted = by_label(out)[label], by_label(alone)[label]
    assert record.results == wanted.results
    assert record.environment["threads"] == 1
    assert record.details["predictions"] == wanted.details["predictions"]
    table = f"records/{record.id}.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(out / table), pd.read_parquet(alone / table))
    weights = f"runs/{record.id}/checkpoint.safetensors"
    assert (out / weights).read_bytes() == (alone / weights).read_bytes()


def test_workers_give_the_results_of_one_process_and_death_costs_one_run(
    alone: Path, tmp_path: Path, fault, capfd: pytest.CaptureFixture[str]
) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "out"
    faults = [*fault("l1", 2, "worker"), *fault("gan", 1, "worker")]  # beyond the one retry; within it
    assert invoke([*faults, *GRID, *JOBS, "--out", str(out)]) == 4
    said = capfd.readouterr().err
    assert said.count("it is tried again after the others") == 2
    assert "1 of 7 rows failed" in said
    failed = by_label(out)["l1"]
    assert failed.status == "failed"
    assert failed.error == "worker died of signal 9 (out of memory?), 2 times"
    assert_same_run(out, alone, "gan")
    assert_same_run(out, alone, "l1+cgan")
    assert invoke([*GRID, "--out", str(out)]) == 0
    assert_same_run(out, alone, "l1")


# The worker that trains l1+cgan leaks until the system gives it no more.
LEAK = """
import resource, sys
from pathlib import Path
import torch
from baselines.trainer import Trainer

step, leaked = Trainer.step, []

def leaking(self):
    step(self)
    if self.variant.name == "l1+cgan" and self.steps_done == 5:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
        while True:
            leaked.append(torch.zeros(1 << 20))

if getattr(sys.modules["__main__"].__spec__, "name", "") == "bench.launch.run_worker":
    Trainer.step = leaking
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux: its limit of address space")
def test_a_worker_without_memory_costs_one_run(
    alone: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, plugin = tmp_path / "out", tmp_path / "leak.py"
    plugin.write_text(LEAK)
    grid = [*GRID, "--variants", "l1+cgan,l1", "--out", str(out)]
    assert invoke(["--plugin", str(plugin), *grid, *JOBS]) == 4
    said = capfd.readouterr().err
    assert "1 of 6 rows failed" in said
    assert "Traceback" not in said
    failed = by_label(out)["l1+cgan"]
    assert failed.status == "failed"
    assert str(failed.error).startswith("out of memory: ")
    assert "you tried to allocate 4194304 bytes" in str(failed.error)
    assert_same_run(out, alone, "l1")
    assert invoke(grid) == 0
    assert_same_run(out, alone, "l1+cgan")


@pytest.mark.parametrize(("name", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_all_workers_with_their_state_saved(
    name: str, exit_code: int, alone: Path, tmp_path: Path, fault
) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "out"
    grid = [*TRAIN, "--out", str(out)]
    assert invoke([*fault("l1+cgan", 1, name), *grid, *JOBS]) == exit_code
    assert not is_alive(int((tmp_path / "marks" / "l1+cgan-0").read_text()))
    assert list(out.glob("runs/*l1+cgan*/state*"))
    assert invoke(grid) == 0
    weights = f"runs/{by_label(alone)['l1+cgan'].id}/checkpoint.safetensors"
    assert (out / weights).read_bytes() == (alone / weights).read_bytes()


def test_workers_leave_when_their_driver_is_killed(tmp_path: Path, fault) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "out"
    command = [*fault("l1+cgan", 1, "driver"), *TRAIN, *JOBS, "--out", str(out)]
    assert bench_process.run(command, tmp_path / "said", cache_dir()) == -signal.SIGKILL
    worker = int((tmp_path / "marks" / "l1+cgan-0").read_text())
    wait_for(lambda: not is_alive(worker), seconds=20)
    assert list(out.glob("runs/*l1+cgan*/state*"))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("bad", ["0", "-1", "two", "1.5", "9999"])
def test_odd_numbers_of_jobs_are_refused(bad: str, tmp_path: Path) -> None:
    assert invoke([*GRID, "--jobs", bad, "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()

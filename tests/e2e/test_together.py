"""The real command as two processes on one run, started by torchrun and as Slurm's srun would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import bench_process
import pytest
from bench_process import BenchProcess

from baselines.parallel import Ranks
from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.core.resources import cache_dir
from bench.launch.train_together import check_shares
from bench.records.record import RunRecord, read_records
from bench.spec.variants import get_variant
from bench.stages.ranks import Place, place

LABEL = "l1+cgan"
GRID = [
    "run", "--variants", LABEL, "--dataset", "toycity", "--size", "32", "--steps", "4",
    "--batch-size", "4", "--base-filters", "4", "--train-limit", "20", "--test-limit", "20",
    "--device", "cpu", "--threads", "1",
    "--judge", "none", "--metrics", "ssim,mae,hf_ratio,lab_l,pixel_acc@5,diversity",
]  # fmt: skip
LONG = [*GRID[:2], "l1", *GRID[3:8], "20000", *GRID[9:], "--checkpoint-every", "0.2"]
SECONDS = 120.0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid by one process."""
    out = tmp_path_factory.mktemp("alone") / "out"
    assert invoke([*GRID, "--out", str(out)]) == 0
    return out


@pytest.fixture
def by_srun(tmp_path: Path) -> Iterator[Callable[[list[str]], list[BenchProcess]]]:
    """`by_srun(arguments)` starts two processes as srun does; none of them outlives its test."""
    started: list[BenchProcess] = []

    def start(arguments: list[str]) -> list[BenchProcess]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "SLURM_NTASKS": "2"}
        for rank in ("0", "1"):
            place = {**meeting, "SLURM_PROCID": rank, "SLURM_LOCALID": rank}
            said = tmp_path / f"said-{len(started)}"
            started.append(bench_process.start(arguments, said, cache_dir(), partial(stand_at, place)))
        return started[-2:]

    yield start
    for process in started:
        process.send(signal.SIGKILL)
        process.wait()


def stand_at(place: dict[str, str]) -> None:
    """What srun tells a process by its environment."""
    os.environ.update(place)


def wait_until(there: Callable[[], bool]) -> None:
    ends = time.monotonic() + SECONDS
    while not there():
        assert time.monotonic() < ends
        time.sleep(0.05)


def runs(out: Path) -> dict[str, RunRecord]:
    return {record.label: record for record in read_records(out) if record.kind == "run"}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid by two processes."""
    out = tmp_path_factory.mktemp("together") / "out"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "bench", *GRID, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("report: ") == 1  # one process speaks
    return out


def test_torchrun_trains_the_same_run(alone: Path, together: Path) -> None:
    whole, shared = runs(alone), runs(together)
    assert whole.keys() == shared.keys() == {LABEL}
    for label, record in shared.items():
        assert record.id == whole[label].id
        assert (record.environment["world_size"], record.environment["backend"]) == (2, "gloo")
        assert whole[label].environment["world_size"] == 1
        assert record.details["scored_by"]["command"] == record.environment["command"]  # by the first process
        for mine, its in zip(record.history, whole[label].history, strict=True):
            for key in (key for key in its if "loss" in key):
                assert mine[key] == pytest.approx(its[key], rel=2e-3), (label, key, its["step"])
        assert record.results["ssim"].n == 20
        assert record.results["ssim"].value == pytest.approx(whole[label].results["ssim"].value, abs=1e-3)


def test_what_cannot_be_shared_is_refused() -> None:
    training = SimpleNamespace(batch_size=3)
    run = SimpleNamespace(label="l1", training=training, variant=get_variant("l1"))
    plans = [SimpleNamespace(runs=[run])]
    ranks = Ranks(0, 2)
    with pytest.raises(
        UsageError, match="divisible by 2 processes, found 3 for l1: use --batch-size 4, or --jobs 2"
    ):
        check_shares(ranks, plans, 1)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="one run at a time by 2 processes, found --jobs auto"):
        check_shares(ranks, plans, "auto")  # type: ignore[arg-type]


def test_a_killed_rank_ends_the_other(
    tmp_path: Path, by_srun: Callable[[list[str]], list[BenchProcess]]
) -> None:
    first, second = by_srun([*LONG, "--out", str(tmp_path / "out")])
    wait_until(lambda: any((tmp_path / "out" / "runs").glob("*/state.safetensors")))
    second.send(signal.SIGKILL)
    assert first.wait() == 4
    said = first.stderr.read_text()
    assert "bench: rank 0 of 2 lost another rank, which died or hangs; the same command goes on" in said
    assert not runs(tmp_path / "out")  # no record of a failure that is not the run's


@pytest.mark.slow
def test_a_run_goes_on_and_a_signal_to_any_rank_saves_it(
    tmp_path: Path, by_srun: Callable[[list[str]], list[BenchProcess]]
) -> None:
    long, folders = [*LONG, "--out", str(tmp_path / "out")], tmp_path / "out" / "runs"

    def saved() -> int:
        """When the state was saved last, in nanoseconds."""
        return max((path.stat().st_mtime_ns for path in folders.glob("*/state.safetensors")), default=0)

    for goes_on in (False, True):
        before = saved()
        first, second = by_srun(long)
        wait_until(lambda before=before: saved() > before)
        second.send(signal.SIGTERM)  # to the one that writes nothing
        assert first.wait() == 143
        assert ("goes on at step" in first.stderr.read_text()) == goes_on
        second.wait()


def test_a_place_is_read_from_torchrun_or_slurm() -> None:
    meeting = {"MASTER_ADDR": "host", "MASTER_PORT": "1"}
    torchrun = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", **meeting}
    slurm = {"SLURM_PROCID": "3", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1"}
    assert place({}) is None
    assert place(torchrun) == place({**slurm, **meeting}) == Place(3, 8, 1)
    assert place(slurm) is None  # a batch script, which has them too
    assert place({**torchrun, "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}) is None
    for wrong in ({"RANK": "8"}, {"RANK": "x"}, {"WORLD_SIZE": ""}, {"LOCAL_RANK": "-1"}):
        with pytest.raises(UsageError, match="in the environment, found"):
            place({**torchrun, **wrong})
    with pytest.raises(UsageError, match="found no MASTER_PORT"):
        place({key: value for key, value in torchrun.items() if key != "MASTER_PORT"})


@pytest.mark.parametrize("command", [["check", "out"], ["score", "out"], ["list", "metrics"]])
def test_other_commands_are_for_one_process(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    assert invoke(command) == 2
    assert f"bench {command[0]} runs in one process" in capfd.readouterr().err

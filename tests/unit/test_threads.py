"""The default number of CPU threads: what other work leaves free, and what an output began with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.core import cores as machine
from bench.launch import threads
from bench.launch.threads import Threads, default_threads, keep_threads


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 8)
    monkeypatch.setattr(threads, "busy_cores", lambda: 6)


def test_new_work_takes_what_is_free_and_says_so(tmp_path: Path) -> None:
    found = default_threads(tmp_path)
    assert found == Threads(2, "2 of 8 threads: about 6 of 8 cores are busy; --threads N chooses")
    assert default_threads(tmp_path, jobs=2).count == 1
    assert default_threads(None, jobs=8) == Threads(None)  # one thread a run is its share


def test_an_idle_machine_gives_all_cores_and_a_full_one_gives_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "busy_cores", lambda: 0)
    assert default_threads(tmp_path) == Threads(None)
    monkeypatch.setattr(threads, "busy_cores", lambda: 40)
    assert default_threads(tmp_path).count == 1


def test_an_output_keeps_the_number_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_threads(tmp_path, 3)
    monkeypatch.setattr(threads, "busy_cores", lambda: 0)
    found = default_threads(tmp_path)
    assert found.count == 3
    assert found.said == f"3 of 8 threads, as {tmp_path} began; --threads N chooses"
    keep_threads(tmp_path, 8)
    assert default_threads(tmp_path) == Threads(8)
    assert default_threads(tmp_path, jobs=4).count == 2  # never more than there are
    (tmp_path / "threads.json").write_text("damaged")
    assert default_threads(tmp_path) == Threads(None)


def test_outputs_of_older_versions_go_on_as_they_began(tmp_path: Path) -> None:
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "spec.json").write_text("{}")
    assert default_threads(tmp_path) == Threads(None)  # it took all cores


def test_a_number_in_the_environment_is_a_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert default_threads(tmp_path) == Threads(None)


def test_busy_is_the_least_of_the_last_minute_and_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_busy_now", lambda: 2.2)
    for load, expected in [(5.7, 2), (1.4, 1), (0.2, 0)]:
        monkeypatch.setattr(machine.os, "getloadavg", lambda load=load: (load, 9.0, 9.0))
        assert machine.busy_cores() == expected


def test_busy_now_counts_the_cores_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = "cpu 9 9 9 9\ncpu0 100 0 0 100 0 0 0 0\ncpu1 0 0 0 100 0 0 0 0\ncpu2 0 0 0 0 0 0 0 0\n"
    later = "cpu 9 9 9 9\ncpu0 120 5 0 100 0 0 0 0\ncpu1 0 0 0 120 5 0 0 0\ncpu2 50 0 0 0 0 0 0 0\n"
    stat = tmp_path / "stat"
    stat.write_text(first)
    monkeypatch.setattr(machine, "_PROC", tmp_path)
    monkeypatch.setattr(machine, "_bound", lambda: {0, 1})
    monkeypatch.setattr(machine.time, "sleep", lambda seconds: stat.write_text(later))
    assert machine._busy_now() == 1.0  # cpu0 is busy, cpu1 waits for a disk, cpu2 is another's


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({}, 8),
    ],
)
def test_a_containers_quota_is_a_limit(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine, "_bound", lambda: set(range(8)))
    assert machine.cores() == expected


def test_the_kept_number_is_json(tmp_path: Path) -> None:
    keep_threads(tmp_path, 2)
    assert json.loads((tmp_path / "threads.json").read_text()) == {"threads": 2}

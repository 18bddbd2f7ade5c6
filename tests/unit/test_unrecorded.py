"""A run that failed in a worker which could not even write its record: the driver writes it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.launch.jobs import Ended
from bench.launch.local import Workers, _Pool
from bench.launch.run_job import UNWRITTEN
from bench.records.record import record_path


class Recorder:
    """A runner that remembers which failures it recorded."""

    def __init__(self) -> None:
        self.recorded: list[str] = []

    def run_failed(self, spec: Any, error: Exception) -> Any:
        self.recorded.append(str(error))
        return SimpleNamespace(status="failed", error=str(error))


def test_the_driver_writes_the_record_that_the_worker_could_not(tmp_path: Path) -> None:
    job: Any = SimpleNamespace(id="one", spec=None, launch=SimpleNamespace(out=tmp_path))
    recorder = Recorder()
    pool = _Pool(Workers(1, 1, ["cpu"]), [job], SimpleNamespace(of=lambda job: recorder), print)  # type: ignore[arg-type]
    unwritten = Ended("one", "failed", f"out of memory: less ...{UNWRITTEN}MemoryError")
    assert pool._recorded(job, unwritten) == Ended("one", "failed", "out of memory: less ...")
    assert recorder.recorded == ["out of memory: less ..."]

    for as_it_is in (Ended("one", "finished", "done"), Ended("one", "diverged", "NaN")):
        assert pool._recorded(job, as_it_is) is as_it_is
    path = record_path(tmp_path, "one")
    path.parent.mkdir()
    path.write_text("{}")
    assert pool._recorded(job, unwritten) is unwritten
    assert len(recorder.recorded) == 1

"""Runs as Slurm jobs, by submitit: one job for each run, on a file system that the nodes share.

Jobs append their events to files below OUT/slurm, beside submitit's logs, and the driver reads them. If Slurm
takes a job from its node (preemption, time limit), submitit queues it again and it continues from the run's
last saved state. If the node dies, the driver submits the job once more.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.core.errors import RunFailedError, UsageError
from bench.launch.jobs import Ended, Event, Job, Observer, Said, event_from_dict, event_to_dict
from bench.launch.remote import at_most_every, execute_here, pinned
from bench.launch.run_job import Runners, failed

_TRIES = 2
_POLL_SECONDS = 1.0
_GRACE_SECONDS = 90.0  # Slurm itself kills 30 s after it has asked
_ARRAY = 1000  # the usual MaxArraySize
_DAY_MINUTES = 24 * 60
_KNOWN = {
    "gpus": "gpus_per_node",
    "cpus": "cpus_per_task",
    "mem_gb": "mem_gb",
    "partition": "slurm_partition",
    "account": "slurm_account",
    "qos": "slurm_qos",
    "constraint": "slurm_constraint",
}
_NUMBERS = ("gpus", "cpus", "mem_gb")


@dataclass(frozen=True)
class Task:
    """The work of a Slurm job; submitit sends it to the node.

    Attributes:
        job: the run, as JSON.
        device, threads: on the node; "auto" finds its GPU.
        events: file to which events are appended.
    """

    job: dict[str, Any]
    device: str
    threads: int
    events: str

    def __call__(self) -> None:
        tell = at_most_every(1.0, partial(_append, Path(self.events)))
        execute_here(Job.from_dict(self.job), self.device, self.threads, tell)

    def checkpoint(self) -> Any:
        """What submitit queues when the job is taken from its node: the same job."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _append(path: Path, event: Event) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(event_to_dict(event)) + "\n")


@dataclass
class _Submitted:
    """A submitted job."""

    job: Job
    handle: Any
    events: Path
    tries: int
    read: int = 0


class OnSlurm:
    """Slurm, or submitit's local executor with `cluster=local`.

    Attributes:
        options: `--slurm KEY=VALUE`: partition, time (minutes or H:MM:SS), gpus, cpus, mem_gb, account, qos,
            constraint, cluster; any other is passed to sbatch unchanged.
        device: value of `--device`; resolved on the node.
        threads: CPU threads of a run; by default as many as Slurm gives it.
        at_once: jobs at once; None: no limit.
    """

    def __init__(
        self, options: Mapping[str, str], device: str, threads: int | None, at_once: int | None
    ) -> None:
        try:
            import submitit  # noqa: F401
        except ImportError:
            raise UsageError("expected submitit, found none: pip install 'pix2pix-bench[slurm]'") from None
        self.cluster = options.get("cluster", "slurm")
        if self.cluster not in ("slurm", "local"):
            raise UsageError(f"expected --slurm cluster=slurm or local, found '{self.cluster}'")
        if self.cluster == "slurm" and shutil.which("srun") is None:
            raise UsageError("expected Slurm's srun on this machine, found none: start from a login node")
        self.parameters = parameters(options, at_once)
        self.device, self.threads = device, threads or int(self.parameters["cpus_per_task"])

    def run(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        """See `bench.launch.run_job.Launcher`."""
        import submitit

        if not jobs:
            return
        folder = jobs[0].launch.out.absolute() / "slurm"
        executor = submitit.AutoExecutor(folder=folder / "logs", cluster=self.cluster)
        chosen = {k: v for k, v in self.parameters.items() if self.cluster == "slurm" or "slurm" not in k}
        executor.update_parameters(name="pix2pix-bench", **chosen)
        under_way: list[_Submitted] = []
        try:
            for start in range(0, len(jobs), _ARRAY):
                under_way += self._submit(executor, jobs[start : start + _ARRAY], folder, runners)
            while under_way:
                time.sleep(_POLL_SECONDS)
                for one in list(under_way):
                    is_over = one.handle.done()  # asked first: its last events are read below
                    if _read_on(one, notify):
                        under_way.remove(one)
                    elif is_over:
                        under_way.remove(one)
                        under_way += self._again(executor, one, folder, runners, notify)
        finally:
            _cancel(under_way)

    def _submit(
        self, executor: Any, jobs: Sequence[Job], folder: Path, runners: Runners, tries: int = 1
    ) -> list[_Submitted]:
        events = [folder / f"{job.id}.{tries}.events" for job in jobs]
        for path in events:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        tasks = [
            Task(pinned(job, runners).to_dict(), self.device, self.threads, str(path))
            for job, path in zip(jobs, events, strict=True)
        ]
        with executor.batch():
            handles = [executor.submit(task) for task in tasks]
        return [
            _Submitted(job, handle, path, tries)
            for job, handle, path in zip(jobs, handles, events, strict=True)
        ]

    def _again(
        self, executor: Any, one: _Submitted, folder: Path, runners: Runners, notify: Observer
    ) -> list[_Submitted]:
        reason = f"job {one.handle.job_id} ended as {one.handle.state}"
        if one.tries < _TRIES:
            notify(Said(f"{one.job.title}: {reason}; it is submitted again"))
            return self._submit(executor, [one.job], folder, runners, one.tries + 1)
        error = RunFailedError(f"{reason}, {one.tries} times: see {folder / 'logs'}")
        notify(failed(one.job, partial(runners.of, one.job), error))
        return []


def _read_on(one: _Submitted, notify: Observer) -> bool:
    """Pass on the new events of a job; returns whether it has ended."""
    try:
        with one.events.open("rb") as file:
            file.seek(one.read)
            told = file.read()
    except FileNotFoundError:
        return False
    whole = told[: told.rfind(b"\n") + 1]
    one.read += len(whole)
    for line in whole.splitlines():
        event = event_from_dict(json.loads(line))
        notify(event)
        if isinstance(event, Ended):
            return True
    return False


def _cancel(under_way: Sequence[_Submitted]) -> None:
    """End jobs; they save their state first."""
    for one in under_way:
        one.handle.cancel(check=False)
    until = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < until and not all(one.handle.done() for one in under_way):
        time.sleep(0.2)


def parameters(options: Mapping[str, str], at_once: int | None) -> dict[str, Any]:
    """submitit's parameters for `--slurm KEY=VALUE`.

    Raises:
        UsageError: for an invalid value.
    """
    chosen: dict[str, Any] = {"cpus_per_task": 4, "timeout_min": _DAY_MINUTES}
    others: dict[str, str] = {}
    for key, value in options.items():
        if key == "time":
            chosen["timeout_min"] = _minutes(value)
        elif key in _NUMBERS:
            if not value.isascii() or not value.isdigit():
                raise UsageError(f"expected --slurm {key}=NUMBER, found '{value}'")
            chosen[_KNOWN[key]] = int(value)
        elif key in _KNOWN:
            chosen[_KNOWN[key]] = value
        elif key != "cluster":
            others[key.replace("-", "_")] = value
    if others:
        chosen["slurm_additional_parameters"] = others
    if at_once is not None:
        chosen["slurm_array_parallelism"] = at_once
    return chosen


def _minutes(text: str) -> int:
    """Minutes of "90" or "1:30:00"."""
    parts = text.split(":")
    if not all(part.isascii() and part.isdigit() for part in parts) or len(parts) not in (1, 3):
        raise UsageError(f"expected --slurm time=MINUTES or H:MM:SS, found '{text}'")
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else max(1, numbers[0] * 60 + numbers[1])

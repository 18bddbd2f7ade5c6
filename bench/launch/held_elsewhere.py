"""Other processes that work on the same output: their runs are left to them, then checked."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.core.lock import try_lock
from bench.launch.jobs import Ended, Event, Job, Observer, Said
from bench.launch.run_job import Runners
from bench.records.output_folder import RunFiles
from bench.records.record import read_record, record_path

_POLL_SECONDS = 0.5


class Others:
    """Tracks the jobs that other processes hold, while a launcher works on the rest."""

    def __init__(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        self._jobs = {job.id: job for job in jobs}
        self._runners, self._notify = runners, notify
        self._written = {job.id: _written(job) for job in jobs}
        self._held: list[Job] = []

    def notify(self, event: Event) -> None:
        """The observer of a launcher. A job that another process holds has not ended yet."""
        if isinstance(event, Ended) and event.status == "busy":
            self._held.append(self._jobs[event.job])
            self._notify(Said(f"{self._jobs[event.job].title}: {event.note}: left to it"))
        else:
            self._notify(event)

    def wait(self) -> list[Job]:
        """Wait until another process releases one of its jobs; returns the jobs that are then not done."""
        while self._held:
            free = [job for job in self._held if not _is_held(job)]
            self._held = [job for job in self._held if job not in free]
            if left := [job for job in free if not self._is_done(job)]:
                return left + self._held
            if self._held:
                time.sleep(_POLL_SECONDS)
        return []

    def _is_done(self, job: Job) -> bool:
        """Whether the other process ended the job; if so, notifies its end."""
        if job.launch.until == "score" and self._runners.of(job).is_finished(job.spec):
            self._notify(Ended(job.id, "finished", "done by another process"))
            return True
        if _written(job) == self._written[job.id]:
            return False  # no new record: it was killed, or only trained
        record = read_record(record_path(job.launch.out, job.id))
        if record.status == "finished":
            return False  # scored in another way than wanted here
        self._notify(Ended(job.id, record.status, f"{record.error} (in another process)"))
        return True


def _is_held(job: Job) -> bool:
    lock = try_lock(RunFiles(job.launch.out, job.id).lock)
    if lock is not None:
        lock.release()
    return lock is None


def _written(job: Job) -> int | None:
    path = record_path(job.launch.out, job.id)
    return path.stat().st_mtime_ns if path.is_file() else None

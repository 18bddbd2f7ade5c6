"""Runs in this process, one after the other, or in worker processes of this machine, several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from queue import Empty, Queue

from bench.core.errors import RunFailedError
from bench.launch.jobs import Ended, Event, Job, Observer, Said
from bench.launch.one_training import training_of
from bench.launch.run_job import UNWRITTEN, Runners, execute, failed
from bench.launch.worker_process import Died, WorkerProcess
from bench.records.record import record_path
from bench.spec.run_spec import RunSpec

_TRIES = 2  # a run whose worker died is tried once more, from its saved state
_POLL_SECONDS = 0.5  # short, so that a signal is noticed soon


class InProcess:
    """One run after the other, in this process."""

    def run(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        for job in jobs:
            execute(job, partial(runners.of, job), notify)


class Workers:
    """Worker processes, each with its share of the cores (or a GPU of its own), fed one run at a time.

    Attributes:
        count: how many.
        threads: CPU threads of each. Results depend on it (in the last bits), not on `count`.
        devices: torch device strings, given to workers in turn.
    """

    def __init__(self, count: int, threads: int, devices: Sequence[str]) -> None:
        self.count, self.threads, self.devices = count, threads, tuple(devices)

    def run(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        _Pool(self, jobs, runners, notify).run()


def next_job(waiting: Iterable[Job], busy: Iterable[Job]) -> Job | None:
    """The first job that need not wait for a shorter run of its own training (`--keep-at`); None: all must.

    A longer run goes on from the end of the shorter one, if that is there: begun beside it, it would take the
    same steps again.
    """
    first = next(iter(waiting), None)
    if first is None or not first.launch.policy.lengths:
        return first
    shortest: dict[RunSpec, int] = {}
    for job in (*waiting, *busy):
        training, steps = training_of(job.spec), job.spec.training.steps
        shortest[training] = min(steps, shortest.get(training, steps))
    return next((job for job in waiting if job.spec.training.steps == shortest[training_of(job.spec)]), None)


class _Pool:
    """The worker processes of one grid."""

    def __init__(self, plan: Workers, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        self._plan, self._runners, self._notify = plan, runners, notify
        self._waiting = deque(jobs)
        self._tries = dict.fromkeys((job.id for job in jobs), 0)
        self._told: Queue[tuple[WorkerProcess, Event | Died]] = Queue()
        self._busy: dict[WorkerProcess, Job] = {}
        self._idle: list[WorkerProcess] = []
        self._places = deque(range(min(plan.count, len(jobs))))  # numbers of workers that may be started

    def run(self) -> None:
        try:
            while self._waiting or self._busy:
                self._deal()
                try:
                    worker, event = self._told.get(timeout=_POLL_SECONDS)
                except Empty:
                    continue
                if isinstance(event, Died):
                    self._bury(worker, event)
                elif isinstance(event, Ended):
                    self._idle.append(worker)
                    self._notify(self._recorded(self._busy.pop(worker), event))
                else:
                    self._notify(event)
        finally:
            stop([*self._busy, *self._idle])

    def _deal(self) -> None:
        """Give every worker a job; start workers as needed."""
        while self._idle or self._places:
            job = next_job(self._waiting, self._busy.values())
            if job is None:
                return
            worker = self._idle.pop() if self._idle else self._start(self._places.popleft())
            self._waiting.remove(job)
            self._tries[job.id] += 1
            self._busy[worker] = job
            worker.send(job.on(self._plan.devices[worker.number % len(self._plan.devices)]))

    def _start(self, number: int) -> WorkerProcess:
        def tell(worker: WorkerProcess, event: Event | Died) -> None:
            self._told.put((worker, event))

        return WorkerProcess(number, self._plan.threads, tell)

    def _recorded(self, job: Job, event: Ended) -> Ended:
        """End a run. If its worker had no memory left to write the record, it is written here."""
        if event.status != "failed" or record_path(job.launch.out, job.id).is_file():
            return event
        error = RunFailedError(event.note.partition(UNWRITTEN)[0])
        return failed(job, partial(self._runners.of, job), error)

    def _bury(self, worker: WorkerProcess, died: Died) -> None:
        """Handle the death of a worker: its run is tried again after the others, or fails."""
        self._places.append(worker.number)
        if worker in self._idle:
            self._idle.remove(worker)
        job = self._busy.pop(worker, None)
        if job is None:
            return
        if self._tries[job.id] < _TRIES:
            self._notify(Said(f"{job.title}: {died.reason}; it is tried again after the others"))
            self._waiting.append(job)
        else:
            error = RunFailedError(f"{died.reason}, {_TRIES} times")
            self._notify(failed(job, partial(self._runners.of, job), error))


def stop(workers: Sequence[WorkerProcess]) -> None:
    """End worker processes; those at work save their state first. All have ended when this returns."""
    try:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
    finally:  # a second Ctrl-C, or a worker that does not react
        for worker in workers:
            worker.kill()

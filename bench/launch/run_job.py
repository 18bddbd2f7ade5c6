"""One job in this process: its stages, with their events. The error of a run is recorded, not raised."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from bench.core.errors import BenchError, UsageError
from bench.core.lock import Lock, owner_of, try_lock
from bench.core.progress import Advance, Teller
from bench.core.resources import cache_dir
from bench.launch.jobs import Advanced, Ended, Job, Observer, Said
from bench.records.output_folder import RunFiles
from bench.spec.pairs_used import data_spec, open_again
from bench.spec.run_spec import DataSpec
from bench.stages.data_in_use import Workbench
from bench.stages.runner import Runner, reason_of
from bench.stages.way_back import settle

UNWRITTEN = "; and no record could be written: "


class Runners:
    """The runners of this process, one for each data set, so that its data and judges are opened once."""

    def __init__(self, reporter: Teller) -> None:
        self._reporter = reporter
        self._known: dict[DataSpec, Runner] = {}

    def add(self, data: DataSpec, runner: Runner) -> None:
        """Use `runner` for all jobs on `data`."""
        self._known[data] = runner

    def of(self, job: Job) -> Runner:
        """The runner of a job's data.

        Raises:
            UsageError: if the data is missing, or is not the run's.
        """
        return self._opened(job.spec.data, job)

    def turned(self, job: Job) -> Runner:
        """The runner of a job's data in the opposite direction.

        Raises:
            UsageError: as `of`.
        """
        return self._opened(job.spec.data.turned(), job)

    def _opened(self, data: DataSpec, job: Job) -> Runner:
        if data not in self._known:
            self._known[data] = self._open(data, job)
        return self._known[data]

    def of_data(self, data: DataSpec) -> Runner:
        """The runner that was added for `data`."""
        return self._known[data]

    def _open(self, wanted: DataSpec, job: Job) -> Runner:
        launch = job.launch
        dataset = open_again(wanted, job.root)
        found = data_spec(dataset, wanted.train_n, wanted.test_n)
        if found != wanted:
            raise UsageError(
                f"expected the images of {wanted.name} that the grid was planned with, found others in "
                f"{dataset.root}: run the command again"
            )
        bench = Workbench(dataset, wanted, cache_dir(), launch.device, launch.choice, self._reporter)
        both = launch.policy.both_directions and wanted == job.spec.data
        turned = partial(self.turned, job) if both else None
        return Runner(launch.out, bench, launch.command, launch.again, launch.policy, turned=turned)


class Launcher(Protocol):
    """Decides where jobs execute."""

    def run(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        """Execute all jobs; notifies every event on the calling thread, and exactly one `Ended` for each job.

        A job whose process dies ends as failed; the others go on. KeyboardInterrupt and Terminated are
        raised after everything that was started has saved its state and stopped.

        Args:
            jobs: the jobs, in order of preference.
            runners: of this process; they write the records that a dead process could not.
            notify: called with every event.
        """
        ...


class WayBackError(BenchError):
    """The row of a run's second generator failed; the run itself is done."""


class _LockLostError(Exception):
    """Another machine considered this process dead and continues its run."""


def execute(job: Job, runner: Callable[[], Runner], notify: Observer) -> None:
    """Take one run through its stages; notifies its progress and its end. No two processes do so at once.

    Args:
        job: the run.
        runner: opens its runner; if that fails (on another machine), the job fails.
        notify: called with every event.
    """
    path = RunFiles(job.launch.out, job.id).lock
    lock = None
    try:
        lock = try_lock(path)
        if lock is None:
            notify(Ended(job.id, "busy", f"{owner_of(path)} is working on it"))
        else:
            notify(_stages(job, runner(), notify, lock))
    except _LockLostError:
        notify(Ended(job.id, "busy", f"{owner_of(path)} has taken it over"))
    except Exception as error:  # one run's failure must not lose the others
        if job.launch.debug:
            notify(Said(traceback.format_exc()))
        notify(failed(job, runner, error))
    finally:
        if lock is not None:
            lock.release()


def failed(job: Job, runner: Callable[[], Runner], error: Exception) -> Ended:
    """The end of a failed job; writes its record if possible."""
    if isinstance(error, WayBackError):
        return Ended(job.id, "failed", str(error))
    try:
        record = runner().run_failed(job.spec, error)
        return Ended(job.id, "diverged" if record.status == "diverged" else "failed", str(record.error))
    except Exception as unwritten:  # probably a full disk, or a worker without data
        said = reason_of(error)
        if unwritten is not error and str(unwritten) != str(error):
            said += f"{UNWRITTEN}{unwritten}"
        return Ended(job.id, "failed", " ".join(said.split())[:500])


def _stages(job: Job, runner: Runner, notify: Observer, lock: Lock) -> Ended:
    spec, images, until = job.spec, runner.bench.spec.test_n, job.launch.until
    if until == "score" and runner.is_finished(spec):  # by another process, since this grid began
        return Ended(job.id, "finished", "finished by another process, skipped")
    telling = partial(_telling, job, notify, lock)
    runner.train(spec, telling("train", spec.training.steps), for_good=until == "train")
    if until == "train":
        return Ended(job.id, "trained", "trained")
    runner.generate(spec, telling("generate", images))
    if until == "generate":
        return Ended(job.id, "generated", f"predictions in {job.launch.out / 'predictions' / spec.id}")
    if runner.turned is None or not runner.is_scored(spec):
        runner.score(spec, telling("score", images))
    if runner.turned is not None:
        _way_back(job, runner.turned(), telling)
    runner.tidy(spec)
    return Ended(job.id, "finished", "done")


def _way_back(job: Job, runner: Runner, telling: Callable[[str, int], Advance]) -> None:
    """Make the record of the other generator.

    Raises:
        WayBackError: if it fails; its record says why.
    """
    back, images = job.spec.turned(), runner.bench.spec.test_n
    if runner.is_scored(back):
        return
    try:
        settle(job.launch.out, job.spec)
        runner.train(back, telling("train", back.training.steps), for_good=False)
        runner.generate(back, telling("generate", images))
        runner.score(back, telling("score", images))
    except _LockLostError:
        raise
    except Exception as error:
        runner.run_failed(back, error)
        raise WayBackError(f"{back.label}: {reason_of(error)}") from error
    runner.tidy(back)


def _telling(job: Job, notify: Observer, lock: Lock, stage: str, total: int) -> Advance:
    def advance(done: int, remark: str = "") -> None:
        if lock.is_lost:
            raise _LockLostError
        notify(Advanced(job.id, stage, done, total, remark))

    advance(0)
    return advance

"""One display for all runs of a grid, however many advance at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

from bench.core.progress import Advance, Reporter
from bench.launch.jobs import Advanced, Ended, Event, Job, Said
from bench.launch.one_training import steps_before
from bench.launch.work_left import WorkLeft


class Board:
    """A bar for each run in progress, and one for the training steps of all runs.

    Steps that several runs share (`--keep-at`) count once, in the shortest.

    Use it as a context manager; `notify` is the observer.

    Args:
        jobs: of the grid.
        reporter: shows the bars.
        left: told of every event; knows the time left.
    """

    def __init__(self, jobs: Sequence[Job], reporter: Reporter, left: WorkLeft) -> None:
        self._reporter, self._left = reporter, left
        self._titles = {job.id: job.title for job in jobs}
        whole = {job.id: (job.spec.training.steps, job.launch.policy.lengths) for job in jobs}
        self._before = {job: steps_before(*known) for job, known in whole.items()}
        self._steps = {job: steps - self._before[job] for job, (steps, _) in whole.items()}
        self._behind = 0  # steps of ended runs
        self._trained: dict[str, int] = {}  # steps of runs in progress
        self._bars: dict[str, tuple[str, Advance, ExitStack]] = {}
        self._overall: Advance | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Board:
        total = sum(self._steps.values())
        self._overall = self._stack.enter_context(
            self._reporter.task("all runs, training steps", total, self._left.seconds)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for job in list(self._bars):
            self._close(job)
        self._stack.close()

    def notify(self, event: Event) -> None:
        """Show one event."""
        self._left.notify(event)
        match event:
            case Said(text):
                self._reporter.say(text)
            case Advanced(job, stage, done, total, remark):
                self._bar(job, stage, total)(done, remark)
                if stage == "train":
                    self._trained[job] = max(0, done - self._before[job])
                self._show_overall()
            case Ended(job, status, note):
                self._close(job)
                self._trained.pop(job, None)
                self._behind += self._steps[job]
                self._show_overall()
                said = note if event.is_done else f"{status}: {note}"
                self._reporter.say(f"{self._titles[job]}: {said}")

    def _show_overall(self) -> None:
        if self._overall is not None:
            self._overall(self._behind + sum(self._trained.values()), "")

    def _bar(self, job: str, stage: str, total: int) -> Advance:
        if job in self._bars and self._bars[job][0] == stage:
            return self._bars[job][1]
        self._close(job)
        stack = ExitStack()
        advance = stack.enter_context(self._reporter.task(f"{self._titles[job]}  {stage}", total))
        self._bars[job] = stage, advance, stack
        return advance

    def _close(self, job: str) -> None:
        if job in self._bars:
            self._bars.pop(job)[2].close()

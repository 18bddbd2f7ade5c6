"""How long a grid will still take, from how long each kind of its work has taken so far.

Kinds are the stages of a run (train, generate, score) at one image size. Their rates differ by orders of
magnitude, so one rate for all would jump whenever a run goes from one stage to the next.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from baselines.sizes import Size
from bench.launch.jobs import Advanced, Ended, Event, Job
from bench.launch.one_training import steps_before

STAGES = ("train", "generate", "score")
_PASSES = 3  # a training step goes forward and back through both networks: about three times a generation
Kind = tuple[str, Size]


@dataclass
class _Spent:
    """Seconds, and the parts that were done in them."""

    seconds: float = 0.0
    parts: int = 0

    def add(self, seconds: float, parts: int) -> None:
        self.seconds += seconds
        self.parts += parts


@dataclass(frozen=True)
class _Place:
    """Where a job is: its stage, how many parts are done since when, and whether any is."""

    stage: str
    done: int
    since: float
    started: bool


class WorkLeft:
    """Watches the events of a grid's jobs.

    Args:
        jobs: all of them.
        now: seconds, monotonic.
    """

    def __init__(self, jobs: Sequence[Job], now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._open = {job.id: job for job in jobs}
        self._at: dict[str, _Place] = {}  # of jobs in progress
        self._spent: defaultdict[Kind, _Spent] = defaultdict(_Spent)
        self._rows: dict[Size, _Spent] = {}

    def row_scored(self, size_px: Size, images: int, seconds: float) -> None:
        """A reference row took so long: what a run's scoring is expected to take until one is measured."""
        self._rows.setdefault(size_px, _Spent()).add(seconds, images)

    def notify(self, event: Event) -> None:
        """Take note of one event."""
        if isinstance(event, Advanced) and event.job in self._open:
            self._advanced(event.job, event.stage, event.done)
        elif isinstance(event, Ended) and event.job in self._open:
            self._advanced(event.job, "", 0)
            self._at.pop(event.job, None)
            self._open.pop(event.job)

    def _advanced(self, job: str, stage: str, done: int) -> None:
        """The time since the job's last event belongs to the stage of that event, to its end.

        All but what went before the first part: it may have gone on from a state, or have skipped all.
        """
        now, before = self._now(), self._at.get(job)
        if before is not None and before.started:
            parts = done - before.done if before.stage == stage else 0
            self._spent[before.stage, self._open[job].spec.training.size_px].add(now - before.since, parts)
        self._at[job] = _Place(stage, done, now, done > 0)

    def seconds(self) -> float | None:
        """Until all jobs have ended; None until something is known of their training."""
        whole = 0.0
        for job in self._open.values():
            for stage, parts in self._left_of(job):
                rate = self._rate(stage, job) if parts else 0.0
                if rate is None and stage == "train":
                    return None
                whole += parts * (rate or 0.0)
        return whole / max(1, len(self._at))

    def _left_of(self, job: Job) -> list[tuple[str, int]]:
        """(stage, parts) that a job still has before it."""
        last = STAGES.index(job.launch.until)
        first = min(last, 1) if job.launch.again else 0  # what is scored again is not trained again
        stages = STAGES[first : last + 1]
        steps = job.spec.training.steps
        taken = steps_before(steps, job.launch.policy.lengths) if stages[0] == "train" else 0
        place = self._at.get(job.id, _Place(stages[0], taken, 0.0, False))
        stage, done = place.stage, place.done
        parts = {name: job.spec.data.test_n for name in stages} | {"train": steps}
        ahead = stages[stages.index(stage) :] if stage in stages else stages
        return [(name, parts[name] - (done if name == stage else 0)) for name in ahead]

    def _rate(self, stage: str, job: Job) -> float | None:
        """Seconds a part; of another size where none is known of this one."""
        training = job.spec.training
        sizes = sorted({size for kind, size in self._spent if kind == stage}, key=str)
        for wanted in [training.size_px], sizes:
            spent = [self._spent[stage, size] for size in wanted if (stage, size) in self._spent]
            if parts := sum(one.parts for one in spent):
                return sum(one.seconds for one in spent) / parts
        if stage == "score" and training.size_px in self._rows:
            row = self._rows[training.size_px]
            return row.seconds / max(1, row.parts)
        if stage == "generate" and (step := self._rate("train", job)) is not None:
            return step / training.batch_size / _PASSES
        return None

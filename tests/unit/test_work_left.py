"""The time left over a grid: measured for each kind of work, so that it does not jump between stages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.core.progress import Advance, Left, Reporter, duration
from bench.launch.display import Board
from bench.launch.jobs import Advanced, Ended, Job, Launch, Until
from bench.launch.work_left import WorkLeft
from bench.spec.grid import GridRequest, resolve
from bench.spec.scoring_choice import ScoringChoice
from bench.stages.train import remark

STEPS, IMAGES = 200, 20
SECONDS = {"train": 0.5, "generate": 0.2, "score": 4.0}  # a part
RUN = STEPS * SECONDS["train"] + IMAGES * (SECONDS["generate"] + SECONDS["score"])


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def jobs_of(variants: str, until: Until = "score") -> list[Job]:
    request = GridRequest(
        variants=tuple(variants.split(",")), datasets=("toycity",), steps=STEPS, size_px=32, base_filters=4,
        train_limit=8, test_limit=IMAGES,
    )  # fmt: skip
    launch = Launch(Path("out"), "cpu", ScoringChoice(), "bench run", until)
    return [Job(spec, spec.label, None, launch) for plan in resolve(request) for spec in plan.runs]


def play(job: Job, left: WorkLeft, clock: Clock, said: list[tuple[float, float | None]]) -> None:
    """One run's events at the rates above; what is said, and when."""
    for stage, parts, chunk in (("train", STEPS, 10), ("generate", IMAGES, 1), ("score", IMAGES, 1)):
        left.notify(Advanced(job.id, stage, 0, parts))
        for done in range(chunk, parts + 1, chunk):
            clock.now += chunk * SECONDS[stage]
            left.notify(Advanced(job.id, stage, done, parts))
            said.append((clock.now, left.seconds()))
    left.notify(Ended(job.id, "finished", "done"))
    said.append((clock.now, left.seconds()))


def test_it_does_not_jump_between_stages_and_ends_at_nothing() -> None:
    """Training steps take 0.5 s, scored images 4 s: a single rate would be wrong by factors."""
    clock, jobs = Clock(), jobs_of("l1,cgan,l1+cgan")
    left = WorkLeft(jobs, clock)
    left.row_scored(32, IMAGES, IMAGES * SECONDS["score"])
    assert left.seconds() is None
    said: list[tuple[float, float | None]] = []
    for job in jobs:
        play(job, left, clock, said)
    whole = 100.0 + 3 * RUN
    told = [(at, seconds) for at, seconds in said if seconds is not None]
    assert len(told) == len(said) - 1  # nothing is known of the first ten steps
    assert max(abs(at + seconds - whole) for at, seconds in told) < 0.1 * 3 * RUN
    jumps = [abs(b[1] - (a[1] - (b[0] - a[0]))) for a, b in itertools.pairwise(told)]
    assert max(jumps) < 0.05 * 3 * RUN
    assert told[-1][1] == 0


def test_two_at_once_take_half_the_time() -> None:
    clock, (one, other) = Clock(), jobs_of("l1,cgan", "train")
    left = WorkLeft([one, other], clock)
    for done in range(0, 101, 10):
        for job in (one, other):
            left.notify(Advanced(job.id, "train", done, STEPS))
        clock.now += 10 * SECONDS["train"]
    assert left.seconds() == pytest.approx(100 * SECONDS["train"], rel=0.1)


def test_work_that_was_done_before_is_not_taken_for_fast_work() -> None:
    clock, (one, other) = Clock(), jobs_of("l1,cgan", "train")
    left = WorkLeft([one, other], clock)
    left.notify(Advanced(one.id, "train", 0, STEPS))
    for done in (150, 160, 170):  # it goes on from a state of nearly 150 steps
        clock.now += 10 * SECONDS["train"]
        left.notify(Advanced(one.id, "train", done, STEPS))
    assert left.seconds() == pytest.approx((30 + STEPS) * SECONDS["train"], rel=0.5)
    left.notify(Ended(one.id, "trained", "trained"))
    left.notify(Ended(other.id, "failed", "no memory"))
    assert left.seconds() == 0
    assert duration(0) == "0 s"


class Shown(Reporter):
    """What the bar over all runs said: done, of how many."""

    def __init__(self) -> None:
        super().__init__()
        self.overall: list[tuple[int, int]] = []

    @contextmanager
    def task(self, title: str, total: int, left: Left | None = None) -> Iterator[Advance]:
        def advance(done: int, remark: str = "") -> None:
            if title.startswith("all runs"):
                self.overall.append((done, total))

        yield advance


def lengths_of_one_training(lengths: tuple[int, ...]) -> list[Job]:
    (job,) = jobs_of("l1", "train")
    policy = replace(job.launch.policy, lengths=lengths)
    launch = replace(job.launch, policy=policy)
    return [
        Job(replace(job.spec, training=replace(job.spec.training, steps=steps)), f"{steps}", None, launch)
        for steps in lengths
    ]


def test_steps_that_several_lengths_share_count_once() -> None:
    """`--keep-at`: a longer run goes on from the end of the shorter one."""
    clock, jobs = Clock(), lengths_of_one_training((40, 100, STEPS))
    left, shown = WorkLeft(jobs, clock), Shown()
    before = 0
    with Board(jobs, shown, left) as board:
        for job in jobs:
            steps = job.spec.training.steps
            for done in range(before, steps + 1, 10):
                clock.now += 10 * SECONDS["train"]
                board.notify(Advanced(job.id, "train", done, steps))
                if done > before + 10:
                    assert left.seconds() == pytest.approx((STEPS - done) * SECONDS["train"], rel=0.1)
            board.notify(Ended(job.id, "trained", "trained"))
            assert shown.overall[-1] == (steps, STEPS)
            before = steps


def test_losses_are_said_in_the_tables_scale() -> None:
    """The L1 loss of networks in [-1, 1] is the MAE of the tables over 127.5."""
    assert remark({"step": 3, "loss_d": 0.6188, "loss_l1": 0.2, "loss_g_gan": 0.9}) == (
        "train MAE 25.5  loss D 0.619  loss G 0.900"
    )

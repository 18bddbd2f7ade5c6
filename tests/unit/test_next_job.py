"""Which run a worker is given next: with `--keep-at` none beside a shorter run of its own training."""

from __future__ import annotations

from pathlib import Path

from baselines.settings import TestSettings, TrainingSettings
from baselines.variants import parse_variant
from bench.launch.jobs import Job, Launch
from bench.launch.local import next_job
from bench.spec.policy import Policy
from bench.spec.run_spec import DataSpec, RunSpec
from bench.spec.scoring_choice import ScoringChoice

DATA = DataSpec("toycity", "labels2photo", "paired", 4, 2, "0" * 16, "1" * 16)


def job(variant: str, seed: int, steps: int, lengths: tuple[int, ...] = (2, 8)) -> Job:
    spec = RunSpec(DATA, parse_variant(variant), seed, TrainingSettings(steps), TestSettings())
    launch = Launch(Path("out"), "cpu", ScoringChoice(), "bench run", policy=Policy(lengths=lengths))
    return Job(spec, "title", None, launch)


def test_without_lengths_jobs_are_given_in_order() -> None:
    jobs = [job("l1", 0, 8, ()), job("l1", 0, 2, ())]
    assert next_job(jobs, []) is jobs[0]
    assert next_job([], jobs) is None


def test_a_longer_run_waits_for_the_shorter_one() -> None:
    short, long, other = job("l1", 0, 2), job("l1", 0, 8), job("l1", 1, 8)
    assert next_job([short, long], []) is short
    assert next_job([long], [short]) is None  # another worker is at it
    assert next_job([long, other], [short]) is other  # of another seed: a training of its own
    assert next_job([long], []) is long
    assert next_job([long, short], []) is short  # tried again after the others


def test_every_grid_is_dealt_to_its_end() -> None:
    waiting = [job(name, seed, steps) for steps in (2, 8) for name in ("l1", "gan") for seed in (0, 1)]
    busy: list[Job] = []
    given: list[tuple[str, int, int]] = []
    while waiting or busy:
        while len(busy) < 3 and (one := next_job(waiting, busy)) is not None:
            waiting.remove(one)
            busy.append(one)
            given.append((one.spec.variant.name, one.spec.seed, one.spec.training.steps))
        trainings = [(one.spec.variant.name, one.spec.seed) for one in busy]
        assert len(set(trainings)) == len(trainings)
        busy.pop()
    assert len(given) == 8

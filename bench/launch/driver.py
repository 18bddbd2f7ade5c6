"""A grid from its plan to its outcomes: shared work once, then all runs, wherever they execute."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from baselines.sizes import size_order, words_of_size
from bench.core.progress import Reporter
from bench.core.resources import cache_dir
from bench.launch.display import Board
from bench.launch.held_elsewhere import Others
from bench.launch.jobs import Ended, Event, Job, Launch, Observer
from bench.launch.local import InProcess
from bench.launch.run_job import Launcher, Runners
from bench.launch.work_left import WorkLeft
from bench.spec.grid import Plan
from bench.spec.models import ELSEWHERE
from bench.spec.run_spec import RunSpec
from bench.stages.data_in_use import Workbench
from bench.stages.runner import Runner, reference_rows
from bench.stages.score import finished_record


def run_grid(
    plans: list[Plan],
    launch: Launch,
    reporter: Reporter,
    launcher: Launcher | None = None,
    observers: Sequence[Observer] = (),
) -> list[Ended]:
    """Execute all runs and reference rows of a grid.

    Data is decoded, and so checked, before the first training. Decoding, training the judge and scoring the
    reference rows happen here, once, wherever the runs execute. Finished work is skipped.

    Args:
        launcher: where runs execute; by default this process, one after the other.
        observers: called with every event of a run after it is shown: a run advanced, a run ended (its record
            is then in the output).

    Returns:
        the outcome of each run and, with `until="score"`, each reference row; the records are in the output.
    """
    runners = Runners(reporter)
    outcomes: list[Ended] = []
    for plan in plans:
        for line in plan.dataset.lines:
            reporter.say(line)
        bench = Workbench(plan.dataset, plan.data, cache_dir(), launch.device, launch.choice, reporter)
        turned = partial(runners.of_data, plan.data.turned()) if launch.policy.both_directions else None
        runners.add(
            plan.data,
            Runner(
                launch.out,
                bench,
                launch.command,
                launch.again,
                launch.policy,
                turned=turned if plan.runs else None,
            ),
        )
        for line in plan.dataset.file_notes():
            reporter.say(line)
        _decode(plan, bench, launch.policy.eval_every)
    jobs = [job for plan in plans for job in _jobs(plan, launch)]
    left = WorkLeft(jobs)
    if launch.until == "score":
        for plan in plans:
            outcomes += _references(runners.of_data(plan.data), plan, reporter, left, launch.debug)
            outcomes += _models(runners.of_data(plan.data), plan, reporter, launch.debug)
    for line in dict.fromkeys(line for plan in plans for line in same_runs(plan.runs)):
        reporter.say(line)
    outcomes += _execute_all(jobs, runners, reporter, left, launcher or InProcess(), observers)
    outcomes += [end for plan in plans for spec in plan.ways_back for end in _end_of_way_back(spec, launch)]
    if launch.until == "score":
        _illustrate(plans, runners, launch, reporter)
    return outcomes


def _execute_all(
    jobs: Sequence[Job],
    runners: Runners,
    reporter: Reporter,
    left: WorkLeft,
    launcher: Launcher,
    observers: Sequence[Observer],
) -> list[Ended]:
    """Execute all jobs, also those that other processes release; returns their ends."""
    ends: list[Ended] = []
    with Board(jobs, reporter, left) as board:  # starts here, so that its time left is right

        def notify(event: Event) -> None:
            board.notify(event)
            for observe in observers:
                observe(event)
            if isinstance(event, Ended):
                ends.append(event)

        waiting = list(_unfinished(jobs, runners, notify))
        while waiting:
            _train_judges(waiting, runners)
            others = Others(waiting, runners, notify)
            launcher.run(waiting, runners, others.notify)
            waiting = others.wait()
    return ends


def _end_of_way_back(spec: RunSpec, launch: Launch) -> Iterator[Ended]:
    """The outcome of a second generator's row; a failed one is part of its run's."""
    record = finished_record(launch.out, spec.id)
    if launch.until == "score" and record is not None:
        yield Ended(record.id, "finished", "done")


def same_runs(specs: list[RunSpec]) -> list[str]:
    """Messages about variants that are the same run at their size."""
    lines = [
        f"{other} at {words_of_size(spec.training.size_px)} is the same run as {spec.label}"
        for spec in specs
        for other in spec.also
    ]
    return list(dict.fromkeys(lines))


def _jobs(plan: Plan, launch: Launch) -> Iterator[Job]:
    for number, spec in enumerate(plan.runs, start=1):
        title = f"{spec.label} seed {spec.seed} ({number}/{len(plan.runs)})"
        yield Job(spec, title, plan.dataset.root, launch)


def _unfinished(jobs: Sequence[Job], runners: Runners, notify: Observer) -> Iterator[Job]:
    """The jobs with work left; notifies the end of the others."""
    for job in jobs:
        if job.launch.until == "score" and runners.of(job).is_finished(job.spec):
            notify(Ended(job.id, "finished", _skipped(job, runners)))
        elif error := runners.of(job).diverged_before(job.spec):
            notify(Ended(job.id, "diverged", f"{error}; it would diverge again (--retry trains it again)"))
        else:
            yield job


def _skipped(job: Job, runners: Runners) -> str:
    """Why a finished run is skipped, and whether it lacks the curve that is asked for now."""
    wanted = job.launch.policy.eval_every
    if wanted and not runners.of(job).has_validation(job.spec):
        return "finished before, without --eval-every: skipped (train it into another --out for its curve)"
    return "finished before, skipped"


def _train_judges(jobs: Sequence[Job], runners: Runners) -> None:
    """Put every judge trained here into the cache before several processes need it."""
    wanted = {
        (data, job.spec.training.size_px)
        for job in jobs
        if job.launch.until == "score"
        for data in (job.spec.data, *([job.spec.data.turned()] if job.launch.policy.both_directions else []))
    }
    for data, size_px in sorted(wanted, key=str):
        bench = runners.of_data(data).bench
        if bench.choice.wants_judge:
            with suppress(Exception):  # each run's record reports it
                bench.judges.open(size_px)


def _references(
    runner: Runner, plan: Plan, reporter: Reporter, left: WorkLeft, debug: bool
) -> Iterator[Ended]:
    for row, size_px in reference_rows(plan.sizes, plan.dataset):
        title = f"reference row '{row}' at {words_of_size(size_px)}"
        try:
            with reporter.task(f"{title}  score", plan.data.test_n) as advance:
                record = runner.reference(row, size_px, advance)
            left.row_scored(size_px, plan.data.test_n, record.timings.get("score") or 0.0)
        except Exception as error:  # the other rows go on, as runs do
            if debug:
                reporter.say(traceback.format_exc())
            record = runner.reference_failed(row, size_px, error)
            reporter.say(f"{title}: {record.status}: {record.error}")
        yield Ended(record.id, record.status, str(record.error or "done"))


def _models(runner: Runner, plan: Plan, reporter: Reporter, debug: bool) -> Iterator[Ended]:
    """The rows of generators that were trained elsewhere."""
    for row in plan.models:
        title = f"{row.model.name} ({ELSEWHERE}) at {words_of_size(row.size_px)}"
        try:
            with reporter.task(f"{title}  generate, score", plan.data.test_n) as advance:
                record = runner.model(row, advance)
        except Exception as error:  # the other rows go on, as runs do
            if debug:
                reporter.say(traceback.format_exc())
            record = runner.model_failed(row, error)
            reporter.say(f"{title}: {record.status}: {record.error}")
        yield Ended(record.id, record.status, str(record.error or "done"))


def _illustrate(plans: list[Plan], runners: Runners, launch: Launch, reporter: Reporter) -> None:
    """Write the images that the report shows beside the numbers."""
    from bench.stages.illustrate import illustrate, scene_of

    try:
        scenes = [
            scene_of(runners.of_data(plan.data).bench, size_px)
            for plan in plans
            for size_px in sorted(plan.sizes, key=size_order)
        ]
        illustrate(launch.out, scenes)
    except Exception as error:  # the numbers are there: a missing image must not lose them
        if launch.debug:
            reporter.say(traceback.format_exc())
        reporter.say(f"images for the report could not be written: {error}")


def _decode(plan: Plan, bench: Workbench, eval_every: int) -> None:
    for training in {spec.training.size_px: spec.training for spec in plan.runs}.values():
        bench.train(training.load_size_px)
        if eval_every or any(spec.choice for spec in plan.runs):
            bench.val(training.size_px)
    for size_px in plan.sizes:
        bench.test(size_px)

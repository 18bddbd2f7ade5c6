"""Where runs execute: this process, one after the other. A run that fails is recorded; the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.grid import Plan
from bench.policy import Policy
from bench.progress import Advance, Reporter
from bench.records import RunRecord, read_record, record_path
from bench.resources import cache_dir
from bench.runner import Runner, reference_rows
from bench.specs import RunSpec
from bench.workbench import ScoringChoice, Workbench

Until = Literal["train", "generate", "score"]


@dataclass(frozen=True)
class Launch:
    """How a grid is executed.

    Attributes:
        out: the output folder.
        device: torch device string.
        choice: what is scored.
        command: the command line, for records.
        until: the last stage.
        debug: show the traceback of a run that fails.
        again: score again what has been scored.
        policy: what is kept of runs and what is tried again.
    """

    out: Path
    device: str
    choice: ScoringChoice
    command: str
    until: Until = "score"
    debug: bool = False
    again: bool = False
    policy: Policy = field(default_factory=Policy)


def run_grid(plans: list[Plan], launch: Launch, reporter: Reporter) -> list[RunRecord]:
    """Execute all runs and reference rows of a grid.

    Data is decoded, and so checked, before the first training. Finished work is skipped.

    Returns:
        the records of this grid (with `until="score"`), and of every run that failed.
    """
    total = sum(spec.training.steps for plan in plans for spec in plan.runs)
    benches = [_workbench(plan, launch, reporter) for plan in plans]
    for plan, bench in zip(plans, benches, strict=True):
        _decode(plan, bench)
    runners = [Runner(launch.out, bench, launch.command, launch.again, launch.policy) for bench in benches]
    records: list[RunRecord] = []
    if launch.until == "score":
        for plan, runner in zip(plans, runners, strict=True):
            records += _references(runner, plan, reporter, launch.debug)
    with reporter.task("all runs", total) as overall:  # from here on, so that its time left means something
        behind = 0
        for plan, runner in zip(plans, runners, strict=True):
            for line in same_runs(plan.runs):
                reporter.say(line)
            for number, spec in enumerate(plan.runs, start=1):
                title = f"{spec.label} seed {spec.seed} ({number}/{len(plan.runs)})"
                run = _Run(runner, spec, title, launch, reporter, _shifted(overall, behind))
                records += run.execute()
                behind += spec.training.steps
                overall(behind, "")
    return records


def same_runs(specs: list[RunSpec]) -> list[str]:
    """What to tell about variants that are one run at their size."""
    lines = [
        f"{other} at {spec.training.size_px} px is the same run as {spec.label}"
        for spec in specs
        for other in spec.also
    ]
    return list(dict.fromkeys(lines))


@dataclass(frozen=True)
class _Run:
    """One run's stages, with bars."""

    runner: Runner
    spec: RunSpec
    title: str
    launch: Launch
    reporter: Reporter
    overall: Advance

    def execute(self) -> list[RunRecord]:
        if self.launch.until == "score" and self.runner.is_finished(self.spec):
            self.reporter.say(f"{self.title}: finished before, skipped")
            return [read_record(record_path(self.launch.out, self.spec.id))]
        try:
            return self._stages()
        except Exception as error:  # one run's failure must not lose the others
            if self.launch.debug:
                self.reporter.say(traceback.format_exc())
            record = self.runner.run_failed(self.spec, error)
            self.reporter.say(f"{self.title}: {record.status}: {record.error}")
            return [record]

    def _stages(self) -> list[RunRecord]:
        spec, runner, pictures = self.spec, self.runner, self.runner.bench.spec.test_n
        with self.reporter.task(f"{self.title}  train", spec.training.steps) as advance:
            runner.train(spec, _both(advance, self.overall))
        if self.launch.until == "train":
            self.reporter.say(f"{self.title}: trained")
            return []
        with self.reporter.task(f"{self.title}  generate", pictures) as advance:
            runner.generate(spec, advance)
        if self.launch.until == "generate":
            self.reporter.say(f"{self.title}: predictions in {self.launch.out / 'predictions' / spec.id}")
            return []
        with self.reporter.task(f"{self.title}  score", pictures) as advance:
            record = runner.score(spec, advance)
        self.reporter.say(f"{self.title}: done")
        return [record]


def _references(runner: Runner, plan: Plan, reporter: Reporter, debug: bool) -> list[RunRecord]:
    records = []
    for row, size_px in reference_rows(plan.runs):
        title = f"reference row '{row}' at {size_px} px"
        try:
            with reporter.task(f"{title}  score", plan.data.test_n) as advance:
                records.append(runner.reference(row, size_px, advance))
        except Exception as error:  # as for runs: the others go on
            if debug:
                reporter.say(traceback.format_exc())
            records.append(runner.reference_failed(row, size_px, error))
            reporter.say(f"{title}: {records[-1].status}: {records[-1].error}")
    return records


def _workbench(plan: Plan, launch: Launch, reporter: Reporter) -> Workbench:
    return Workbench(plan.dataset, plan.data, cache_dir(), launch.device, launch.choice, reporter)


def _decode(plan: Plan, bench: Workbench) -> None:
    for training in {spec.training.size_px: spec.training for spec in plan.runs}.values():
        bench.train(training.load_size_px)
        bench.test(training.size_px)


def _shifted(overall: Advance, behind: int) -> Advance:
    def advance(done: int, remark: str = "") -> None:
        overall(behind + done, "")

    return advance


def _both(first: Advance, second: Advance) -> Callable[[int, str], None]:
    def advance(done: int, remark: str = "") -> None:
        first(done, remark)
        second(done, "")

    return advance

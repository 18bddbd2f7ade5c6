"""Runs one after the other, each by all processes of a team: training, generation and scoring are shared."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from baselines.engine import resolve_device
from baselines.health import DivergedError
from baselines.parallel import OtherRankError, RanksApartError
from baselines.translate import load_checkpoint
from bench.core.interrupt import Terminated
from bench.core.progress import Reporter
from bench.launch.jobs import Job, Observer
from bench.launch.run_job import Runners, execute
from bench.records.layout import RunFiles
from bench.run.generate import generate_part
from bench.run.runner import Runner
from bench.run.score import score_run_along
from bench.run.team import FAREWELL_SECONDS, Team
from bench.run.train import train_along


class Together:
    """What the first process of a team does: as `InProcess`, but the others join in."""

    def __init__(self, team: Team) -> None:
        self._team = team

    def run(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        for job in jobs:
            self._team.call("begin", job=job.to_dict())
            execute(job, partial(self._runner, runners, job), notify)

    def _runner(self, runners: Runners, job: Job) -> Runner:
        return replace(runners.of(job), team=self._team)


def follow(team: Team, device: str) -> int:
    """What the other processes of a team do; returns the exit code.

    That is 0 even where the first process ends with another: torchrun ends all as soon as one fails, and
    the first one may still have to save its work and to say why.

    Raises:
        RanksApartError: if this one fails where the others do not, or the first is gone.
    """
    try:
        _Follower(team, device).run()
        return 0
    except (KeyboardInterrupt, Terminated) as signalled:  # the first process has its own, and things to save
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        code = 130 if isinstance(signalled, KeyboardInterrupt) else 143
        while (call := team.called(FAREWELL_SECONDS)) is not None:
            if call["work"] == "leave":
                team.leave()
                return 0
        return code


class _Follower:
    """A process of a team that does as it is called to."""

    def __init__(self, team: Team, device: str) -> None:
        self._team, self._device = team, device
        self._runners = Runners(Reporter(Console(quiet=True)))
        self._job: Job | None = None

    def run(self) -> None:
        while True:
            call = self._team.called()
            assert call is not None
            if call["work"] == "leave":
                return self._team.leave()
            try:
                self._join(call)
            except (DivergedError, OtherRankError):
                pass  # the first process has met it too, and records it
            except Exception as error:
                if self._job is not None and self._job.launch.debug:
                    traceback.print_exc()
                ranks = self._team.ranks
                said = f"{type(error).__name__}: {error}"
                raise RanksApartError(f"rank {ranks.rank} of {ranks.world} failed: {said}") from error

    def _join(self, call: dict[str, Any]) -> None:
        if call["work"] == "begin":
            self._job = Job.from_dict(call["job"]).on(self._device)
            return
        job = self._job
        assert job is not None
        spec, bench, ranks = job.spec, self._runners.of(job).bench, self._team.ranks
        if call["work"] == "train":
            train_along(spec, bench.train(spec.training.load_size_px), self._device, ranks)
        elif call["work"] == "generate":
            self._generate(job, Path(call["folder"]))
        elif call["work"] == "score":
            score_run_along(spec, bench, job.launch.out, ranks)

    def _generate(self, job: Job, folder: Path) -> None:
        spec, files = job.spec, RunFiles(job.launch.out, job.spec.id)
        test = self._runners.of(job).bench.test(spec.training.size_px)
        checkpoint = load_checkpoint(files.checkpoint, resolve_device(self._device))
        generate_part(checkpoint, test, spec.test, spec.seed, folder, lambda *_: None, self._team.ranks)

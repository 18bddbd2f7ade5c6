"""Runs trained by several processes together, each with its part of every batch (`torchrun`, `srun`).

The first process does all the work of `bench`, and calls the others to every training. They train along,
write and print nothing, and leave when the first one does.
"""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import click
import torch
import torch.distributed as dist
from rich.console import Console
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from baselines.health import DivergedError
from baselines.objectives.scheme import scheme_of
from baselines.parallel import Ranks, RanksApartError
from bench.core.errors import RunFailedError, UsageError
from bench.core.interrupt import Terminated
from bench.core.progress import Reporter
from bench.launch.jobs import Job, Observer
from bench.launch.run_job import Runners, execute
from bench.spec.grid import Plan
from bench.stages.ranks import Place
from bench.stages.runner import Runner
from bench.stages.train import train_along

_TIMEOUT = timedelta(minutes=30)  # of a step that all take together: a rank this late has died
_LOOK_SECONDS = 0.05
_FAREWELL_SECONDS = 20.0  # torchrun kills 30 seconds after it has asked to leave


class Team:
    """One process of several: the first one calls (`call`, `dismiss`), the others wait (`called`)."""

    def __init__(self, ranks: Ranks, store: Store) -> None:
        self.ranks, self._store, self._calls = ranks, store, 0

    def call(self, job: Job | None) -> None:
        """Call the other processes to the training of a job; None: they must leave."""
        self._store.set(f"call/{self._calls}", json.dumps(None if job is None else job.to_dict()))
        self._calls += 1

    def called(self, patience: float | None = None) -> Job | None:
        """Wait for the next call, at most `patience` seconds; None: this process must leave.

        Raises:
            RanksApartError: if the first process is gone.
        """
        key, started = f"call/{self._calls}", time.monotonic()
        try:
            while not self._store.check([key]):  # in Python, so that signals are handled
                if patience is not None and time.monotonic() - started > patience:
                    return None
                time.sleep(_LOOK_SECONDS)
            self._calls += 1
            told: dict[str, Any] | None = json.loads(self._store.get(key))
        except dist.DistError as error:
            said = str(error).partition("\n")[0]
            raise RanksApartError(f"{self.ranks}: rank 0 is gone ({said})") from None
        return None if told is None else Job.from_dict(told)

    def dismiss(self) -> None:
        """Tell the other processes to leave, and wait a little until they do."""
        self.call(None)
        until = time.monotonic() + _FAREWELL_SECONDS
        while self._store.add("left", 0) < self.ranks.world - 1 and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)

    def leave(self) -> None:
        """Tell the first process that this one leaves."""
        self._store.add("left", 1)


class TrainTogether:
    """The launcher of the first process: like `InProcess`, but the others train along."""

    def __init__(self, team: Team) -> None:
        self._team = team

    def run(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        for job in jobs:
            execute(job, self._opener(job, runners), notify)

    def _opener(self, job: Job, runners: Runners) -> Callable[[], Runner]:
        team = self._team
        return lambda: replace(runners.of(job), ranks=team.ranks, call=lambda: team.call(job))


def follow(team: Team, device: str) -> int:
    """What the other processes do: train along until they are told to leave; returns the exit code.

    The code is 0 even if the first process fails: torchrun ends all processes as soon as one fails, and the
    first may still have to save its work and report the error.

    Raises:
        RanksApartError: if only this process fails, or the first is gone.
    """
    runners = Runners(Reporter(Console(quiet=True)))
    try:
        while (job := team.called()) is not None:
            _train_along(job.on(device), runners, team.ranks)
    except (KeyboardInterrupt, Terminated):  # the first process is interrupted too, and saves its work
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        while team.called(_FAREWELL_SECONDS) is not None:
            pass
    team.leave()
    return 0


def _train_along(job: Job, runners: Runners, ranks: Ranks) -> None:
    spec = job.spec
    try:
        pairs = runners.of(job).bench.train(spec.training.load_size_px)
        train_along(spec, pairs, job.launch.device, ranks)
    except DivergedError:
        pass  # the first process gets the same error, and records it
    except Exception as error:
        if job.launch.debug:
            traceback.print_exc()
        raise RanksApartError(f"{ranks} failed: {type(error).__name__}: {error}") from error


def check_shares(ranks: Ranks, plans: Sequence[Plan], jobs: int | str) -> None:
    """Refuse batches that the processes cannot share evenly, and `--jobs`.

    Raises:
        UsageError: with what to do.
    """
    world = ranks.world
    if jobs != 1:
        raise UsageError(
            f"expected one run at a time by {world} processes, found --jobs {jobs}: leave one of them out"
        )
    for spec in (spec for plan in plans for spec in plan.runs):
        if not scheme_of(spec.variant).shared:
            raise UsageError(
                f"expected one process for {spec.label}, which cannot be trained by several, found {world}: "
                f"use --jobs {world} without torchrun or srun"
            )
        if (found := spec.training.batch_size) % world:
            wide = world * -(-found // world)
            raise UsageError(
                f"expected a batch size divisible by {world} processes, found {found} for {spec.label}: "
                f"use --batch-size {wide}, or --jobs {world} without torchrun or srun"
            )


@contextmanager
def joined(here: Place, device: str) -> Iterator[Team]:
    """This process's team, on torch device `device`. When the first process leaves, so do the others.

    Raises:
        UsageError: if the processes cannot meet.
        RunFailedError: if one of them is lost.
    """
    backend = "nccl" if device.startswith("cuda") else "gloo"
    try:
        store = next(rendezvous("env://", here.rank, here.world, timeout=_TIMEOUT))[0]
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if backend == "nccl" else "gloo",
            store=PrefixStore("tensors", store),
            rank=here.rank,
            world_size=here.world,
            timeout=_TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise UsageError(f"expected {here.world} processes to meet, found: {said}") from None
    team = Team(Ranks(here.rank, here.world, backend), PrefixStore("bench", store))
    try:
        yield team
    except RanksApartError as error:
        if here.rank == 0:
            team.call(None)  # a lost process will not answer
        _part(error, backend)
    except BaseException:
        if here.rank == 0:
            with suppress(dist.DistError):
                team.dismiss()
        raise
    if here.rank == 0:
        team.dismiss()
    dist.destroy_process_group()


def _part(error: RanksApartError, backend: str) -> NoReturn:
    message = f"{error}; the same command goes on from the last saved state"
    if backend == "nccl":  # a kernel may wait forever for the lost rank, and Python's exit for the kernel
        click.echo(f"bench: {message}", err=True)
        os._exit(RunFailedError.exit_code)
    raise RunFailedError(message) from error


def own_device(name: str, here: Place) -> str:
    """`name`, with the GPU of this process added if it only says "cuda".

    Raises:
        UsageError: if this machine has fewer GPUs than processes, or one is named.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda:"):
        raise UsageError(f"expected --device cuda with several processes, each takes its own, found {name}")
    if name != "cuda":
        return name
    if here.local >= torch.cuda.device_count():
        raise UsageError(
            f"expected a GPU for each process, found {torch.cuda.device_count()} for process "
            f"{here.local + 1} of this machine: start fewer, or use --device cpu"
        )
    torch.cuda.set_device(here.local)
    return f"cuda:{here.local}"

"""The processes that work on one run together: the first one does all that `bench` does, and tells the others
when to train along, which images to make and which to score. These write no records and say nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import click
import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from baselines.parallel import ALONE, Ranks, RanksApartError
from bench.core.errors import RunFailedError, UsageError
from bench.run.ranks import Place

if TYPE_CHECKING:
    from bench.spec.grid import Plan

TIMEOUT = timedelta(minutes=30)  # of work that all do at once: a rank that is so late has died
_LOOK_SECONDS = 0.05
FAREWELL_SECONDS = 20.0  # torchrun kills 30 seconds after it has asked to leave


class Team:
    """One process of several, or of one. The first calls (`call`), the others wait for that (`called`).

    Attributes:
        ranks: this process among the others.
        backend: what moves tensors between them; None for one process.
    """

    def __init__(self, ranks: Ranks = ALONE, store: Store | None = None, backend: str | None = None) -> None:
        self.ranks, self.backend, self._store, self._calls = ranks, backend, store, 0

    @property
    def about(self) -> dict[str, Any]:
        """For records."""
        return {"world_size": self.ranks.world, "backend": self.backend}

    def check(self, plans: list[Plan], jobs: int | str) -> None:
        """Refuse batches that the processes cannot share evenly, and `--jobs`.

        Raises:
            UsageError: saying what to do.
        """
        world = self.ranks.world
        if jobs != 1:
            raise UsageError(
                f"expected one run at a time by {world} processes, found --jobs {jobs}: leave one of them out"
            )
        for spec in (spec for plan in plans for spec in plan.runs):
            if (found := spec.training.batch_size) % world:
                wide = world * -(-found // world)
                raise UsageError(
                    f"expected a batch size divisible by {world} processes, found {found} for {spec.label}: "
                    f"use --batch-size {wide}, or --jobs {world} without torchrun or srun"
                )

    def call(self, work: str, **details: Any) -> None:
        """Tell the other processes to join in a piece of work (JSON only)."""
        if self._store is not None:
            self._store.set(f"call/{self._calls}", json.dumps({"work": work, **details}))
            self._calls += 1

    def called(self, patience: float | None = None) -> dict[str, Any] | None:
        """Wait for the next call; None if there is none for `patience` seconds.

        Raises:
            RanksApartError: if the first process is gone.
        """
        assert self._store is not None
        key, started = f"call/{self._calls}", time.monotonic()
        with self._reachable():
            while not self._store.check([key]):  # in Python, so that signals are heard
                if patience is not None and time.monotonic() - started > patience:
                    return None
                time.sleep(_LOOK_SECONDS)
            self._calls += 1
            call: dict[str, Any] = json.loads(self._store.get(key))
        return call

    def dismiss(self) -> None:
        """Tell the other processes to leave, and wait a little until they know."""
        assert self._store is not None
        self.call("leave")
        until = time.monotonic() + FAREWELL_SECONDS
        while self._store.add("left", 0) < self.ranks.world - 1 and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)

    def leave(self) -> None:
        """Let the first process know that this one goes."""
        assert self._store is not None
        self._store.add("left", 1)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except dist.DistError as error:
            said = str(error).partition("\n")[0]
            raise RanksApartError(
                f"rank {self.ranks.rank} of {self.ranks.world}: rank 0 is gone ({said})"
            ) from None


@contextmanager
def joined(here: Place, device: str) -> Iterator[Team]:
    """This process's team, on torch device `device`; when the first process leaves it takes the others along.

    Raises:
        UsageError: if the processes cannot meet.
        RunFailedError: if one of them is lost on the way.
    """
    backend = "nccl" if device.startswith("cuda") else "gloo"
    try:
        store = next(rendezvous("env://", here.rank, here.world, timeout=TIMEOUT))[0]
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if backend == "nccl" else "gloo",
            store=PrefixStore("tensors", store),
            rank=here.rank,
            world_size=here.world,
            timeout=TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise UsageError(f"expected {here.world} processes to meet, found: {said}") from None
    team = Team(Ranks(here.rank, here.world), PrefixStore("bench", store), backend)
    try:
        yield team
    except RanksApartError as error:
        if here.rank == 0:
            team.call("leave")  # one that is gone will not answer
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
    if backend == "nccl":  # a kernel may wait for the lost rank for ever, and Python's end for the kernel
        click.echo(f"bench: {message}", err=True)
        os._exit(RunFailedError.exit_code)
    raise RunFailedError(message) from error


def own_device(name: str, here: Place) -> str:
    """`name`, with the GPU of this process where it only says that there is to be one.

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

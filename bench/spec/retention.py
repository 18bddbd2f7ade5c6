"""How runs are carried out: what is kept of them and what is tried again. No part of what a run is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Keep = Literal["none", "last", "all"]
TRACKERS = ("tensorboard", "wandb")


@dataclass(frozen=True)
class Policy:
    """JSON-able (`dataclasses.asdict`), so that it can go to other processes.

    Attributes:
        keep: generators of scored runs: "none", the "last", or "all" ten sample points' too.
        checkpoint_every: seconds between two saved training states: what a crash costs at most.
        retry: train diverged runs again.
        log: trackers that a run is shown to (`TRACKERS`, in `bench.run.trackers`).
        lengths: steps of the runs that differ in nothing else (`--keep-at`), rising; a longer one goes on
            from the end of a shorter one.
    """

    keep: Keep = "last"
    checkpoint_every: float = 60.0
    retry: bool = False
    log: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()

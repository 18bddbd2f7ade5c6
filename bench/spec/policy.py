"""How runs are carried out: what is kept of them and what is tried again. Not part of a run's identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Keep = Literal["none", "last", "all"]
TRACKERS = ("tensorboard", "wandb")
LAST = "last"  # of `--choose`
CHEAP_METRICS = ("ssim", "psnr", "mae", "hf_ratio")  # they need no network


@dataclass(frozen=True)
class Policy:
    """JSON-able (`dataclasses.asdict`), so that it can go to other processes.

    Attributes:
        keep: generators of scored runs: "none", the "last", or "all" (also those of the ten sample points).
        checkpoint_every: seconds between two saved training states: the most that a crash costs.
        retry: train diverged runs again.
        log: trackers that show a run (`TRACKERS`, in `bench.stages.trackers`).
        lengths: steps of runs that differ only in these (`--keep-at`), rising; a longer run continues from
            the end of a shorter one.
        eval_every: steps between two scorings on the validation images (`--eval-every`); 0: never. A run that
            chooses its step has its own (`StepChoice.every`).
        eval_metrics: what is scored then.
        both_directions: the second generator of each unpaired training is generated and scored too
            (`--both-directions`).
    """

    keep: Keep = "last"
    checkpoint_every: float = 60.0
    retry: bool = False
    log: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    eval_every: int = 0
    eval_metrics: tuple[str, ...] = CHEAP_METRICS
    both_directions: bool = False

"""Runs that one training makes (`--keep-at`): a longer one goes on from the end of a shorter one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.spec.run_spec import RunSpec


def training_of(spec: RunSpec) -> RunSpec:
    """What the runs share that one training makes: all but the number of steps, and what only describes."""
    return replace(spec, training=replace(spec.training, steps=1), swept=(), also=())


def ends_of(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """The longest run of each training: its time is that of the training, the shorter ones come with it."""
    longest: dict[RunSpec, RunSpec] = {}
    for spec in specs:
        known = longest.setdefault(training_of(spec), spec)
        if spec.training.steps > known.training.steps:
            longest[training_of(spec)] = spec
    return list(longest.values())


def steps_before(steps: int, lengths: Sequence[int]) -> int:
    """How many of a run's steps the run of the next shorter length takes; 0 where there is none."""
    return max((length for length in lengths if length < steps), default=0)

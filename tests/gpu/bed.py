"""Where GPU checks run, of which parts they are made, and what they give: rows of a table.

With `dry` they run on a CPU, tiny: that proves them, and measures nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant
from bench.launch.cost.peaks import wait_for
from bench.launch.cost.step_worker import random_pairs


@dataclass(frozen=True)
class Row:
    """A line of the table. `ok`: None where there is no target; `unfinished`: to be gone on with."""

    what: str
    found: str
    target: str = ""
    ok: bool | None = None
    numbers: dict[str, Any] = field(default_factory=dict)
    unfinished: bool = False


Rows = Sequence[Row]


@dataclass(frozen=True)
class Part:
    """What is measured at a stretch, and kept once it is done.

    Attributes:
        name: within its check.
        seconds: that it is expected to take on an H100 with all that it starts, rather too many than too few.
            What is cut short and gone on with has the least that is worth a beginning.
        work: gives its rows; takes those of the check's parts before it.
    """

    name: str
    seconds: float
    work: Callable[[Rows], Iterable[Row]]


def numbers(rows: Rows, name: str) -> dict[str, float]:
    """A number of all rows that have it, by what they are about."""
    return {row.what: row.numbers[name] for row in rows if name in row.numbers}


@dataclass(frozen=True)
class Bed:
    """Where and at what size things are measured."""

    dry: bool
    out: Path
    released: Path | None
    data_root: Path | None
    deadline: float  # of this command, by `time.monotonic`

    @property
    def device(self) -> torch.device:
        return torch.device("cpu" if self.dry else "cuda")

    @property
    def name(self) -> str:
        return str(self.device)

    @property
    def settings(self) -> TrainingSettings:
        if self.dry:
            return TrainingSettings(steps=3, size_px=32, base_filters=4)
        return TrainingSettings(steps=200, engine="captured")

    def fits(self, part: Part) -> bool:
        """Whether there is time for it."""
        return time.monotonic() + (0.0 if self.dry else part.seconds) <= self.deadline

    def met(self, ok: bool) -> bool | None:
        """Whether a measured target was met; a dry run measures nothing."""
        return None if self.dry else ok

    def trainer(self, variant: str, **changes: Any) -> Trainer:
        settings = replace(self.settings, **changes)
        data = random_pairs(settings.load_size_px, (3, 3))
        return Trainer(parse_variant(variant), settings, data, 0, self.device)

    def median_ms(self, step: Callable[[], object], warm_up: int = 10) -> float:
        """Median of five series; within one the host runs ahead, as in training."""
        each = 1 if self.dry else 40
        for _ in range(1 if self.dry else warm_up):
            step()
        found = []
        for _ in range(5):
            wait_for(self.device)
            began = time.perf_counter()
            for _ in range(each):
                step()
            wait_for(self.device)
            found.append(1e3 * (time.perf_counter() - began) / each)
        return median(found)

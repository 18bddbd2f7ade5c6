"""Scores a training on its validation images, and keeps the best generator where they choose the step.

RUN/validation.json      the values so far; a continued training does not score a step again
RUN/best-N.safetensors   the best generator so far, from step N (`--choose best:METRIC`)

Both are gone once the run has its generator: its history then holds the values.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint
from bench.analysis.column import merit
from bench.core.errors import UsageError
from bench.core.files import atomic_path, write_text
from bench.records.output_folder import RunFiles
from bench.records.record import Goal
from bench.scoring.metrics.base import ScoringContext
from bench.spec.run_spec import RunSpec
from bench.stages.quick_values import values_on

Point = dict[str, Any]  # "step", "images_seen", "seconds" of the scoring, and metric key -> value or None


class LostError(Exception):
    """What a continued training needs of the validation before is not there."""


@dataclass
class Validation:
    """The validation of one training.

    Attributes:
        spec, files: the run, and where its files are.
        context: for the metrics; its test split holds the validation images.
        origin: "held out" of the training images, or the data set's "own".
        every: steps between two scorings.
        metrics: what is scored.
        in_test: how many validation pairs are test pairs too, by the content of their files.
        points: the values so far, in the order of their steps.
        goals: metric key -> its goal.
        reasons: metric key -> why it has no value.
    """

    spec: RunSpec
    files: RunFiles
    context: ScoringContext
    origin: str
    every: int
    metrics: tuple[str, ...]
    in_test: int = 0
    points: list[Point] = field(default_factory=list)
    goals: dict[str, Goal] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def go_on(self, step: int, shorter: RunFiles | None = None) -> None:
        """Take up what was scored before the training continues from `step`; 0: nothing was.

        Steps after `step` that were scored before an interruption count too: they are trained again alike.

        Args:
            shorter: a shorter run (`--keep-at`) that the training continues from.

        Raises:
            LostError: if the step is chosen, and a value or the best generator is gone.
        """
        if step == 0:
            self.points = []
            self._remove([self.files.validation, *self.files.best])
        elif not self._read(self.files.validation) and shorter is not None:
            self._read(shorter.history)
        if self.spec.choice is None or step == 0:
            return
        scored = {point["step"] for point in self.points}
        if missing := set(range(self.every, step + 1, self.every)) - scored:
            raise LostError(f"the values on the validation images at step {min(missing)} are gone")
        if self.best_step is not None:
            try:
                load_checkpoint(self.files.best_at(self.best_step), torch.device("cpu"))
            except ValueError as error:
                raise LostError(f"the best generator so far is gone: {error}") from error
        self._keep_only_best()

    def _read(self, path: Path) -> bool:
        """Take the values in a file of `_write`, or in a history; False if there are none."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            held = content.get("validation", content)
            self.points, self.goals, self.reasons = held["points"], held["goals"], held["reasons"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        return True

    def visit(self, step: int, checkpoint: Checkpoint) -> Point:
        """The values at a step: scored now, and the generator kept if it is the best, unless they are known.

        Nothing of the training changes: neither weights, statistics of normalisation nor random states.

        Raises:
            UsageError: if the metric that chooses has no value on these images.
        """
        if known := [point for point in self.points if point["step"] == step]:
            return known[0]
        on = checkpoint.generator.parameters()
        devices = {one.device for one in on if one.device.type == "cuda"}
        with torch.random.fork_rng(devices=list(devices)):
            point = self._scored(step, checkpoint)
        self.points = sorted([*self.points, point], key=lambda one: int(one["step"]))
        if self.spec.choice is not None and self.best_step == step:
            with atomic_path(self.files.best_at(step)) as temporary:
                save_checkpoint(temporary, checkpoint)
        self._write()
        if self.spec.choice is not None:
            self._keep_only_best()
        return point

    def _scored(self, step: int, checkpoint: Checkpoint) -> Point:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix=".partial-validation-", dir=self.files.folder) as name:
            values, goals, reasons = values_on(
                checkpoint, self.context, self.spec, self.metrics, Path(name) / "images"
            )
        self.goals |= goals
        self.reasons |= reasons
        choice = self.spec.choice
        if choice is not None and values.get(choice.metric) is None:
            said = reasons.get(choice.metric, f"it is not among what {', '.join(values)} measure")
            raise UsageError(f"expected a value of {choice.metric} to choose the step by, found none: {said}")
        seen = step * self.spec.training.batch_size
        return {"step": step, "images_seen": seen, "seconds": time.perf_counter() - started, **values}

    @property
    def best_step(self) -> int | None:
        """The step that is chosen: the best one, the earliest of equals; None before the first."""
        choice = self.spec.choice
        if choice is None or not self.points:
            return None
        goal = self.goals[choice.metric]
        best = max(self.points, key=lambda point: (merit(goal, float(point[choice.metric])), -point["step"]))
        return int(best["step"])

    def _keep_only_best(self) -> None:
        best = None if self.best_step is None else self.files.best_at(self.best_step)
        self._remove([path for path in self.files.best if path != best])

    @staticmethod
    def _remove(paths: Sequence[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)

    def _write(self) -> None:
        content = {"points": self.points, "goals": self.goals, "reasons": self.reasons}
        write_text(self.files.validation, json.dumps(content, allow_nan=False))

    def summary(self) -> dict[str, Any]:
        """What the run's history and record keep."""
        last, choice = self.spec.training.steps, self.spec.choice
        return {
            "origin": self.origin,
            "n": len(self.context.test),
            "in_test": self.in_test,
            "every": self.every,
            "choice": "last" if choice is None else f"best:{choice.metric}",
            "chosen_step": last if self.best_step is None else self.best_step,
            "last_step": last,
            "goals": self.goals,
            "reasons": self.reasons,
            "points": self.points,
        }

    def done(self) -> None:
        """Remove its files: the run has its generator and history."""
        self._remove([self.files.validation, *self.files.best])


def said_of(validation: Mapping[str, Any]) -> str | None:
    """The chosen step in words, from a `summary`; None where the last one is taken."""
    _, best, metric = str(validation["choice"]).partition("best:")
    if not best:
        return None
    at = {point["step"]: point[metric] for point in validation["points"]}
    chosen, last = validation["chosen_step"], validation["last_step"]
    return (
        f"takes step {chosen} of {last}: {metric} {at[chosen]:.4g} on {validation['n']} validation images "
        f"(last step: {at[last]:.4g})"
    )

"""Scores a training on its validation images, and keeps the best generator where they choose the step.

RUN/validation.json      the values so far; a continued training does not score a step again
RUN/best-N.safetensors   the best generator so far, from step N (`--choose best:METRIC`)

Both are gone once the run has its generator: its history then holds the values.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.translate import Checkpoint, load_checkpoint, save_checkpoint
from bench.analysis.column import merit
from bench.core.errors import UsageError
from bench.core.files import atomic_path, write_text
from bench.data.chosen import HeldOut
from bench.data.datasets import Dataset
from bench.records.output_folder import RunFiles
from bench.records.record import Goal
from bench.run.data_in_use import Workbench
from bench.run.quick_values import values_on
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.one_pass import wants_judge
from bench.spec.policy import Policy
from bench.spec.run_spec import RunSpec

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

    def visit(self, step: int, checkpoint: Checkpoint) -> Point | None:
        """Score the generator of a step and keep it if it is the best; None if the step was scored before.

        Nothing of the training changes: neither weights, statistics of normalisation nor random states.

        Raises:
            UsageError: if the metric that chooses has no value on these images.
        """
        if any(point["step"] == step for point in self.points):
            return None
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


def validation_of(bench: Workbench, spec: RunSpec, files: RunFiles, policy: Policy) -> Validation | None:
    """The validation that a run has; None if none was asked for.

    Raises:
        UsageError: if there are no validation images, others than the run's, or no judge that is needed.
    """
    every = policy.eval_every if spec.choice is None else spec.choice.every
    if not every:
        return None
    asked = (*policy.eval_metrics, *(() if spec.choice is None else (spec.choice.metric,)))
    metrics, size_px = tuple(dict.fromkeys(asked)), spec.training.size_px
    val = bench.val(size_px)
    found = None if val is None else bench.dataset.fingerprint("val")
    if val is None or (spec.choice is not None and found != spec.choice.val_fingerprint):
        raise UsageError(
            f"expected the validation images that run {spec.id} was planned with, found "
            f"{'none' if val is None else 'others'} in {bench.dataset.root}: run the command again"
        )
    judge, reason = bench.judge(size_px) if wants_judge(metrics) else (None, "it was not asked for")
    if judge is None and wants_judge(metrics):
        raise UsageError(f"expected a judge for --eval-metrics {','.join(metrics)}, found none: {reason}")
    weights, inception_reason = bench.inception
    judge_px = getattr(judge, "judge_px", None)
    context = ScoringContext(
        card=bench.dataset.card,
        size_px=size_px,
        target_role=bench.dataset.target_role,
        row="run",
        device=bench.device,
        cache=bench.cache,
        test=val,
        judge=judge,
        judge_reason=reason,
        inception_weights=weights,
        inception_reason=inception_reason,
        file_labels=_labels(bench, judge_px),
        fid_protocol=bench.choice.fid_protocol,
    )
    origin = "held out" if isinstance(bench.dataset.images, HeldOut) else "own"
    in_test = _in_test(bench.dataset)
    if in_test:
        bench.reporter.say(
            f"{in_test} of the {len(val)} validation pairs of {bench.dataset.name} are test pairs too: what "
            "is decided on them has seen the test"
        )
    return Validation(spec, files, context, origin, every, metrics, in_test)


def _in_test(dataset: Dataset) -> int:
    val, test = (dataset.images.content(split, range(dataset.splits[split])) for split in ("val", "test"))
    return len(set(val) & set(test))


def _labels(bench: Workbench, size_px: int | None) -> Callable[[int], NDArray[np.uint8]]:
    """Index among the validation images -> its label map at `size_px`; None: as large as in its file."""
    if size_px is None:
        return bench.dataset.file_labels("val")
    val = bench.val(size_px)
    assert val is not None
    labels = val.labels
    assert labels is not None
    return lambda index: np.array(labels[index])


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

"""One run from spec to record: train, generate, score; each stage is skipped if its file exists."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from baselines.engine import describe_device, resolve_device
from baselines.health import DivergedError
from baselines.parallel import ALONE, Ranks
from baselines.sizes import Size, size_order
from baselines.translate import Units, load_checkpoint
from bench.core.environment import environment
from bench.core.errors import BenchError, UsageError
from bench.core.files import remove, set_aside, write_text
from bench.core.images import is_whole
from bench.core.lock import locked
from bench.core.progress import Advance
from bench.data.dataset import Dataset
from bench.records.output_folder import RunFiles
from bench.records.record import (
    REFERENCE_ROWS,
    RunRecord,
    read_record,
    record_path,
    write_record,
)
from bench.spec.models import ModelRow
from bench.spec.policy import Policy
from bench.spec.run_spec import RunSpec
from bench.stages.costs import checkpoint_cost
from bench.stages.data_in_use import Workbench
from bench.stages.gap import train_test_gap
from bench.stages.generate import generate_split, run_checkpoint
from bench.stages.merge import covers
from bench.stages.models.row import model_record, unscored
from bench.stages.open_validation import open_validation
from bench.stages.sample_sheet import samples_of
from bench.stages.score import (
    ScoringStage,
    asked_of,
    finished_record,
    now,
    read_history,
    reference_record,
)
from bench.stages.trackers import tracking
from bench.stages.train import TrainingStage, nobody
from bench.stages.way_back import lost, write_spec


@dataclass(frozen=True)
class Runner:
    """Brings runs and reference rows of one data set to their records.

    Attributes:
        out: the output folder.
        bench: the data set in use, judge and weights.
        command: the command line that asked for it, for the record.
        again: score again what has been scored; train nothing.
        policy: what is kept and what is tried again.
        ranks: the processes that train a run together; only this one does all the rest.
        call: calls the others to a training.
        turned: opens the runner of the same data in the opposite direction; None unless `policy` asks for
            both.
    """

    out: Path
    bench: Workbench
    command: str
    again: bool = False
    policy: Policy = field(default_factory=Policy)
    ranks: Ranks = ALONE
    call: Callable[[], None] = nobody
    turned: Callable[[], Runner] | None = None

    def is_finished(self, spec: RunSpec) -> bool:
        """Whether the run has a finished record, scored as wanted now; and its way back, where asked for."""
        return self.is_scored(spec) and (self.turned is None or self.turned().is_scored(spec.turned()))

    def is_scored(self, spec: RunSpec) -> bool:
        """Whether the run has a finished record, scored as wanted now."""
        return self._has_record(spec.id, spec.training.size_px)

    def has_validation(self, spec: RunSpec) -> bool:
        """Whether the run's record holds values on the validation images."""
        return "validation" in read_record(record_path(self.out, spec.id)).details

    def train(self, spec: RunSpec, advance: Advance, *, for_good: bool = True) -> None:
        """Train unless a whole checkpoint exists or, if not `for_good`, all predictions made with it."""
        files = RunFiles(self.out, spec.id)
        if self._is_trained(spec, files) or (not for_good and self._is_generated(spec, files)):
            advance(spec.training.steps, "")
            return
        if spec.back:
            raise lost(self.out, spec)
        write_spec(files, spec)
        bench = self.bench
        train = bench.train(spec.training.load_size_px)
        roles = bench.dataset.source_role, bench.dataset.target_role
        resizes = ["nearest" if role == "labels" else "bicubic" for role in roles]
        say, about = bench.reporter.say, self._environment()
        stage = TrainingStage(
            spec=spec,
            files=files,
            train=train,
            samples=samples_of(bench, spec.training.size_px),
            resizes=(resizes[0], resizes[1]),
            units=_units(bench.dataset),
            stacked=bench.dataset.card.sources,
            device=bench.device,
            say=say,
            environment=about,
            policy=self.policy,
            ranks=self.ranks,
            call=self.call,
            validation=open_validation(bench, spec, files, self.policy),
        )
        stage.run(advance)

    def _is_trained(self, spec: RunSpec, files: RunFiles) -> bool:
        """Whether the generator exists; a damaged one is set aside and its predictions are removed."""
        if not files.checkpoint.is_file():
            return False
        try:
            load_checkpoint(files.checkpoint, torch.device("cpu"))
        except ValueError as error:
            said = f"{error}; set aside as {set_aside(files.checkpoint).name}"
            remove(files.predictions)
            if self.again or spec.back:
                raise UsageError(f"{said}: the command that trained this run trains it again") from None
            self.bench.reporter.say(f"{spec.label} seed {spec.seed}: {said}, training again")
            return False
        return True

    def _is_generated(self, spec: RunSpec, files: RunFiles) -> bool:
        names = self.bench.test(spec.training.size_px).names
        return all(is_whole(files.predictions / f"{name}.png") for name in names)

    def tidy(self, spec: RunSpec) -> None:
        """Remove the files of a scored run that the policy does not keep."""
        if self.policy.keep == "none":
            files = RunFiles(self.out, spec.id)
            remove(files.checkpoint)
            remove(files.checkpoint_back)

    def generate(self, spec: RunSpec, advance: Advance) -> None:
        """Predict the test split unless all predictions exist."""
        files, test = RunFiles(self.out, spec.id), self.bench.test(spec.training.size_px)
        if not self._is_generated(spec, files):
            checkpoint = run_checkpoint(files, self.bench.device)
            started = time.perf_counter()
            generate_split(checkpoint, test, spec.test, spec.seed, files.predictions, advance)
            history = read_history(files)
            history["generate_seconds"] = time.perf_counter() - started
            write_text(files.history, json.dumps(history, allow_nan=False))
        self._measure_cost(spec, files)
        self._measure_gap(spec, files)

    def _measure_cost(self, spec: RunSpec, files: RunFiles) -> None:
        """Add what the generator costs to the history, once; also after an end before that."""
        history = read_history(files)
        if "cost" in history or not files.checkpoint.is_file():
            return
        checkpoint, test = run_checkpoint(files, self.bench.device), self.bench.test(spec.training.size_px)
        history["cost"] = checkpoint_cost(checkpoint, test.source[0], spec.test)
        write_text(files.history, json.dumps(history, allow_nan=False))

    def _measure_gap(self, spec: RunSpec, files: RunFiles) -> None:
        """Add the gap between training and test to the history of a run that has a validation, once."""
        history = read_history(files)
        validation = history.get("validation")
        if validation is None or "gap" in validation or not files.checkpoint.is_file():
            return
        validation["gap"] = train_test_gap(run_checkpoint(files, self.bench.device), self.bench, spec, files)
        write_text(files.history, json.dumps(history, allow_nan=False))

    def score(self, spec: RunSpec, advance: Advance) -> RunRecord:
        """Score the predictions and write the record."""
        scored = self._scoring.run(spec, advance)
        steps = spec.training.steps
        with tracking(self.policy.log, self.out, spec, steps, self.bench.reporter.say) as trackers:
            trackers.scores(scored, steps)
        return scored

    @property
    def _scoring(self) -> ScoringStage:
        return ScoringStage(self.out, self.bench, self._environment(), self.again)

    def reference(self, row: str, size_px: Size, advance: Advance) -> RunRecord:
        """The record of the reference row `row` at `size_px`, scored unless it exists."""
        record_id = reference_record(self.bench.spec, row, size_px).id
        with locked(RunFiles(self.out, record_id).lock):
            if self._has_record(record_id, size_px):
                return read_record(record_path(self.out, record_id))
            return self._scoring.reference(row, size_px, advance)

    def model(self, row: ModelRow, advance: Advance) -> RunRecord:
        """The record of a generator that was trained elsewhere, made unless it exists."""
        with locked(RunFiles(self.out, row.id).lock):
            if self._has_record(row.id, row.size_px):
                return read_record(record_path(self.out, row.id))
            return model_record(self.out, self.bench, row, self._scoring, advance)

    def model_failed(self, row: ModelRow, error: Exception) -> RunRecord:
        """The record of such a row that failed, written unless it has finished before."""
        return self._failed(unscored(row), error)

    def run_failed(self, spec: RunSpec, error: Exception) -> RunRecord:
        """The record of a run that failed, written unless the run has finished before."""
        return self._failed(RunRecord(spec.id, "run", spec.label, spec.to_dict(), "failed"), error)

    def reference_failed(self, row: str, size_px: Size, error: Exception) -> RunRecord:
        """The same for a reference row."""
        return self._failed(reference_record(self.bench.spec, row, size_px), error)

    def _failed(self, record: RunRecord, error: Exception) -> RunRecord:
        said = reason_of(error)
        failed = replace(
            record,
            status="failed",
            environment=self._environment(),
            error=" ".join(said.split())[:500],
            created=now(),
        )
        if isinstance(error, DivergedError):
            kept = {"step": error.step, "last_good_step": error.last_good_step}
            failed = replace(failed, status="diverged", history=error.history, details={"diverged": kept})
        if finished_record(self.out, record.id) is None:
            try:
                write_record(self.out, failed)
            except OSError as unwritten:  # probably a full disk: this message is then the only trace
                self.bench.reporter.say(f"{failed.id}: no record could be written: {unwritten}")
        return failed

    def diverged_before(self, spec: RunSpec) -> str | None:
        """The error in the record, if the run diverged before and is not tried again."""
        path = record_path(self.out, spec.id)
        if self.policy.retry or not path.is_file():
            return None
        record = read_record(path)
        return record.error if record.status == "diverged" else None

    def _has_record(self, record_id: str, size_px: Size) -> bool:
        path = record_path(self.out, record_id)
        if self.again or not path.is_file():
            return False
        record = read_record(path)
        return record.status == "finished" and covers(
            record.details.get("scoring"), asked_of(self.bench, size_px)
        )

    def _environment(self) -> dict[str, Any]:
        about = {"world_size": self.ranks.world, "backend": self.ranks.backend}
        return {
            **environment(describe_device(resolve_device(self.bench.device))),
            **about,
            "command": self.command,
        }


def _units(dataset: Dataset) -> tuple[Units | None, Units | None]:
    """What the levels of sources and targets stand for."""
    sides = (dataset.source_range, dataset.source_mode), (dataset.target_range, dataset.target_mode)
    source, target = (None if one is None else Units(one.low, one.high, mode) for one, mode in sides)
    return source, target


def reason_of(error: Exception) -> str:
    """Why a run failed, in words."""
    if isinstance(error, DivergedError | BenchError):
        return str(error)
    said = f"{type(error).__name__}: {error}"
    if not _is_memory(error):
        return said
    return f"out of memory: a smaller --batch-size or --size, or fewer --jobs, needs less ({said})"


def _is_memory(error: Exception) -> bool:
    """Whether the machine or a GPU ran out of memory; torch's CPU allocator says so only in its message."""
    words = ("can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(one in str(error) for one in words)


def reference_rows(sizes: Iterable[Size], dataset: Dataset) -> list[tuple[str, Size]]:
    """The reference rows of a grid: every one at every size.

    `nearest` needs pairs, and `copy` sources that can be targets: of one channel or three.
    """
    without = {"nearest"} if dataset.unpaired else set()
    if dataset.source_channels not in (1, 3):
        without.add("copy")
    rows = [row for row in REFERENCE_ROWS if row not in without]
    return [(row, size_px) for size_px in sorted(sizes, key=size_order) for row in rows]

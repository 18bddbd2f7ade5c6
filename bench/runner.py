"""One run from spec to record: train, generate, score; each stage is skipped when its file is there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from baselines.engine import describe_device, resolve_device
from baselines.health import DivergedError
from baselines.translate import load_checkpoint
from bench.environment import environment
from bench.errors import BenchError, UsageError
from bench.files import remove, set_aside, sha256_file, write_text
from bench.generate import generate_split
from bench.lock import locked
from bench.metrics.base import ScoringContext
from bench.output import RunFiles
from bench.pictures import is_whole, read_png
from bench.policy import Policy
from bench.progress import Advance
from bench.records import (
    MetricResult,
    RunRecord,
    read_per_image,
    read_record,
    record_path,
    write_record,
)
from bench.reference_rows import REFERENCE_ROWS, reference_predictions
from bench.repeats import DropoutSamples, SwappedSources
from bench.rescoring import covers, merged
from bench.scorers.fitness import fitness
from bench.scoring import score
from bench.specs import RunSpec, slug
from bench.team import Team
from bench.trackers import tracking
from bench.training import TrainingStage
from bench.workbench import Workbench


@dataclass(frozen=True)
class Runner:
    """Brings runs and reference rows of one data set to their records.

    Attributes:
        out: the output folder.
        bench: the data set in use, judge and weights.
        command: the command line that asked for it, for the record.
        again: score again what has been scored; train nothing.
        policy: what is kept and what is tried again.
        team: the processes that work on one run together.
    """

    out: Path
    bench: Workbench
    command: str
    again: bool = False
    policy: Policy = field(default_factory=Policy)
    team: Team = field(default_factory=Team)

    def is_finished(self, spec: RunSpec) -> bool:
        """Whether the run's record is there, finished, and scored as is wanted now."""
        return self._has_record(spec.id, spec.training.size_px)

    def train(self, spec: RunSpec, advance: Advance, *, for_good: bool = True) -> None:
        """Train unless a whole checkpoint is there; not `for_good`: or all that is made with it."""
        files = RunFiles(self.out, spec.id)
        if self._is_trained(spec, files) or (not for_good and self._is_generated(spec, files)):
            advance(spec.training.steps, "")
            return
        write_text(
            files.spec, json.dumps(spec.to_dict() | {"swept": spec.swept, "also": spec.also}, indent=1) + "\n"
        )
        bench = self.bench
        train, test = bench.train(spec.training.load_size_px), bench.test(spec.training.size_px)
        resize = "nearest" if bench.dataset.source_role == "labels" else "bicubic"
        say, about = bench.reporter.say, self._environment()
        stage = TrainingStage(
            spec, files, train, test, resize, bench.device, say, about, self.policy, self.team
        )
        stage.run(advance)

    def _is_trained(self, spec: RunSpec, files: RunFiles) -> bool:
        """Whether the generator is there; a damaged one is set aside, with what was made by it."""
        if not files.checkpoint.is_file():
            return False
        try:
            load_checkpoint(files.checkpoint, torch.device("cpu"))
        except ValueError as error:
            said = f"{error}; set aside as {set_aside(files.checkpoint).name}"
            remove(files.predictions)
            if self.again:
                raise UsageError(f"{said}: the command that trained this run trains it again") from None
            self.bench.reporter.say(f"{spec.label} seed {spec.seed}: {said}, training again")
            return False
        return True

    def _is_generated(self, spec: RunSpec, files: RunFiles) -> bool:
        names = self.bench.test(spec.training.size_px).names
        return all(is_whole(files.predictions / f"{name}.png") for name in names)

    def tidy(self, spec: RunSpec) -> None:
        """Remove what is not to be kept of a scored run."""
        if self.policy.keep == "none":
            remove(RunFiles(self.out, spec.id).checkpoint)

    def generate(self, spec: RunSpec, advance: Advance) -> None:
        """Predict the test split unless all predictions are there."""
        files, test = RunFiles(self.out, spec.id), self.bench.test(spec.training.size_px)
        if self._is_generated(spec, files):
            return
        try:
            checkpoint = load_checkpoint(files.checkpoint, resolve_device(self.bench.device))
        except ValueError as error:
            raise UsageError(f"{error}: delete it to train this run again") from None
        started = time.perf_counter()
        generate_split(checkpoint, test, spec.test, spec.seed, files.predictions, advance, self.team)
        history = _read_history(files)
        history["generate_seconds"] = time.perf_counter() - started
        write_text(files.history, json.dumps(history, allow_nan=False))

    def score(self, spec: RunSpec, advance: Advance) -> RunRecord:
        """Score the predictions and write the record."""
        files = RunFiles(self.out, spec.id)

        def prediction(index: int) -> NDArray[Any]:
            path = files.predictions / f"{self.bench.test(spec.training.size_px).names[index]}.png"
            try:
                return read_png(path)
            except OSError as error:
                raise UsageError(f"prediction {path} cannot be read ({error}): run again") from None

        history = _read_history(files)
        steps_seconds = history["train_seconds"]
        record = RunRecord(
            id=spec.id,
            kind="run",
            label=spec.label,
            spec=spec.to_dict(),
            status="finished",
            history=history["history"],
            details={
                "predictions": _digest(files, self.bench.test(spec.training.size_px).names),
                **({"also": list(spec.also)} if spec.also else {}),
                **({"training_warnings": history["warnings"]} if history["warnings"] else {}),
            },
            environment=history["environment"],
            timings={
                "train": steps_seconds,
                "seconds_per_step": steps_seconds / spec.training.steps,
                **({"generate": history["generate_seconds"]} if "generate_seconds" in history else {}),
            },
        )
        gallery = replace(
            self.bench.gallery(self.out, spec.training.size_px), predictions=f"predictions/{spec.id}"
        )
        test = self.bench.test(spec.training.size_px)
        asked = (files, test, spec.test, spec.seed, self.bench.device)
        context = replace(
            self.bench.context(spec.training.size_px, "run"),
            repeats=DropoutSamples(*asked),
            swaps=SwappedSources(*asked),
        )
        scored = self._score(replace(record, gallery=gallery), context, prediction, advance)
        steps = spec.training.steps
        with tracking(self.policy.log, self.out, spec, steps, self.bench.reporter.say) as trackers:
            trackers.scores(scored, steps)
        return scored

    def reference(self, row: str, size_px: int, advance: Advance) -> RunRecord:
        """The record of the reference row `row` at `size_px`, scored unless it is there already."""
        record = self._reference_record(row, size_px)
        with locked(RunFiles(self.out, record.id).lock):
            if self._has_record(record.id, size_px):
                return read_record(record_path(self.out, record.id))
            return self._scored_reference(record, row, size_px, advance)

    def _scored_reference(self, record: RunRecord, row: str, size_px: int, advance: Advance) -> RunRecord:
        predictions = reference_predictions(row, partial(self.bench.train, size_px), self.bench.test(size_px))
        gallery = self.bench.gallery(self.out, size_px)
        if row != "real":
            gallery = replace(gallery, predictions=self._reference_gallery(row, size_px, predictions))
        return self._score(
            replace(record, gallery=gallery), self.bench.context(size_px, row), predictions, advance
        )

    def _reference_record(self, row: str, size_px: int) -> RunRecord:
        data = self.bench.spec
        content = {"data": asdict(data), "training": {"size_px": size_px}, "row": row}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        return RunRecord(
            f"{slug(data.name)}-{row}-{size_px}px-{digest}", "reference", row, content, "finished"
        )

    def run_failed(self, spec: RunSpec, error: Exception) -> RunRecord:
        """The record of a run that failed, written unless the run has finished before."""
        return self._failed(RunRecord(spec.id, "run", spec.label, spec.to_dict(), "failed"), error)

    def reference_failed(self, row: str, size_px: int, error: Exception) -> RunRecord:
        """The same for a reference row."""
        return self._failed(self._reference_record(row, size_px), error)

    def _failed(self, record: RunRecord, error: Exception) -> RunRecord:
        known = isinstance(error, DivergedError | BenchError)
        said = str(error) if known else f"{type(error).__name__}: {error}"
        failed = replace(
            record,
            status="failed",
            environment=self._environment(),
            error=" ".join(said.split())[:500],
            created=_now(),
        )
        if isinstance(error, DivergedError):
            kept = {"step": error.step, "last_good_step": error.last_good_step}
            failed = replace(failed, status="diverged", history=error.history, details={"diverged": kept})
        if self._finished(record.id) is None:
            try:
                write_record(self.out, failed)
            except OSError as unwritten:  # a full disk, most likely: then this is all that is heard of it
                self.bench.reporter.say(f"{failed.id}: no record could be written: {unwritten}")
        return failed

    def diverged_before(self, spec: RunSpec) -> str | None:
        """What the record says, where the run has diverged before and is not to be tried again."""
        path = record_path(self.out, spec.id)
        if self.policy.retry or not path.is_file():
            return None
        record = read_record(path)
        return record.error if record.status == "diverged" else None

    def _score(
        self,
        record: RunRecord,
        context: ScoringContext,
        predictions: Callable[[int], NDArray[Any]],
        advance: Advance,
    ) -> RunRecord:
        size_px = context.size_px
        started = time.perf_counter()
        output, per_image = score(predictions, context, self.bench.choice.metrics, advance)
        details = {**output.details, "scoring": self._scoring(size_px)}
        details["scored_by"] = self._environment()
        details["data"] = {"void_share": context.test.void_share, "layout": self.bench.dataset.layout}
        finished = replace(
            record,
            results={result.name: result for result in output.results},
            details={**record.details, **details, **self._fitness(record, output.results)},
            timings={**record.timings, "score": time.perf_counter() - started},
            environment=record.environment or self._environment(),
            created=_now(),
        )
        before = self._finished(record.id)
        if before is not None and before.details.get("predictions") == finished.details.get("predictions"):
            finished, per_image = merged(before, read_per_image(self.out, before), finished, per_image)
        write_record(self.out, finished, per_image)
        return finished

    def _fitness(self, record: RunRecord, results: list[MetricResult]) -> dict[str, Any]:
        """Whether the judge can tell this run from real photos, in words; nothing without a `real` row."""
        real = self._finished(self._reference_record("real", int(record.spec["training"]["size_px"])).id)
        if record.kind != "run" or real is None:
            return {}
        scored = replace(record, results={result.name: result for result in results})
        return {"fitness": fitness(real, [scored])}

    def _reference_gallery(self, row: str, size_px: int, predictions: Callable[[int], NDArray[Any]]) -> str:
        from bench.output import write_gallery

        gallery, test = self.bench.gallery(self.out, size_px), self.bench.test(size_px)
        folder = Path(gallery.sources).parent / row
        indices = [test.names.index(name) for name in gallery.names]
        write_gallery(self.out / folder, gallery.names, [predictions(index) for index in indices])
        return str(folder)

    def _has_record(self, record_id: str, size_px: int) -> bool:
        path = record_path(self.out, record_id)
        if self.again or not path.is_file():
            return False
        record = read_record(path)
        return record.status == "finished" and covers(record.details.get("scoring"), self._scoring(size_px))

    def _finished(self, record_id: str) -> RunRecord | None:
        """The record that is there, if it is one of finished work."""
        path = record_path(self.out, record_id)
        try:
            record = read_record(path) if path.is_file() else None
        except UsageError:
            return None
        return record if record is not None and record.status == "finished" else None

    def _scoring(self, size_px: int) -> dict[str, Any]:
        """What was asked of the scoring; a record of another asking is scored again."""
        from bench.data.fetch import inception_hash

        weights, _ = self.bench.inception
        return {
            "metrics": sorted(self.bench.choice.metrics),
            "scorer": self.bench.scorer_identity(size_px),
            "inception": None if weights is None else inception_hash(weights)[:16],
            "fid_protocol": self.bench.choice.fid_protocol,
        }

    def _environment(self) -> dict[str, Any]:
        name = describe_device(resolve_device(self.bench.device))
        return {**environment(name), **self.team.about, "command": self.command}


def _digest(files: RunFiles, names: Sequence[str]) -> str:
    """What the predictions of a run are: values measured of others do not stand beside them."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(sha256_file(files.predictions / f"{name}.png").encode())
    return digest.hexdigest()[:16]


def reference_rows(specs: list[RunSpec]) -> list[tuple[str, int]]:
    """The reference rows that belong to a grid: every one at every size."""
    sizes = sorted({spec.training.size_px for spec in specs})
    return [(row, size_px) for size_px in sizes for row in REFERENCE_ROWS]


def _read_history(files: RunFiles) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(files.history.read_text(encoding="utf-8"))
        content["history"], content["train_seconds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"expected the training history in {files.history}: {error}; delete {files.folder} and run again"
        ) from None
    return {"environment": {}, "warnings": [], **content}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

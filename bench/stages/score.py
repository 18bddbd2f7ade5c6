"""The scoring of one row, of a run or a reference: what it starts from, and the record that it makes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from baselines.geometry import words_of_padding
from baselines.settings import TestSettings
from baselines.sizes import Size
from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.core.images import read_png
from bench.core.progress import Advance
from bench.data.measured import as_compared
from bench.data.pixels import pixel_fingerprint
from bench.data.types import SIXTEEN_BITS, DataRange, SplitArrays
from bench.records.judge_card import CARDS
from bench.records.output_folder import RunFiles, write_gallery
from bench.records.record import (
    MetricResult,
    RunRecord,
    read_per_image,
    read_record,
    record_path,
    write_record,
)
from bench.scoring.judges.choice import identity_of
from bench.scoring.judges.fitness import fitness
from bench.scoring.metrics.base import MetricOutput, ScoringContext
from bench.scoring.metrics.feature_choice import features_identity
from bench.scoring.one_pass import score
from bench.spec.run_spec import DataSpec, RunSpec, slug
from bench.stages.cards import judge_cards
from bench.stages.data_in_use import Workbench
from bench.stages.kept_rows import kept_or_measured
from bench.stages.merge import merged
from bench.stages.probes import DropoutSamples, Maker, SwappedSources, maker_of
from bench.stages.trivial_rows import reference_predictions

Predictions = Callable[[int], NDArray[Any]]


@dataclass(frozen=True)
class ScoringStage:
    """Scores rows of one data set and writes their records.

    Attributes:
        out: the output folder.
        bench: the data set in use, judge and weights.
        about: the environment, for the record.
        again: measure reference rows even if their values are kept.
    """

    out: Path
    bench: Workbench
    about: dict[str, Any]
    again: bool = False

    def run(self, spec: RunSpec, advance: Advance) -> RunRecord:
        """Score a run's predictions and write its record."""
        files, size_px = RunFiles(self.out, spec.id), spec.training.size_px
        test = self.bench.test(size_px)
        gallery = replace(self.bench.gallery(self.out, size_px), predictions=f"predictions/{spec.id}")
        record = replace(_unscored(spec, files, test.names), gallery=gallery)
        maker = maker_of(files, spec.test, self.bench.device)
        return self._made(record, files, size_px, spec.test, spec.seed, maker, advance)

    def model(
        self,
        record: RunRecord,
        files: RunFiles,
        size_px: Size,
        settings: TestSettings,
        seed: int,
        maker: Maker,
        advance: Advance,
    ) -> RunRecord:
        """Score the predictions of a generator that was trained elsewhere and write its record."""
        names = self.bench.test(size_px).names
        gallery = replace(self.bench.gallery(self.out, size_px), predictions=f"predictions/{record.id}")
        details = {**record.details, "predictions": _digest(files, names)}
        record = replace(record, gallery=gallery, details=details)
        return self._made(record, files, size_px, settings, seed, maker, advance)

    def _made(
        self,
        record: RunRecord,
        files: RunFiles,
        size_px: Size,
        settings: TestSettings,
        seed: int,
        maker: Maker,
        advance: Advance,
    ) -> RunRecord:
        """Score predictions whose generator can be asked for more."""
        test = self.bench.test(size_px)
        asked = (files, test, settings, seed, maker)
        context = replace(
            self.bench.context(size_px, "run"), repeats=DropoutSamples(*asked), swaps=SwappedSources(*asked)
        )
        compared = _compared(predictions_of(files, test), self.bench.dataset.target_range)
        return self._score(record, context, compared, advance)

    def reference(self, row: str, size_px: Size, advance: Advance) -> RunRecord:
        """Score a reference row and write its record."""
        predictions = reference_predictions(row, partial(self.bench.train, size_px), self.bench.test(size_px))
        gallery = self.bench.gallery(self.out, size_px)
        if row != "real":
            gallery = replace(gallery, predictions=self._reference_gallery(row, size_px, predictions))
        record = replace(reference_record(self.bench.spec, row, size_px), gallery=gallery)
        context = self.bench.context(size_px, row)
        if row == "real" and context.judge is not None:
            cards = judge_cards(context, self.bench.judges.identities(size_px), self.bench.reporter)
            record = replace(record, details={CARDS: [card.to_json() for card in cards]})
        return self._score(record, context, self._reference_values(row, predictions), advance)

    def _reference_values(self, row: str, predictions: Predictions) -> Predictions:
        """The predictions of a reference row in the units of the targets, where those are no levels."""
        dataset = self.bench.dataset
        if dataset.target_range is None:
            return predictions
        if row == "copy":
            return _compared(predictions, dataset.source_range or SIXTEEN_BITS)
        return _compared(predictions, dataset.target_range)

    def _score(
        self, record: RunRecord, context: ScoringContext, predictions: Predictions, advance: Advance
    ) -> RunRecord:
        size_px = context.size_px
        started = time.perf_counter()
        output, per_image = self._measured(context, predictions, advance)
        details = {**output.details, "scoring": asked_of(self.bench, size_px)}
        details["scored_by"] = self.about
        details["data"] = {
            "void_share": context.test.void_share,
            "layout": self.bench.dataset.layout,
            "test_pixels": pixel_fingerprint(context.test),
        }
        if aspect := self.bench.squeezed(size_px):
            details["data"]["aspect_changed"] = aspect
        finished = replace(
            record,
            results={result.name: result for result in output.results},
            details={**record.details, **details, **self._fitness(record, output.results)},
            timings={**record.timings, "score": time.perf_counter() - started},
            environment=record.environment or self.about,
            created=now(),
        )
        before = finished_record(self.out, record.id)
        if before is not None and before.details.get("predictions") == finished.details.get("predictions"):
            finished, per_image = merged(before, read_per_image(self.out, before), finished, per_image)
        write_record(self.out, finished, per_image)
        return finished

    def _measured(
        self, context: ScoringContext, predictions: Predictions, advance: Advance
    ) -> tuple[MetricOutput, pd.DataFrame]:
        """The values of a row; those of a reference row may be kept from before."""
        keys = self.bench.choice.metrics

        def measure() -> tuple[MetricOutput, pd.DataFrame]:
            return score(predictions, context, keys, advance)

        if context.row == "run" or self.again:
            return measure()
        found, kept = kept_or_measured(context, keys, predictions, self.about, measure)
        if kept:
            advance(len(context.test), "kept from before")
        return found

    def _fitness(self, record: RunRecord, results: list[MetricResult]) -> dict[str, Any]:
        """Whether the judge can tell this run from real photos, in words; empty without a `real` row."""
        row = reference_record(self.bench.spec, "real", record.spec["training"]["size_px"])
        real = finished_record(self.out, row.id)
        if record.kind != "run" or real is None:
            return {}
        scored = replace(record, results={result.name: result for result in results})
        return {"fitness": fitness(real, [scored])}

    def _reference_gallery(self, row: str, size_px: Size, predictions: Predictions) -> str:
        gallery, test = self.bench.gallery(self.out, size_px), self.bench.test(size_px)
        folder = Path(gallery.sources).parent / row
        indices = [test.names.index(name) for name in gallery.names]
        write_gallery(self.out / folder, gallery.names, [predictions(index) for index in indices])
        return str(folder)


def _compared(predictions: Predictions, known: DataRange | None) -> Predictions:
    """Levels of a range as the values that they stand for."""
    return lambda index: as_compared(predictions(index), known)


def predictions_of(files: RunFiles, test: SplitArrays) -> Predictions:
    """The predictions of a run: index in the test split -> (H, W, C).

    Raises (when called):
        UsageError: if one is missing or cannot be read.
    """

    def prediction(index: int) -> NDArray[Any]:
        path = files.predictions / f"{test.names[index]}.png"
        try:
            return read_png(path)
        except OSError as error:
            raise UsageError(f"prediction {path} cannot be read ({error}): run again") from None

    return prediction


def _unscored(spec: RunSpec, files: RunFiles, names: Sequence[str]) -> RunRecord:
    """The record of a run before it is scored."""
    history = read_history(files)
    steps_seconds = history["train_seconds"]
    halvings = spec.variant.halvings(spec.training.generator_levels)
    padding = words_of_padding(spec.training.size_px, halvings) if halvings else None
    return RunRecord(
        id=spec.id,
        kind="run",
        label=spec.label,
        spec=spec.to_dict(),
        status="finished",
        history=history["history"],
        details={
            "predictions": _digest(files, names),
            **({"also": list(spec.also)} if spec.also else {}),
            **({"back_of": spec.turned().id} if spec.back else {}),
            **({"training_warnings": history["warnings"]} if history["warnings"] else {}),
            **({"engine": history["engine"]} if history["engine"] else {}),
            **({"cost": history["cost"]} if "cost" in history else {}),
            **({"padding": padding} if padding else {}),
            **({"validation": history["validation"]} if "validation" in history else {}),
        },
        environment=history["environment"],
        timings={
            "train": steps_seconds,
            "seconds_per_step": steps_seconds / spec.training.steps,
            **({"generate": history["generate_seconds"]} if "generate_seconds" in history else {}),
        },
    )


def reference_record(data: DataSpec, row: str, size_px: Size) -> RunRecord:
    """The record of the reference row `row` at `size_px` before it is scored."""
    content = content_of(data, size_px, row=row)
    name = f"{slug(data.name)}-{row}-{size_px}px-{digest_of(content)}"
    return RunRecord(name, "reference", row, content, "finished")


def content_of(data: DataSpec, size_px: Size, **more: Any) -> dict[str, Any]:
    """The spec of a row that was not trained here."""
    return {"data": data.to_dict(), "training": {"size_px": size_px}, **more}


def digest_of(content: dict[str, Any]) -> str:
    """12 hexadecimal digits of a hash of `content`, for its id."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def finished_record(out: Path, record_id: str) -> RunRecord | None:
    """The record with that id, if it exists and is finished."""
    path = record_path(out, record_id)
    try:
        record = read_record(path) if path.is_file() else None
    except UsageError:
        return None
    return record if record is not None and record.status == "finished" else None


def asked_of(bench: Workbench, size_px: Size) -> dict[str, Any]:
    """What is asked of the scoring; a record with another request is scored again."""
    from bench.data.acquire.weights import weights_digest

    weights, _ = bench.inception
    features = bench.choice.features
    return {
        "metrics": sorted(bench.choice.metrics),
        "judge": judges_asked(bench, size_px),
        "inception": None if weights is None else weights_digest(weights)[:16],
        "fid_protocol": bench.choice.fid_protocol,
        **({} if features is None else {"features": features_identity(features)}),
    }


def judges_asked(bench: Workbench, size_px: Size) -> str | None:
    """The judges as records name them, with content hashes instead of files."""
    return ",".join(map(identity_of, bench.judges.names(size_px))) or None


def _digest(files: RunFiles, names: Sequence[str]) -> str:
    """A hash of a run's predictions: values measured on others are not combined with theirs."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(sha256_file(files.predictions / f"{name}.png").encode())
    return digest.hexdigest()[:16]


def read_history(files: RunFiles) -> dict[str, Any]:
    """What the training wrote beside the checkpoint.

    Raises:
        UsageError: if it is damaged.
    """
    try:
        content: dict[str, Any] = json.loads(files.history.read_text(encoding="utf-8"))
        content["history"], content["train_seconds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"expected the training history in {files.history}: {error}; delete {files.folder} and run again"
        ) from None
    return {"environment": {}, "warnings": [], "engine": None, **content}


def now() -> str:
    """The time, for records."""
    return datetime.now(UTC).isoformat(timespec="seconds")

"""Foreign pictures to records: the same metrics, reference rows and gallery as a run of this project has."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from baselines.engine import describe_device, resolve_device
from bench.core.environment import environment
from bench.core.errors import UsageError
from bench.core.images import to_rgb8
from bench.core.progress import Reporter
from bench.data.types import SplitArrays
from bench.records.layout import write_gallery
from bench.records.record import GalleryFiles, MetricResult, RunRecord, write_record
from bench.run.data_in_use import GALLERY_SIZE, UNUSED_JUDGE, Workbench, announce
from bench.run.illustrate import Scene, illustrate
from bench.run.imported.images import ForeignPictures
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.one_pass import score
from bench.spec.data_spec import even_indices
from bench.spec.run_spec import slug
from bench.spec.scoring_choice import ScoringChoice

_NO_JUDGE = (
    "no judge was named: --scorer-dataset NAME trains one on real photos of that data set, "
    "--scorer KIND:FILE opens another"
)
_Predictions = Callable[[int], NDArray[Any]]


@dataclass(frozen=True)
class ForeignScoring:
    """How foreign pictures are scored.

    Attributes:
        out: output folder for records and gallery.
        cache: folder of decoded pictures, trained scorers and statistics.
        device: torch device string.
        choice: metrics, judge, Inception weights.
        training: the data set whose real photos train the judge, or None.
        command: the command line, for records.
        reporter: shows decoding and scoring.
    """

    out: Path
    cache: Path
    device: str
    choice: ScoringChoice
    training: Workbench | None
    command: str
    reporter: Reporter

    def run(self, pictures: ForeignPictures) -> list[RunRecord]:
        """Score every folder of predictions and the reference rows, and write their records."""
        test = pictures.test(self.cache, self.reporter.counter("decoding targets"))
        judge, reason = self._judge(pictures, test)
        records: list[RunRecord] = []
        outputs: dict[str, _Predictions] = {}
        for row in ("real", "copy") if pictures.has_sources else ("real",):
            record = self._reference(row, pictures)
            shown = test.target if row == "real" else test.source
            context = self._context(pictures, test, row, (judge, reason))
            predictions = _of_array(shown)
            record = replace(record, gallery=self._gallery(pictures, test, row, predictions))
            records.append(self._score(record, context, predictions))
        for index, (name, folder) in enumerate(pictures.rows):
            predictions = pictures.prediction(index)
            gallery = self._gallery(
                pictures, test, f"{slug(name)}-{pictures.fingerprint(index)}", predictions
            )
            record = replace(self._run(name, folder, index, pictures), gallery=gallery)
            context = self._context(pictures, test, "run", (judge, reason))
            records.append(self._score(record, context, predictions, pictures.resized_from))
            outputs[record.id] = predictions
        palette = {entry.name: entry.colour for entry in pictures.card.train_classes}
        scene = Scene(
            pictures.data, pictures.size_px, test, palette, lambda: judge, pictures.has_sources, outputs
        )
        illustrate(self.out, [scene])
        return records

    def _context(
        self, pictures: ForeignPictures, test: SplitArrays, row: str, judge: tuple[Any, str | None]
    ) -> ScoringContext:
        from bench.data.acquire.fetch import find_inception

        weights, inception_reason = find_inception(self.choice.inception_weights)
        counter = self.reporter.counter("decoding training targets")
        train = pictures.train(self.cache, counter) if row == "real" else None
        return ScoringContext(
            card=pictures.card,
            size_px=pictures.size_px,
            target_role=pictures.target_role,
            row=row,
            device=self.device,
            cache=self.cache,
            test=test,
            train_targets=None if train is None else to_rgb8(train),
            scorer=judge[0],
            scorer_reason=judge[1],
            inception_weights=weights,
            inception_reason=inception_reason,
            file_labels=pictures.file_labels,
            fid_protocol=self.choice.fid_protocol,
        )

    def _judge(self, pictures: ForeignPictures, test: SplitArrays) -> tuple[Any, str | None]:
        """The judge, or None and why there is none."""
        from bench.scoring.judges.external import check_card, is_adapter, open_adapter

        if self.choice.scorer == "none":
            return None, "no segmentation network was wanted (--scorer none)"
        if not self.choice.wants_judge:
            return None, UNUSED_JUDGE
        if pictures.target_role != "photo" or not pictures.card.classes:
            return None, None  # the metric itself says what it lacks
        if is_adapter(self.choice.scorer):
            check_card(self.choice.scorer, pictures.card)
            scorer = open_adapter(self.choice.scorer, pictures.card, self.device)
            announce(scorer, len(pictures.matched.names), self.device, self.reporter)
            return scorer, None
        if self.training is None:
            return None, _NO_JUDGE
        known, wanted = (
            [c.name for c in card.train_classes] for card in (self.training.dataset.card, pictures.card)
        )
        if known != wanted:
            raise UsageError(
                f"expected --scorer-dataset with the classes of {pictures.card.name}, found "
                f"{self.training.dataset.name} with others: name another, or --scorer none"
            )
        return self.training.judge_of(test, pictures.size_px)

    def _run(self, name: str, folder: Path, index: int, pictures: ForeignPictures) -> RunRecord:
        content = {**_content(pictures), "variant": {"name": name}}
        digest = _digest(content)
        spec = {
            **content,
            "variant": {"name": name, "source": f"pictures in {folder.name}"},
            "predictions": pictures.fingerprint(index),
        }
        record_id = f"{slug(pictures.data.name)}-{slug(name)}-{pictures.size_px}px-{digest}"
        return RunRecord(id=record_id, kind="run", label=name, spec=spec, status="finished")

    def _reference(self, row: str, pictures: ForeignPictures) -> RunRecord:
        content = {**_content(pictures), "row": row}
        record_id = f"{slug(pictures.data.name)}-{row}-{pictures.size_px}px-{_digest(content)}"
        return RunRecord(id=record_id, kind="reference", label=row, spec=content, status="finished")

    def _score(
        self,
        record: RunRecord,
        context: ScoringContext,
        predictions: _Predictions,
        resized_from: str | None = None,
    ) -> RunRecord:
        """Score one row and write its record; a resize of the predictions becomes part of the protocol."""
        started = time.perf_counter()
        with self.reporter.task(f"{record.label}  score", len(context.test)) as advance:
            output, per_image = score(predictions, context, self.choice.metrics, advance)
        results = {result.name: _resized(result, resized_from) for result in output.results}
        finished = replace(
            record,
            results=results,
            details={
                **output.details,
                "scoring": {"metrics": sorted(self.choice.metrics), "scorer": self.choice.scorer},
                "data": {"void_share": context.test.void_share, "layout": "pictures"},
            },
            timings={"score": time.perf_counter() - started},
            environment={
                **environment(describe_device(resolve_device(self.device))),
                "command": self.command,
            },
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_record(self.out, finished, per_image)
        return finished

    def _gallery(
        self, pictures: ForeignPictures, test: SplitArrays, row: str, predictions: _Predictions
    ) -> GalleryFiles:
        """Write the fixed gallery pictures of a row, and the sources and targets beside them."""
        chosen = even_indices(len(test), min(GALLERY_SIZE, len(test)))
        names = tuple(test.names[i] for i in chosen)
        folder = Path("gallery") / f"{slug(pictures.data.name)}-{pictures.size_px}-{test.key[:8]}"
        if pictures.has_sources:
            write_gallery(self.out / folder / "source", names, test.source[chosen])
        write_gallery(self.out / folder / "target", names, test.target[chosen])
        shown = None
        if row != "real":
            write_gallery(self.out / folder / row, names, [predictions(int(i)) for i in chosen])
            shown = str(folder / row)
        return GalleryFiles(names, shown, str(folder / "source"), str(folder / "target"))


def _content(pictures: ForeignPictures) -> dict[str, Any]:
    return {"data": asdict(pictures.data), "training": {"size_px": pictures.size_px}}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _resized(result: MetricResult, resized_from: str | None) -> MetricResult:
    if resized_from is None:
        return result
    return replace(result, protocol={**result.protocol, "predictions_resized_from": resized_from})


def _of_array(pictures: NDArray[Any]) -> _Predictions:
    return lambda index: to_rgb8(pictures[index])

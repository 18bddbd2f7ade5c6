"""Foreign images to records: with the metrics, reference rows and gallery of this project's runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.engine import describe_device, resolve_device
from bench.core.environment import environment
from bench.core.errors import UsageError
from bench.core.images import to_rgb8
from bench.core.progress import Reporter
from bench.data.pixels import pixel_fingerprint
from bench.data.types import SplitArrays
from bench.data.void import check_void
from bench.records.judge_card import CARDS
from bench.records.output_folder import write_gallery
from bench.records.record import GalleryFiles, RunRecord, write_record
from bench.scoring.judges.choice import NO_JUDGE, identity_of, panel
from bench.scoring.judges.external import check_card, is_adapter, open_adapter
from bench.scoring.metrics.base import PanelJudge, ScoringContext
from bench.scoring.one_pass import score
from bench.spec.pairs_used import even_indices
from bench.spec.run_spec import slug
from bench.spec.scoring_choice import ScoringChoice
from bench.stages.cards import judge_cards
from bench.stages.data_in_use import GALLERY_SIZE, UNUSED_JUDGE, Workbench
from bench.stages.illustrate import Scene, illustrate
from bench.stages.imported.images import ForeignImages
from bench.stages.judges_in_use import Opened, announce, usable
from bench.stages.kept_rows import Measured, kept_or_measured
from bench.stages.score import content_of, digest_of, now, reference_record

_NO_JUDGE = (
    "no judge was named: --judge-dataset NAME trains one on real photos of that data set, "
    "--judge KIND:FILE opens another"
)
_Predictions = Callable[[int], NDArray[Any]]


@dataclass(frozen=True)
class ForeignScoring:
    """How foreign images are scored.

    Attributes:
        out: output folder for records and gallery.
        cache: folder of decoded images, trained judges and statistics.
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

    def run(self, images: ForeignImages) -> list[RunRecord]:
        """Score every folder of predictions and the reference rows, and write their records."""
        test = images.test(self.cache, self.reporter.counter("decoding targets"))
        self._check_labels(images, test)
        judges = self._judges(images, test)
        records: list[RunRecord] = []
        outputs: dict[str, _Predictions] = {}
        for row in ("real", "copy") if images.has_sources else ("real",):
            record = reference_record(images.data, row, images.size_px)
            context = self._context(images, test, row, judges)
            exact = images.data_range is not None and row == "copy"
            shown = test.target if row == "real" else test.source
            predictions = images.source() if exact else _of_array(shown)
            record = replace(record, gallery=self._gallery(images, test, row, predictions))
            if row == "real" and context.judge is not None:
                cards = judge_cards(context, self._names(images), self.reporter)
                record = replace(record, details={CARDS: [card.to_json() for card in cards]})
            records.append(self._score(record, context, predictions, images))
        for index, (name, folder) in enumerate(images.rows):
            predictions = images.prediction(index)
            gallery = self._gallery(images, test, f"{slug(name)}-{images.fingerprint(index)}", predictions)
            record = replace(self._run(name, folder, index, images), gallery=gallery)
            context = self._context(images, test, "run", judges)
            records.append(self._score(record, context, predictions, images))
            outputs[record.id] = images.shown(predictions)
        palette = {entry.name: entry.colour for entry in images.card.train_classes}
        scene = Scene(
            images.data, images.size_px, test, palette, lambda: judges[0][0], images.has_sources, outputs
        )
        illustrate(self.out, [scene])
        return records

    def _check_labels(self, images: ForeignImages, test: SplitArrays) -> None:
        """Refuse label maps, true or predicted, that are mostly void."""
        allowed = self.choice.allow_void
        check_void(test.void_share, "the label maps of the test images", allowed)
        for index, (name, _) in enumerate(images.rows):
            check_void(images.predicted_void(index), f"the predictions of {name}", allowed)

    def _context(
        self, images: ForeignImages, test: SplitArrays, row: str, judges: Sequence[Opened]
    ) -> ScoringContext:
        from bench.data.acquire.weights import find_inception

        weights, inception_reason = find_inception(self.choice.inception_weights)
        counter = self.reporter.counter("decoding training targets")
        train = images.train(self.cache, counter) if row == "real" else None
        (judge, reason), *others = judges

        def labels_of(one: Any) -> Callable[[int], NDArray[np.uint8]] | None:
            return images.labels_at(getattr(one, "judge_px", None))

        return ScoringContext(
            card=images.card,
            size_px=images.size_px,
            target_role=images.target_role,
            row=row,
            device=self.device,
            cache=self.cache,
            test=test,
            train_targets=None if train is None else to_rgb8(train),
            judge=judge,
            judge_reason=reason,
            inception_weights=weights,
            inception_reason=inception_reason,
            file_labels=labels_of(judge),
            fid_protocol=self.choice.fid_protocol,
            features=self.choice.features,
            panel=tuple(PanelJudge(one, labels_of(one)) for one in usable(others)),
            data_range=images.data_range,
        )

    def _judges(self, images: ForeignImages, test: SplitArrays) -> list[Opened]:
        """The judges that were asked for; where there is none, why."""
        if self.choice.judge == NO_JUDGE:
            return [(None, "no segmentation network was wanted (--judge none)")]
        if not self.choice.wants_judge:
            return [(None, UNUSED_JUDGE)]
        if images.target_role != "photo" or not images.card.classes:
            return [(None, None)]  # the metric itself says what it lacks
        if self.training is None:
            return self._external(images)
        known, wanted = (
            [c.name for c in card.train_classes] for card in (self.training.dataset.card, images.card)
        )
        if known != wanted:
            raise UsageError(
                f"expected --judge-dataset with the classes of {images.card.name}, found "
                f"{self.training.dataset.name} with others: name another, or --judge none"
            )
        judges = replace(self.training.judges, test_n=len(test))
        return judges.compared(test, images.size_px)

    def _names(self, images: ForeignImages) -> list[str]:
        """What records call the judges."""
        if self.training is not None:
            return self.training.judges.identities(images.size_px)
        return [identity_of(choice) for choice in panel(self.choice.judge) if is_adapter(choice)]

    def _external(self, images: ForeignImages) -> list[Opened]:
        opened: list[Opened] = []
        for choice in filter(is_adapter, panel(self.choice.judge)):
            check_card(choice, images.card)
            judge = open_adapter(choice, images.card, self.device)
            announce(judge, len(images.matched.names), self.device, self.reporter)
            opened.append((judge, None))
        return opened or [(None, _NO_JUDGE)]

    def _run(self, name: str, folder: Path, index: int, images: ForeignImages) -> RunRecord:
        content = content_of(images.data, images.size_px, variant={"name": name})
        spec = {
            **content,
            "variant": {"name": name, "source": f"images in {folder.name}"},
            "predictions": images.fingerprint(index),
        }
        record_id = f"{slug(images.data.name)}-{slug(name)}-{images.size_px}px-{digest_of(content)}"
        return RunRecord(id=record_id, kind="run", label=name, spec=spec, status="finished")

    def _score(
        self,
        record: RunRecord,
        context: ScoringContext,
        predictions: _Predictions,
        images: ForeignImages,
    ) -> RunRecord:
        """Score one row and write its record; what was done to the images becomes part of the protocol."""
        started = time.perf_counter()
        aspect = {"aspect_changed": images.aspect_changed} if images.aspect_changed else {}
        about = environment(describe_device(resolve_device(self.device)))
        with self.reporter.task(f"{record.label}  score", len(context.test)) as advance:

            def measure() -> Measured:
                return score(predictions, context, self.choice.metrics, advance)

            if context.row == "run":
                output, per_image = measure()
            else:
                (output, per_image), kept = kept_or_measured(
                    context, self.choice.metrics, predictions, about, measure
                )
                if kept:
                    advance(len(context.test), "kept from before")
        done = _prepared(images) if context.row == "run" else {}
        results = {one.name: replace(one, protocol={**one.protocol, **done}) for one in output.results}
        pixels = {"test_pixels": pixel_fingerprint(context.test)} if images.has_sources else {}
        finished = replace(
            record,
            results=results,
            details={
                **record.details,
                **output.details,
                "scoring": {"metrics": sorted(self.choice.metrics), "judge": self.choice.judge},
                "data": {
                    "void_share": context.test.void_share,
                    "layout": "pictures",
                    **pixels,
                    **aspect,
                },
            },
            timings={"score": time.perf_counter() - started},
            environment={**about, "command": self.command},
            created=now(),
        )
        write_record(self.out, finished, per_image)
        return finished

    def _gallery(
        self, images: ForeignImages, test: SplitArrays, row: str, predictions: _Predictions
    ) -> GalleryFiles:
        """Write the fixed gallery images of a row, and the sources and targets beside them."""
        chosen = even_indices(len(test), min(GALLERY_SIZE, len(test)))
        names = tuple(test.names[i] for i in chosen)
        folder = Path("gallery") / f"{slug(images.data.name)}-{images.size_px}-{test.key[:8]}"
        if images.has_sources:
            write_gallery(self.out / folder / "source", names, test.source[chosen])
        write_gallery(self.out / folder / "target", names, test.target[chosen])
        shown = None
        if row != "real":
            write_gallery(self.out / folder / row, names, [images.shown(predictions)(int(i)) for i in chosen])
            shown = str(folder / row)
        return GalleryFiles(names, shown, str(folder / "source"), str(folder / "target"))


def _prepared(images: ForeignImages) -> dict[str, str]:
    """What was done to the images before they were scored, for protocols; empty if nothing."""
    done = {"predictions_resized_from": images.resized_from, "images_as": images.as_mode}
    converted = "; ".join(change for change in images.changes if change.startswith("converted"))
    return {key: value for key, value in {**done, "colours": converted}.items() if value}


def _of_array(images: NDArray[Any]) -> _Predictions:
    return lambda index: to_rgb8(images[index])

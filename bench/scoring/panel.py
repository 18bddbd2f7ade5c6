"""Further judges of a scoring pass: each counts for itself, beside the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from bench.records.panel import PANEL, SCORES, JudgeScores, column
from bench.scoring.metrics.base import Batch, Metric, MetricOutput, ScoringContext
from bench.scoring.metrics.segmentation import SegmentationMetric


class Panel:
    """The judges of `context.panel`; none where no FCN score is wanted.

    Args:
        context: of the pass.
        wanted: segmentation keys that were asked for (empty: all); None: none.
    """

    def __init__(self, context: ScoringContext, wanted: set[str] | None) -> None:
        self._keys = () if wanted is None else tuple(key for key in SCORES if not wanted or key in wanted)
        seats = context.panel if self._keys else ()
        self._judges = [
            (
                seat.judge,
                SegmentationMetric(
                    replace(context, judge=seat.judge, file_labels=seat.file_labels, panel=())
                ),
            )
            for seat in seats
        ]
        self.per_image: dict[str, NDArray[Any]] = {}
        self.details: dict[str, Any] = {}

    def update(self, batch: Batch) -> None:
        """Add one batch."""
        for _, metric in self._judges:
            metric.update(batch)

    def compute(self, told: Callable[[Metric, MetricOutput], MetricOutput]) -> None:
        """Fill `per_image` and `details`; `told` adds to protocols what the pass knows."""
        found = [(judge, told(metric, metric.compute())) for judge, metric in self._judges]
        for judge, output in found:
            self.per_image |= {column(name, judge.hash): values for name, values in output.per_image.items()}
        if found:
            self.details[PANEL] = [self._scores(judge, output).to_json() for judge, output in found]

    def _scores(self, judge: Any, output: MetricOutput) -> JudgeScores:
        meta = {**output.details.get("judge", judge.protocol), "hash": judge.hash}
        return JudgeScores(
            meta,
            {result.name: result for result in output.results if result.name in self._keys},
            output.details.get("per_class_iou", {}),
            output.details.get("per_class_acc", {}),
        )

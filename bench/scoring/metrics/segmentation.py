"""Segmentation scores: the paper's FCN score for photos, nearest-colour scores for label maps.

Both are computed from one confusion matrix over the whole test split (Isola et al. 2017, section 4.1 and
table 6; formulas of the released evaluation script). See docs/judges.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.sizes import Size, image_size, is_native
from bench.core.bootstrap import bootstrap_sum
from bench.data.palette import nearest_class
from bench.records.record import MetricResult
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.catalogue import goal_of
from bench.scoring.metrics.confusion import (
    ABSENT_LEFT_OUT,
    class_scores,
    confusion_matrix,
    scores_from_confusion,
)
from bench.scoring.metrics.kept_rows import Rows
from bench.scoring.metrics.sample_curve import detail, sample_curve

_SCORES = ("pixel_acc", "class_acc", "class_iou")
_FCN = tuple(f"fcn_{score}" for score in _SCORES)
_LABEL = tuple(f"label_{score}" for score in _SCORES)
_MATRICES, _SIZES = "matrices", "label sizes"  # sizes: for a judge that compares at its own size
Floats = NDArray[np.float64]


def _aspect(size_px: Size, judge_px: Size) -> dict[str, str]:
    """What is said of images whose aspect is not that of the judge's own resolution."""
    if isinstance(judge_px, int):
        squeezed = "images and labels are squeezed to a square for the judge"
        return {"judge_aspect": squeezed} if isinstance(size_px, str) else {}
    if not is_native(size_px):
        own, seen = image_size(size_px), image_size(judge_px)
        if own.width * seen.height == own.height * seen.width:
            return {}
    return {"judge_aspect": f"images and labels are resized to {judge_px} for the judge"}


def _statistic(score: int, shape: tuple[int, ...], policy: str) -> Callable[[Floats], Floats]:
    """Maps (R, ...) flattened sums of matrices of `shape` to (R,) values of one of the three scores."""

    def of_totals(totals: Floats) -> Floats:
        return scores_from_confusion(totals.reshape(-1, *shape), policy)[score]

    return of_totals


class SegmentationMetric:
    """`fcn_*` if predictions are photos and there is a judge, `label_*` if they are label maps."""

    keys: ClassVar[tuple[str, ...]] = _FCN + _LABEL

    def __init__(self, context: ScoringContext) -> None:
        self._rows = Rows()
        self._context = context
        self._classes = context.card.train_classes
        self._reasons = {"fcn": self._why_not_fcn(), "label": self._why_not_label()}
        self._family = next((name for name, reason in self._reasons.items() if reason is None), None)

    def _why_no_labels(self) -> str | None:
        if not self._classes:
            return f"data set {self._context.card.name} has no classes to compare"
        return "the data set has no label maps" if self._context.test.labels is None else None

    def _why_not_fcn(self) -> str | None:
        context = self._context
        if not self._classes:
            return self._why_no_labels()
        if context.target_role != "photo":
            kind = "label maps" if context.target_role == "labels" else "images of another kind"
            return f"the predictions are {kind}, not photos"
        if (reason := self._why_no_labels()) is not None:
            return reason
        if context.judge is None:
            return context.judge_reason or "no judge was given"
        if context.judge.num_classes != len(self._classes):
            return f"the judge knows {context.judge.num_classes} classes, the data set {len(self._classes)}"
        return None

    def _why_not_label(self) -> str | None:
        if self._context.target_role != "labels":
            return "the predictions are not label maps"
        if self._context.row == "real":
            return "compares the images with themselves"
        return self._why_no_labels()

    def update(self, batch: Batch) -> None:
        """One confusion matrix an image."""
        rows: dict[str, NDArray[np.int64]] = {}
        if self._family is not None:
            assert batch.labels is not None
            rows = self._count(batch, batch.labels)
        self._rows.add(len(batch.names), rows)

    def _count(self, batch: Batch, labels: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
        """One matrix an image; a judge with its own protocol (`confusions`) counts by itself."""
        judge, no_class = self._context.judge, False
        images = torch.from_numpy(np.array(batch.prediction)).permute(0, 3, 1, 2)
        if self._family == "label":
            guesses: NDArray[Any] = nearest_class(batch.prediction, self._context.card)
        elif hasattr(judge, "confusions"):
            maps = self._whole_labels(batch, labels)
            sizes = np.array([ids.shape for ids in maps], np.int64)
            return {_MATRICES: np.asarray(judge.confusions(images, maps)), _SIZES: sizes}
        else:
            guesses, no_class = judge.segment(images).cpu().numpy(), getattr(judge, "no_class", False)
        matrices = [
            confusion_matrix(truth, guess, len(self._classes), no_class=no_class)
            for truth, guess in zip(labels, guesses, strict=True)
        ]
        return {_MATRICES: np.stack(matrices)}

    def _whole_labels(self, batch: Batch, labels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The batch's label maps at their size on disk, if available."""
        read = self._context.file_labels
        return list(labels) if read is None else [read(batch.start + place) for place in range(len(labels))]

    def _policy(self, family: str) -> str:
        """The data set's class policy, or that of a judge with a fixed one."""
        fixed = getattr(self._context.judge, "class_policy", None) if family == "fcn" else None
        return fixed or self._context.card.class_policy

    def compute(self) -> MetricOutput:
        """Scores of the summed matrix, with bootstrap intervals over images."""
        family = self._family
        results: list[MetricResult] = []
        for name, keys in (("fcn", _FCN), ("label", _LABEL)):
            reason = self._reasons[name]
            if reason is None and not (_MATRICES in self._rows and self._rows[_MATRICES].any()):
                reason = "no test image has a labelled pixel"
            if reason is not None:
                results += missing(keys, reason, self._protocol(name), self._rows.n)
                family = None if family == name else family
            else:
                results += self._results(name, keys)
        if family is None:
            return MetricOutput(results)
        return MetricOutput(results, self._per_image(family), self._details(family))

    def _protocol(self, family: str) -> dict[str, Any]:
        judge = self._context.judge
        protocol: dict[str, Any] = {
            "metric": "segmentation",
            "version": 1,
            "size_px": self._context.size_px,
            "num_classes": len(self._classes),
            "class_policy": self._policy(family),
        }
        if family == "fcn" and hasattr(judge, "judge_px"):
            protocol |= _aspect(self._context.size_px, judge.judge_px)
        if family == "label":
            return {**protocol, "decoding": "nearest palette colour, RGB distance"}
        if _SIZES in self._rows:
            sizes = {f"{height}x{width}" for height, width in self._rows[_SIZES].tolist()}
            protocol["labels_found"] = " ".join(sorted(sizes))
        return {**protocol, **(judge.protocol if judge is not None else {})}

    def _results(self, family: str, keys: tuple[str, ...]) -> list[MetricResult]:
        policy = self._policy(family)
        stack = self._rows[_MATRICES]
        values = scores_from_confusion(stack.sum(0), policy)
        rows = stack.reshape(len(stack), -1).astype(np.float64)
        results = []
        for index, (key, value) in enumerate(zip(keys, values, strict=True)):
            interval = bootstrap_sum(rows, _statistic(index, stack.shape[1:], policy))
            results.append(
                MetricResult(
                    key, float(value), goal_of(key), len(stack), self._protocol(family), interval=interval
                )
            )
        return results

    def _per_image(self, family: str) -> dict[str, NDArray[Any]]:
        stack = self._rows[_MATRICES]
        matrices = np.empty(len(stack), dtype=object)
        matrices[:] = [matrix.ravel() for matrix in stack]
        pixel = scores_from_confusion(stack, self._policy(family))[0]
        return {f"{family}_conf": matrices, f"{family}_pixel_acc": pixel}

    def _details(self, family: str) -> dict[str, Any]:
        total = self._rows[_MATRICES].sum(0)
        accuracy, iou = class_scores(total, ABSENT_LEFT_OUT)  # an absent class is None in tables
        details: dict[str, Any] = {}
        for name, values in (("per_class_acc", accuracy), ("per_class_iou", iou)):
            details[name] = {
                info.name: None if np.isnan(value) else float(value)
                for info, value in zip(self._classes, values, strict=True)
            }
        details |= self._sample_curve(family)
        if family == "fcn":
            details["judge"] = dict(getattr(self._context.judge, "meta", self._context.judge.protocol))
        return details

    def _sample_curve(self, family: str) -> dict[str, Any]:
        """Class IoU over fewer images. It depends on N: rare classes need many images."""
        stack, policy = self._rows[_MATRICES], self._policy(family)

        def class_iou(places: NDArray[np.int64]) -> float:
            return float(scores_from_confusion(stack[places].sum(0), policy)[2])

        curve = sample_curve(len(stack), class_iou, class_iou(np.arange(len(stack))))
        return detail(**{f"{family}_class_iou": curve})

"""Is a judge good enough? Its scores on real test photos, compared with the simplest possible answer.

A judge is fit if the lower ends of its 95 % intervals on real photos exceed the *constant answer* (the most
frequent class everywhere) far enough: pixel accuracy by a quarter of the way from there to 1, class IoU by a
tenth. A network that sees only road scores 0.4 / 0.05 / 0.02 on Cityscapes and fails both. If scores of the
same judge on the same photos are published, each score must also be within 0.05 of its published one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.progress import Advance
from bench.records.record import MetricResult
from bench.scoring.judges.fitness import KEYS
from bench.scoring.metrics.base import MetricOutput, ScoringContext
from bench.scoring.metrics.confusion import scores_from_confusion
from bench.scoring.one_pass import score

BEYOND_CONSTANT = {"fcn_pixel_acc": 0.25, "fcn_class_acc": 0.0, "fcn_class_iou": 0.1}
TOLERANCE = 0.05
_WORDS = dict(zip(KEYS, ("pixel accuracy", "class accuracy", "class IoU"), strict=True))


@dataclass(frozen=True)
class Finding:
    """One score of a judge on real photos.

    Attributes:
        words: "pixel accuracy".
        result: value and interval.
        constant: the score of always answering the most frequent class.
        published: the same judge's published score on these photos, or None.
        faults: why it is not good enough; empty if it is.
    """

    words: str
    result: MetricResult
    constant: float
    published: float | None
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """The findings; the judge is `fit` if none has a fault.

    Attributes:
        findings: pixel accuracy, class accuracy, class IoU.
        most_frequent: class of the constant answer.
        per_class_iou: by class name; None if a class does not occur.
    """

    findings: tuple[Finding, ...]
    most_frequent: str
    per_class_iou: dict[str, float | None]

    @property
    def fit(self) -> bool:
        return not any(finding.faults for finding in self.findings)


def check_on_real_photos(
    context: ScoringContext, advance: Advance, published: Sequence[float] | None = None
) -> Check | str:
    """Run the real test photos through a context's judge.

    Args:
        context: its test targets must be photos; they are used as predictions too.
        advance: told how many photos are done.
        published: published pixel accuracy, class accuracy and class IoU on these photos, if known.

    Returns:
        the findings, or why nothing could be measured.
    """
    photos = context.test.target
    output, table = score(lambda index: np.asarray(photos[index]), context, KEYS, advance)
    results = {result.name: result for result in output.results}
    if (reason := results[KEYS[0]].reason) is not None:
        return reason
    names = [info.name for info in context.card.train_classes]
    total = np.sum(np.stack(table["fcn_conf"].to_list()), axis=0).reshape(len(names), -1)
    return judge_scores(results, total, names, published, output)


def judge_scores(
    results: Mapping[str, MetricResult],
    total: NDArray[np.int64],
    names: Sequence[str],
    published: Sequence[float] | None,
    output: MetricOutput,
) -> Check:
    """Compare three scores with the constant answer and, if given, with published ones.

    Args:
        results: the `fcn_*` results of real photos, all with a value.
        total: (K, K) or (K, K + 1) summed confusion matrix, rows = truth.
        names: K class names.
        published: see `check_on_real_photos`.
        output: gives the IoU of each class.
    """
    frequent = int(total.sum(1).argmax())
    policy = str(results[KEYS[0]].protocol["class_policy"])
    constants = constant_scores(total, frequent, policy)
    findings = tuple(
        _finding(key, results[key], constant, None if published is None else published[index])
        for index, (key, constant) in enumerate(zip(KEYS, constants, strict=True))
    )
    per_class: dict[str, Any] = output.details.get("per_class_iou", {})
    return Check(findings, names[frequent], per_class)


def constant_scores(total: NDArray[np.int64], answer: int, policy: str) -> tuple[float, float, float]:
    """The three scores of answering class `answer` everywhere, on images with this summed matrix."""
    constant = np.zeros((len(total), len(total)), np.int64)
    constant[:, answer] = total.sum(1)
    pixel, class_acc, class_iou = scores_from_confusion(constant, policy)
    return float(pixel), float(class_acc), float(class_iou)


def _finding(key: str, result: MetricResult, constant: float, published: float | None) -> Finding:
    assert result.value is not None
    low = result.interval[0] if result.interval else result.value
    wanted = constant + BEYOND_CONSTANT[key] * (1 - constant)
    faults = []
    if low <= wanted:
        faults.append(f"{_WORDS[key]} {low:.3f} (lower end) does not exceed {wanted:.3f}")
    if published is not None and abs(result.value - published) > TOLERANCE:
        faults.append(
            f"{_WORDS[key]} {result.value:.3f} is not within {TOLERANCE} of the published {published}"
        )
    return Finding(_WORDS[key], result, constant, published, tuple(faults))


def statements(check: Check) -> list[str]:
    """The check as lines of text; the verdict is the last one."""
    lines = []
    for finding in check.findings:
        result = finding.result
        interval = f" [{result.interval[0]:.3f}, {result.interval[1]:.3f}]" if result.interval else ""
        published = "" if finding.published is None else f"; published {finding.published:.2f}"
        beside = f"always '{check.most_frequent}' {finding.constant:.3f}{published}"
        lines.append(f"{finding.words}: {result.value:.3f}{interval}  ({beside})")
    seen = ", ".join(f"{n} {v:.2f}" for n, v in check.per_class_iou.items() if v is not None)
    lines.append(f"IoU by class: {seen}")
    faults = [fault for finding in check.findings for fault in finding.faults]
    return [*lines, f"the judge is not fit: {'; '.join(faults)}" if faults else "the judge is fit"]

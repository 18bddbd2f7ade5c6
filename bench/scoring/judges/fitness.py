"""Plain statements on whether a judge can tell real photos from generated ones."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.record import MetricResult, RunRecord
from bench.scoring.metrics.catalogue import CATALOGUE

KEYS = ("fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou")


def fitness(real: RunRecord, others: Sequence[RunRecord]) -> list[str]:
    """What the FCN scores can show: one statement for each finding.

    A judge tells real photos from a variant's by a score if the real photos' 95 % interval is above the
    intervals of all of the variant's runs.

    Args:
        real: the `real` row.
        others: runs on the same data, scored by the same judge; the seeds of a variant count together.

    Returns:
        sentences; none if the data has no FCN score at all.
    """
    keys = [key for key in KEYS if key in real.results]
    if not keys:
        return []
    reason = real.results[keys[0]].reason
    if reason is not None:
        return [f"No FCN score of real photos to compare with: {reason}."]
    judge = describe(real)
    told: dict[tuple[str, ...], list[str]] = {}
    blurred: dict[tuple[str, ...], list[str]] = {}
    for label in dict.fromkeys(record.label for record in others):
        runs = [record for record in others if record.label == label and record.status == "finished"]
        compared = tuple(key for key in keys if any(_has(run, key) for run in runs))
        failing = tuple(key for key in compared if not _above(real.results[key], _results(runs, key)))
        if compared:
            (blurred if failing else told).setdefault(failing or compared, []).append(label)
    good = [f"{judge} can tell {_those(labels)}, by {_scores(by)}." for by, labels in told.items()]
    poor = [
        f"{judge} cannot tell {_those(labels)} by {_scores(by)}: "
        f"read {'that column' if len(by) == 1 else 'those columns'} with care."
        for by, labels in blurred.items()
    ]
    return good + poor


def _those(labels: Sequence[str]) -> str:
    return f"real photos from those of {listed(labels)}"


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _scores(keys: Sequence[str]) -> str:
    return "all three FCN scores" if tuple(keys) == KEYS else listed([CATALOGUE[key].title for key in keys])


def describe(real: RunRecord) -> str:
    """The judge in words: "The judge fcn-small at 64 px (held-out pixel accuracy 0.84, class IoU 0.25)"."""
    meta = real.details.get("judge", {})
    name = meta.get("network", "of unknown name")
    size = f" at {meta['size_px']} px" if "size_px" in meta else ""
    held = meta.get("held_out") or {}
    known = [
        f"{words} {held[key]:.2f}"
        for key, words in (("pixel_acc", "pixel accuracy"), ("class_iou", "class IoU"))
        if held.get(key) is not None
    ]
    return f"The judge {name}{size}" + (f" (held-out {', '.join(known)})" if known else "")


def _has(record: RunRecord, key: str) -> bool:
    return key in record.results and record.results[key].value is not None


def _results(runs: Sequence[RunRecord], key: str) -> list[MetricResult]:
    return [run.results[key] for run in runs if _has(run, key)]


def _above(real: MetricResult, others: Sequence[MetricResult]) -> bool:
    """Whether the real value's interval is above all others; without intervals, values are compared."""
    return real.value is not None and all(_low(real) > _high(other) for other in others)


def _low(result: MetricResult) -> float:
    assert result.value is not None
    return result.interval[0] if result.interval else result.value


def _high(result: MetricResult) -> float:
    assert result.value is not None
    return result.interval[1] if result.interval else result.value

"""Plain statements on whether a judge can tell real photos from generated ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from bench.records.record import MetricResult, RunRecord
from bench.scoring.metrics.catalogue import CATALOGUE

KEYS = ("fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou")


class _System(NamedTuple):
    """A variant trained for so many steps (None: not trained here)."""

    label: str
    steps: int | None


def fitness(real: RunRecord, others: Sequence[RunRecord]) -> list[str]:
    """What the FCN scores can show: one statement for each finding.

    A judge tells real photos from a variant's by a score if the real photos' 95 % interval is above the
    intervals of all of the variant's runs.

    Args:
        real: the `real` row.
        others: runs on the same data, scored by the same judge; the seeds of a variant count together, those
            of one training length where it has several.

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
    told, blurred = _findings(real, others, keys)
    lots = [*told.values(), *blurred.values()]
    findings = Counter(label for lot in lots for label in {system.label for system in lot})
    split = [label for label, count in findings.items() if count > 1]
    good = [f"{judge} can tell {_those(lot, split)}, by {_scores(by)}." for by, lot in told.items()]
    poor = [
        f"{judge} cannot tell {_those(lot, split)} by {_scores(by)}: "
        f"read {'that column' if len(by) == 1 else 'those columns'} with care."
        for by, lot in blurred.items()
    ]
    return good + poor


def cannot_tell(real: RunRecord, others: Sequence[RunRecord]) -> dict[str, list[str]]:
    """FCN score -> the variants whose images the judge cannot tell from real photos by it (`fitness`)."""
    keys = [key for key in KEYS if key in real.results]
    if not keys or real.results[keys[0]].reason is not None:
        return {}
    found: dict[str, dict[str, None]] = {}
    for failing, systems in _findings(real, others, keys)[1].items():
        for key in failing:
            found.setdefault(key, {}).update(dict.fromkeys(system.label for system in systems))
    return {key: list(labels) for key, labels in found.items()}


_Lots = dict[tuple[str, ...], list[_System]]


def _findings(real: RunRecord, others: Sequence[RunRecord], keys: Sequence[str]) -> tuple[_Lots, _Lots]:
    """Systems by the scores that tell real photos from theirs, and by those that do not."""
    told: _Lots = {}
    blurred: _Lots = {}
    for system, runs in _systems(others).items():
        compared = tuple(key for key in keys if any(_has(run, key) for run in runs))
        failing = tuple(key for key in compared if not _above(real.results[key], _results(runs, key)))
        if compared:
            (blurred if failing else told).setdefault(failing or compared, []).append(system)
    return told, blurred


def _systems(records: Sequence[RunRecord]) -> dict[_System, list[RunRecord]]:
    """The finished runs, by what they are."""
    found: dict[_System, list[RunRecord]] = {}
    for record in records:
        if record.status == "finished":
            system = _System(record.label, record.spec.get("training", {}).get("steps"))
            found.setdefault(system, []).append(record)
    return found


def _those(systems: Sequence[_System], split: Collection[str]) -> str:
    """Their labels, with the steps of those in `split`: lengths of one label that differ in what is found."""
    names = [f"{label} (steps={steps})" if label in split else label for label, steps in systems]
    return f"real photos from those of {listed(list(dict.fromkeys(names)))}"


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


def clearly_above(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Whether all of ours are above all of theirs: the ends of a 95 % interval, or a value that has none."""
    return min(ours) > max(theirs)


def _above(real: MetricResult, others: Sequence[MetricResult]) -> bool:
    return real.value is not None and all(clearly_above(_ends(real), _ends(other)) for other in others)


def _ends(result: MetricResult) -> tuple[float, ...]:
    assert result.value is not None
    return result.interval or (result.value,)

"""Records as rows of the gate: one row a data set, direction, size, budget and label, over its seeds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from bench.core.errors import UsageError
from bench.gate.tolerances import Tolerance
from bench.records.record import GalleryFiles, Goal, MetricResult, RunRecord, read_per_image

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Spread:
    """How much a metric varies between training seeds.

    Attributes:
        sd: standard deviation (n - 1), in the metric's unit.
        seeds: how many seeds it was estimated from, at least 2.
    """

    sd: float
    seeds: int

    def __post_init__(self) -> None:
        if self.sd < 0 or self.seeds < 2:
            raise ValueError(f"expected a spread of 0 or more over 2 or more seeds, found {self}")


@dataclass(frozen=True)
class MetricMean:
    """One metric of one row, over seeds.

    Attributes:
        values: one a seed, in the order of the row's seeds.
        goal, n, protocol: as in `MetricResult`.
        interval: 95 % interval over test images, averaged over seeds; None where one has none.
        tolerance: this number's own, or None.
        kept_spread: spread over seeds that was kept from a baseline of more seeds, or None.
    """

    values: tuple[float, ...]
    goal: Goal
    n: int
    protocol: dict[str, Any]
    interval: tuple[float, float] | None = None
    tolerance: Tolerance | None = None
    kept_spread: Spread | None = None

    @property
    def value(self) -> float:
        """Mean over seeds."""
        return fmean(self.values)

    @property
    def spread(self) -> Spread | None:
        """The spread over seeds that rests on most of them: kept, or of these values; None: not known."""
        own = Spread(stdev(self.values), len(self.values)) if len(self.values) > 1 else None
        if own is None or (self.kept_spread is not None and self.kept_spread.seeds > own.seeds):
            return self.kept_spread
        return own


@dataclass(frozen=True)
class GateRow:
    """One row of the comparison, over seeds.

    Attributes:
        kind: "run" or "reference".
        seeds: those behind it; (None,) for a reference row.
        test_fingerprint: content hash of the test images.
        metrics: metric key -> numbers, where every seed has a value, scored in one way.
        images: stems of the predictions that are kept beside a baseline.
        reasons: metric key -> why there is no number; not stored.
        clashes: metric key -> that its seeds were scored in several ways; not stored.
        tables: values by test image, one table a seed; () where they are not at hand.
        galleries: where each seed's images lie; not stored.
    """

    kind: str
    seeds: tuple[int | None, ...]
    test_fingerprint: str
    metrics: dict[str, MetricMean]
    images: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)
    clashes: dict[str, str] = field(default_factory=dict)
    tables: tuple[pd.DataFrame, ...] = field(default=(), compare=False, repr=False)
    galleries: tuple[GalleryFiles | None, ...] = ()


def row_key(record: RunRecord) -> str:
    """ "toycity/labels2photo/64px/800 steps/l1+cgan"; reference rows and images of others have no steps.

    Raises:
        UsageError: if the record does not tell its size.
    """
    data, training = record.spec["data"], record.spec.get("training", {})
    if "size_px" not in training:
        raise UsageError(
            f"expected spec.training.size_px in record {record.id}, found none: delete it and run again"
        )
    source = data.get("source", "paired")
    direction = record.direction if source == "paired" else f"{record.direction} from {source}"
    steps = [f"{training['steps']} steps"] if training.get("steps") is not None else []
    return "/".join([record.dataset, direction, f"{training['size_px']}px", *steps, record.label])


def rows_of(
    records: Iterable[RunRecord], out: Path | None = None
) -> tuple[dict[str, GateRow], dict[str, str]]:
    """Rows by key, and for the rows of which a run did not finish, why.

    Args:
        out: the output the records came from, for their values by image; None: not at hand.

    Raises:
        UsageError: if two records would be the same seed of the same row.
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(row_key(record), []).append(record)
    rows: dict[str, GateRow] = {}
    failures: dict[str, str] = {}
    for key, group in sorted(groups.items()):
        group.sort(key=lambda record: (record.seed is not None, record.seed))
        _check_distinct(key, group)
        failed = next((record for record in group if record.status != "finished"), None)
        if failed is not None:
            failures[key] = f"seed {failed.seed} {failed.status}: {failed.error or 'no reason recorded'}"
        else:
            rows[key] = _row(group, out)
    return rows, failures


def _check_distinct(key: str, group: list[RunRecord]) -> None:
    for one, other in itertools.pairwise(group):
        if one.seed == other.seed:
            raise UsageError(
                f"expected one record for {key} (seed {one.seed}), found {one.id} and {other.id}, trained or "
                "tested with other settings: keep them in different --out folders"
            )


def _row(group: list[RunRecord], out: Path | None) -> GateRow:
    metrics: dict[str, MetricMean] = {}
    reasons: dict[str, str] = {}
    clashes: dict[str, str] = {}
    for metric in sorted({name for record in group for name in record.results}):
        results = [record.results[metric] for record in group if metric in record.results]
        without = [result for result in results if result.value is None]
        if without or len(results) < len(group):
            reasons[metric] = str(without[0].reason) if without else "a seed lacks this metric"
        elif len({json.dumps([r.protocol, r.goal, r.n], sort_keys=True) for r in results}) > 1:
            clashes[metric] = "its seeds were not scored by one protocol and N: score them anew"
        else:
            metrics[metric] = _mean(results)
    tables = [] if out is None else [read_per_image(out, record) for record in group]
    held = [table for table in tables if table is not None]
    return GateRow(
        group[0].kind,
        tuple(record.seed for record in group),
        str(group[0].spec["data"].get("test_fingerprint", "")),
        metrics,
        reasons=reasons,
        clashes=clashes,
        tables=tuple(held) if len(held) == len(group) else (),
        galleries=tuple(record.gallery for record in group),
    )


def _mean(results: list[MetricResult]) -> MetricMean:
    intervals = [result.interval for result in results if result.interval is not None]
    both = (fmean(low for low, _ in intervals), fmean(high for _, high in intervals)) if intervals else None
    return MetricMean(
        values=tuple(result.value for result in results if result.value is not None),
        goal=results[0].goal,
        n=results[0].n,
        protocol=json.loads(json.dumps(results[0].protocol)),  # tuples become lists, as in a file
        interval=both if len(intervals) == len(results) else None,
    )

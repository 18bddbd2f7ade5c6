"""Records as rows of the gate: one row a data set, direction, size, budget and label, over its seeds."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.by_image import ByImage, Seed, by_image
from bench.analysis.cell import Cell
from bench.analysis.comparable import differing_fields, must_agree, pixels_of
from bench.analysis.entry import Entry, sorted_by_name
from bench.analysis.rows import group, same_seed
from bench.core.errors import UsageError
from bench.gate.tolerances import Tolerance
from bench.records.record import GalleryFiles, RunRecord, read_per_image

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
class GateCell(Cell):
    """A cell whose seeds all have a value of one N, and what a baseline says of it.

    Attributes:
        tolerance: this number's own, or None.
        kept_spread: spread over seeds that was kept from a baseline of more seeds, or None.
    """

    tolerance: Tolerance | None = None
    kept_spread: Spread | None = None

    @property
    def spread(self) -> Spread | None:
        """The spread over seeds that rests on most of them: kept, or of these values; None: not known."""
        own = None if self.std is None else Spread(self.std, len(self.values))
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
        tables: values by test image, one table a seed; () where there are none.
        galleries: where each seed's images are; not stored.
        test_pixels: fingerprint of the test images by pixels; "" where a record has none.
    """

    kind: str
    seeds: tuple[int | None, ...]
    test_fingerprint: str
    metrics: dict[str, GateCell]
    images: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)
    clashes: dict[str, str] = field(default_factory=dict)
    tables: tuple[pd.DataFrame, ...] = field(default=(), compare=False, repr=False)
    galleries: tuple[GalleryFiles | None, ...] = ()
    test_pixels: str = ""

    @functools.cached_property
    def sorted_tables(self) -> list[Seed]:
        """Values by image, seed by seed."""
        return [
            (sorted_by_name(table), {name: cell.values[place] for name, cell in self.metrics.items()})
            for place, table in enumerate(self.tables)
        ]

    @functools.cached_property
    def by_image(self) -> ByImage | None:
        """Values by image, averaged over seeds."""
        return by_image(self.sorted_tables)


def row_key(record: RunRecord) -> str:
    """ "toycity/labels2photo/64px/800 steps/l1+cgan"; reference rows and images of others have no steps.

    Of a run's settings (`bench.analysis.rows.settings_of`) it names size and steps alone: it is a key of
    baseline files, which must stay the same when settings are added. Where the others differ, two records
    of one seed are refused, and seeds apart are one row.

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
        out: the output the records came from, for their values by image; None: there are none.

    Raises:
        UsageError: if two records would be the same seed of the same row.
    """
    rows: dict[str, GateRow] = {}
    failures: dict[str, str] = {}
    for key, lot in sorted(group((Entry(record, out) for record in records), row_key).items()):
        if doubled := same_seed(lot):
            one, other = doubled
            raise UsageError(
                f"expected one record for {key} (seed {one.seed}), found {one.id} and {other.id}, trained or "
                "tested with other settings: keep them in different --out folders"
            )
        held = [entry.record for entry in lot]
        failed = next((record for record in held if record.status != "finished"), None)
        if failed is not None:
            failures[key] = f"seed {failed.seed} {failed.status}: {failed.error or 'no reason recorded'}"
        else:
            rows[key] = _row(held, out)
    return rows, failures


def test_images(one: GateRow, other: GateRow) -> tuple[str, str]:
    """The fingerprints of two rows' test images: by pixels where both have them, else of the files."""
    if one.test_pixels and other.test_pixels:
        return one.test_pixels, other.test_pixels
    return one.test_fingerprint, other.test_fingerprint


def _row(held: list[RunRecord], out: Path | None) -> GateRow:
    metrics: dict[str, GateCell] = {}
    reasons: dict[str, str] = {}
    clashes: dict[str, str] = {}
    for metric in sorted({name for record in held for name in record.results}):
        results = [record.results[metric] for record in held if metric in record.results]
        without = [result for result in results if result.value is None]
        if without or len(results) < len(held):
            reasons[metric] = str(without[0].reason) if without else "a seed lacks this metric"
        # the seeds of a row share their N in every metric: its spread is of the same test images
        elif differing_fields([{**must_agree(metric, r.goal, r.n, r.protocol), "n": r.n} for r in results]):
            clashes[metric] = "its seeds were not scored by one protocol and N: score them again"
        else:
            as_in_a_file = json.loads(json.dumps(results[0].protocol))  # tuples become lists
            metrics[metric] = replace(GateCell.of(results), protocol=as_in_a_file)
    tables = [] if out is None else [read_per_image(out, record) for record in held]
    found = [table for table in tables if table is not None]
    return GateRow(
        held[0].kind,
        tuple(record.seed for record in held),
        str(held[0].spec["data"].get("test_fingerprint", "")),
        metrics,
        reasons=reasons,
        clashes=clashes,
        tables=tuple(found) if len(found) == len(held) else (),
        galleries=tuple(record.gallery for record in held),
        test_pixels=pixels_of(held[0]),
    )

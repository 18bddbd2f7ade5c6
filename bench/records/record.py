"""Records: what a run was, what came out and under which protocol, as JSON with a schema version.

Reports and gates read only records. A missing value is `None` with a reason, never 0 or NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.core.decode import brief, decode
from bench.core.documents import DocumentError, read_json
from bench.core.errors import UsageError
from bench.core.files import atomic_path, is_leftover, write_text
from bench.records import renamed
from bench.records.parquet import read_table

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 2
_READABLE = (1, SCHEMA_VERSION)
Goal = Literal["max", "min"] | float
Status = Literal["finished", "failed", "diverged"]


@dataclass(frozen=True)
class MetricResult:
    """One number and what it means.

    Attributes:
        name: metric key, such as "fcn_class_iou".
        value: the number, or None with `reason`.
        reason: why the value is missing; None when there is a value.
        interval: 95 % confidence interval over test images, or None where none is computed.
        goal: "max", "min", or the target value (1.0 for `hf_ratio`).
        n: number of test images behind the value.
        protocol: how it was scored: all fields that must agree before two values may be compared.
    """

    name: str
    value: float | None
    goal: Goal
    n: int
    protocol: dict[str, Any]
    reason: str | None = None
    interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"metric {self.name}: give a value or a reason, not both or neither")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"metric {self.name}: {self.value} is no result: give None and a reason")


@dataclass(frozen=True)
class GalleryFiles:
    """The folders of a run's images, relative to the output folder.

    Attributes:
        names: stems of the fixed gallery images, in order (the same for all rows of a data set).
        predictions: folder with `<stem>.png` for every test image; None for the `real` row.
        sources, targets: folders with `<stem>.png` for the gallery images only.
    """

    names: tuple[str, ...]
    predictions: str | None
    sources: str
    targets: str


@dataclass(frozen=True)
class RunRecord:
    """One row of the comparison: a trained run, or a reference row (`real`, `copy`, `nearest`, `random`).

    Attributes:
        id: file-name-safe, unique within an output: the stem of the record's files.
        kind: "run" or "reference".
        label: what tables call it: the variant's name, or the reference row's.
        spec: `RunSpec.to_dict()` for a run, else `{"data": ..., "training": {"size_px": ...}, "row": ...}`.
        results: metric key -> result.
        details: curves and tables behind the numbers, JSON only: `per_class_iou` {class: float | None},
            `spectrum` {"frequency": [...], "ratio": [...]}, `lab_histograms` {...}, `judge` {...},
            `sample_curve` {metric: curve} (`bench.scoring.metrics.sample_curve`), `panel` [...] and
            `judge_cards` [...] (`bench.records.panel`, `bench.records.judge_card`), `validation` {...}
            (`bench.stages.validation.Validation.summary`, with `gap` of `bench.stages.gap`), `cost` {...}
            (`bench.stages.costs`; not in older records).
        history: training curve, one entry a log point: {"step": int, "images_seen": int, "loss": float, ...}.
        timings: seconds by stage: "train", "generate", "score", and "seconds_per_step".
        environment: commit, dirty, versions, device, processor (not in older records), threads.
        status: "finished", "failed" or "diverged"; `error` says why when it is not finished.
    """

    id: str
    kind: Literal["run", "reference"]
    label: str
    spec: dict[str, Any]
    status: Status
    results: dict[str, MetricResult] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, int | float]] = field(default_factory=list)
    timings: dict[str, float | None] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    gallery: GalleryFiles | None = None
    error: str | None = None
    created: str = ""
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not _is_file_name(self.id):
            raise ValueError(f"id: expected a plain file name, found {brief(self.id)}")
        data = self.spec.get("data", {})
        names = {f"spec.data.{key}": data.get(key, "") for key in ("name", "direction")}
        for place, name in {"label": self.label, **names}.items():
            if not name.isprintable() or len(name) > 1000:
                raise ValueError(f"{place}: expected a printable text, found {brief(name)}")

    @property
    def dataset(self) -> str:
        return str(self.spec["data"]["name"])

    @property
    def direction(self) -> str:
        return str(self.spec["data"]["direction"])

    @property
    def seed(self) -> int | None:
        seed = self.spec.get("seed")
        return None if seed is None else int(seed)


def _is_file_name(text: str) -> bool:
    fits = text.isprintable() and 0 < len(text.encode()) <= 240
    return fits and not {"/", "\\"} & set(text) and text[0] != "."


def records_dir(out: Path) -> Path:
    """The folder of an output that holds its records."""
    return out / "records"


def per_image_path(out: Path, record_id: str) -> Path:
    """Parquet file with one row a test image: column `name`, one column a per-image metric."""
    return records_dir(out) / f"{record_id}.parquet"


def record_path(out: Path, record_id: str) -> Path:
    return records_dir(out) / f"{record_id}.json"


def write_record(out: Path, record: RunRecord, per_image: pd.DataFrame | None = None) -> Path:
    """Write `records/<id>.parquet` (when given), then `records/<id>.json`; each whole or not at all."""
    if per_image is not None:
        with atomic_path(per_image_path(out, record.id)) as temporary:
            per_image.to_parquet(temporary, index=False)
    path = record_path(out, record.id)
    write_text(path, json.dumps(asdict(record), indent=1, allow_nan=False, sort_keys=True) + "\n")
    return path


def read_record(path: Path) -> RunRecord:
    """Read one record.

    Raises:
        UsageError: if the file is not a JSON record, or this version does not know its schema.
    """
    from bench.records.judge_card import cards_of
    from bench.records.schema import RecordTables, check_curves

    try:
        raw = read_json(path)
    except DocumentError as error:
        raise UsageError(f"expected a JSON record in {path}: {error}; delete it and run again") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version not in _READABLE or isinstance(version, bool):
        raise UsageError(
            f"expected a record of schema 1 or {SCHEMA_VERSION} (schema_version) in {path}, found "
            f"{brief(version)}: read it with the pix2pix-bench version that wrote it, or delete it and run "
            "again"
        )
    try:
        record = decode(raw, RunRecord, view=RecordTables)
        check_curves(record.details)
        cards_of(record.details)
    except ValueError as error:
        said = " ".join(str(error).split())
        raise UsageError(f"record {path} is damaged ({said}): delete it and run again") from error
    return record if version == SCHEMA_VERSION else _under_todays_names(record)


def _under_todays_names(record: RunRecord) -> RunRecord:
    results = {
        renamed.metric(name): replace(
            one, name=renamed.metric(one.name), protocol=renamed.protocol(one.protocol)
        )
        for name, one in record.results.items()
    }
    details = renamed.details(record.details)
    return replace(record, results=results, details=details, schema_version=SCHEMA_VERSION)


def read_records(out: Path) -> list[RunRecord]:
    """All records of an output, in file-name order.

    Raises:
        UsageError: if there are no records, or one cannot be read.
    """
    paths = sorted(path for path in records_dir(out).glob("*.json") if not is_leftover(path))
    if not paths:
        raise UsageError(
            f"expected records in {records_dir(out)}, found none: run `bench run --out {out}` first"
        )
    return [read_record(path) for path in paths]


def read_per_image(out: Path, record: RunRecord) -> pd.DataFrame | None:
    """The per-image values of a record, or None where the record has no such file."""
    path = per_image_path(out, record.id)
    if not path.is_file():
        return None
    return _per_image_checked(path).rename(columns=renamed.columns(record.results))


def _per_image_checked(path: Path) -> pd.DataFrame:
    try:
        return _per_image(path)
    except Exception as error:  # pyarrow and pandas raise nearly anything on damaged files
        said, record = " ".join(str(error).split())[:300], path.with_suffix(".json")
        raise UsageError(
            f"expected per-image values in {path}: {said}; delete it and {record} and run again"
        ) from error


def _per_image(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow

    table = read_table(path)
    for column in table.schema:
        held = column.type.value_type if pyarrow.types.is_list(column.type) else column.type
        fits = pyarrow.types.is_integer(held) or pyarrow.types.is_floating(held)
        if not fits and column.name != "name":
            raise ValueError(f"column {column.name[:80]} holds {str(column.type)[:80]}, no numbers")
    frame: pd.DataFrame = table.to_pandas()
    texts = ("string", "empty")
    if "name" not in frame or pd.api.types.infer_dtype(frame["name"], skipna=False) not in texts:
        raise ValueError("no column of names")
    if not frame["name"].is_unique or not frame.columns.is_unique:
        raise ValueError("a name twice")
    return frame


def finished(records: Iterable[RunRecord]) -> list[RunRecord]:
    """The records of finished runs."""
    return [record for record in records if record.status == "finished"]


REFERENCE_ROWS = ("real", "copy", "nearest", "random")

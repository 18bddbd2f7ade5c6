"""The baseline file: how it is made of records, written, read, and migrated from its older schema.

    {"schema_version": 3, "ignore_protocol": [...], "per_image": sha256 | null,
     "tolerances": {metric: {"absolute", "relative", "both_sides"}}, "protocols": {name: {...}},
     "rows": {key: {"kind", "seeds", "test_fingerprint", "test_pixels", "images", "metrics": {...}}}}

A metric of a row holds the values by seed, N, goal, interval and the name of its protocol, and may hold a
"tolerance" of its own and the "kept_spread" of an older baseline of more seeds. Metrics without a value are
left out. Values by image are beside it (`values_by_image`). Schema 2 had other names (`records.renamed`).
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from bench.core.decode import brief, decode
from bench.core.documents import DocumentError, read_json
from bench.core.errors import NotComparableError, UsageError
from bench.core.files import write_text
from bench.gate.rows import GateCell, GateRow, Spread, rows_of
from bench.gate.tolerances import DEFAULT_TOLERANCES, Tolerance
from bench.gate.values_by_image import read_sidecar, sidecar_path, tables_of, write_sidecar
from bench.records import renamed
from bench.records.record import Goal, RunRecord

BASELINE_SCHEMA = 3
_READABLE = (2, BASELINE_SCHEMA)


@dataclass(frozen=True)
class Baseline:
    """A whole baseline file.

    Attributes:
        rows: by key, with their values by image where there are any.
        tolerances: by metric key or "*".
        ignore_protocol: protocol fields that may differ.
        notes: what must be said about it, such as that its values by image are gone; not stored.
    """

    rows: dict[str, GateRow]
    tolerances: dict[str, Tolerance]
    ignore_protocol: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_records(
        cls,
        records: Sequence[RunRecord],
        out: Path | None = None,
        *,
        tolerances: Mapping[str, Tolerance] | None = None,
        ignore: Sequence[str] = (),
    ) -> Baseline:
        """The baseline that the finished runs and reference rows among `records` make.

        Args:
            out: the output they came from; None leaves values by image out.
            tolerances: metric key (or "*") -> allowed change, over the defaults.
            ignore: protocol fields ("judge_hash", patterns allowed) that may differ at a check, for
                instance because the judge is trained again on each machine.

        Raises:
            UsageError: if no run finished, one failed, or two runs would share a row and a seed.
            NotComparableError: if seeds of one row were scored by different protocols.
        """
        rows, failures = rows_of(records, out)
        if failures:
            key, reason = next(iter(failures.items()))
            raise UsageError(
                f"expected finished runs for a baseline, found {key}: {reason}; run it again first"
            )
        if not rows:
            raise UsageError("expected finished runs for a baseline, found none: `bench run` first")
        for key, row in rows.items():
            for metric, said in row.clashes.items():
                raise NotComparableError(f"expected one protocol for {metric} of {key}: {said}")
        metrics = sorted({metric for row in rows.values() for metric in row.metrics})
        chosen = {name: DEFAULT_TOLERANCES[name] for name in ["*", *metrics] if name in DEFAULT_TOLERANCES}
        return cls(rows, {**chosen, **(tolerances or {})}, tuple(ignore))

    def keeping(self, older: Baseline, given: Mapping[str, Tolerance] | None = None) -> Baseline:
        """This baseline with what an `older` one knows beyond it, where `given` does not say otherwise.

        Kept are edited tolerances, `ignore_protocol`, and a spread over more seeds than there are now.
        """
        rows = {key: _with_older(row, older.rows.get(key)) for key, row in self.rows.items()}
        tolerances = {**self.tolerances, **older.tolerances, **(given or {})}
        return replace(
            self,
            rows=rows,
            tolerances=tolerances,
            ignore_protocol=self.ignore_protocol or older.ignore_protocol,
        )


def _with_older(row: GateRow, older: GateRow | None) -> GateRow:
    metrics = {}
    for name, entry in row.metrics.items():
        before = older.metrics.get(name) if older else None
        if before is not None:
            spread = before.spread
            kept = spread if spread is not None and spread.seeds > len(entry.values) else None
            entry = replace(entry, tolerance=before.tolerance, kept_spread=kept)
        metrics[name] = entry
    return replace(row, metrics=metrics)


def save_baseline(baseline: Baseline, path: Path) -> None:
    """Write `baseline` to `path`, and its values by image beside it.

    The file is sorted, each protocol stands once, numbers are exact (a tolerance of 0 means it).

    Raises:
        UsageError: if `path` cannot be written.
    """
    if path.suffix == ".parquet":
        raise UsageError(
            f"expected a name for a JSON file, found {path}: call it {path.with_suffix('.json')}"
        )
    protocols: dict[str, dict[str, Any]] = {}
    rows = {key: _row_to_json(row, protocols) for key, row in baseline.rows.items()}
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        digest = write_sidecar(path, baseline.rows)
        content = {
            "schema_version": BASELINE_SCHEMA,
            "ignore_protocol": sorted(baseline.ignore_protocol),
            "per_image": digest,
            "tolerances": {name: asdict(tolerance) for name, tolerance in baseline.tolerances.items()},
            "protocols": protocols,
            "rows": rows,
        }
        write_text(path, _text(content) + "\n")
    except OSError as error:
        raise UsageError(
            f"expected to write the baseline {path}: {error.strerror or error}; "
            "give a FILE in a folder that can be written"
        ) from error


def _row_to_json(row: GateRow, protocols: dict[str, dict[str, Any]]) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for metric, entry in row.metrics.items():
        text = json.dumps(entry.protocol, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:8]
        protocols[name] = entry.protocol
        metrics[metric] = {
            "values": entry.values,
            "goal": entry.goal,
            "n": entry.n[0],
            "interval": entry.interval,
            "protocol": name,
        }
        if entry.tolerance is not None:
            metrics[metric]["tolerance"] = asdict(entry.tolerance)
        if entry.kept_spread is not None:
            metrics[metric]["kept_spread"] = asdict(entry.kept_spread)
    head = {"kind": row.kind, "seeds": row.seeds, "test_fingerprint": row.test_fingerprint}
    if row.test_pixels:
        head["test_pixels"] = row.test_pixels
    return {**head, "images": row.images, "metrics": metrics}


def _text(value: Any) -> str:
    """JSON with sorted keys; an object without objects in it takes one line: one changed number, one line.

    A number's spread and tolerance stay on its line.
    """
    nested = isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values())
    if not nested or "values" in value:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    lines = ",\n".join(f"{json.dumps(name)}: {_text(inner)}" for name, inner in sorted(value.items()))
    return "{\n" + textwrap.indent(lines, " ") + "\n}"


def read_baseline(path: Path) -> Baseline:
    """Read a baseline, and its values by image where they are beside it.

    Raises:
        UsageError: if it is missing, malformed or of an unknown schema, or the values by image are not its
            own; the message names the file.
    """
    try:
        if not path.exists():
            raise UsageError(
                f"expected a baseline in {path}, found none: write one with `bench baseline OUT {path}`"
            )
        raw = read_json(path)
    except DocumentError as error:
        raise UsageError(
            f"expected a baseline in {path}: {error}; write one with `bench baseline OUT {path}`"
        ) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version not in _READABLE or isinstance(version, bool):
        raise UsageError(
            f"expected a baseline of schema 2 or {BASELINE_SCHEMA} (schema_version) in {path}, found "
            f"{brief(version)}: read it with the pix2pix-bench version that wrote it, or write it again"
        )
    try:
        held = decode(raw, _File)
        return _baseline(held if version == BASELINE_SCHEMA else _migrated(held), path)
    except ValueError as error:
        raise UsageError(f"baseline {path} is malformed ({error}): restore it, or write it again") from error


class _Entry(TypedDict):
    values: tuple[float, ...]
    goal: Goal
    n: int
    protocol: str
    interval: NotRequired[tuple[float, float] | None]
    tolerance: NotRequired[Tolerance | None]
    kept_spread: NotRequired[Spread | None]


class _Row(TypedDict):
    kind: str
    seeds: tuple[int | None, ...]
    test_fingerprint: str
    test_pixels: NotRequired[str]
    images: NotRequired[tuple[str, ...]]
    pictures: NotRequired[tuple[str, ...]]  # of schema 2
    metrics: dict[str, _Entry]


class _File(TypedDict):
    ignore_protocol: tuple[str, ...]
    per_image: str | None
    tolerances: dict[str, Tolerance]
    protocols: dict[str, dict[str, Any]]
    rows: dict[str, _Row]


def _migrated(held: _File) -> _File:
    """Schema 2 with the names of schema 3."""
    return {
        "ignore_protocol": tuple(map(renamed.protocol_field, held["ignore_protocol"])),
        "per_image": held["per_image"],
        "tolerances": {renamed.metric(name): entry for name, entry in held["tolerances"].items()},
        "protocols": {name: renamed.protocol(fields) for name, fields in held["protocols"].items()},
        "rows": {key: _migrated_row(row) for key, row in held["rows"].items()},
    }


def _migrated_row(row: _Row) -> _Row:
    metrics = {renamed.metric(name): entry for name, entry in row["metrics"].items()}
    return {**row, "images": row.get("pictures", ()), "metrics": metrics}


def _baseline(held: _File, path: Path) -> Baseline:
    digest = held["per_image"]
    by_image = None if digest is None else read_sidecar(path, digest)
    rows: dict[str, GateRow] = {}
    for key, row in held["rows"].items():
        seeds = row["seeds"]
        metrics = {}
        for name, entry in row["metrics"].items():
            if not len(entry["values"]) == len(seeds) > 0:
                raise ValueError(f"rows.{key}.metrics.{name}: expected one value a seed")
            if entry["protocol"] not in held["protocols"]:
                raise ValueError(f"protocols: expected the key '{entry['protocol']}', found none")
            fields: dict[str, Any] = {
                **entry,
                "n": (entry["n"],) * len(seeds),
                "protocol": held["protocols"][entry["protocol"]],
            }
            metrics[name] = GateCell(**fields)
        tables = () if by_image is None else tables_of(by_image, key, seeds)
        tables = tuple(table.rename(columns=renamed.columns(metrics)) for table in tables)
        images = row.get("images", ())
        rows[key] = GateRow(
            row["kind"], seeds, row["test_fingerprint"], metrics, images, tables=tables,
            test_pixels=row.get("test_pixels", ""),
        )  # fmt: skip
    notes: tuple[str, ...] = ()
    if by_image is None:
        why = f"{sidecar_path(path).name} is not there" if digest else "the baseline has none"
        notes = (f"no values by image: {why}; tolerance and spread over seeds decide",)
    return Baseline(rows, held["tolerances"], held["ignore_protocol"], notes)

"""The baseline file: how it is made of records, written, read, and migrated from its older schema.

    {"schema_version": 3, "ignore_protocol": [...], "per_image": sha256 | null,
     "tolerances": {metric: {"absolute", "relative", "both_sides"}}, "protocols": {name: {...}},
     "rows": {key: {"kind", "seeds", "test_fingerprint", "images", "metrics": {...}}}}

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
from typing import Any

from bench.core.documents import DocumentError, read_json
from bench.core.errors import NotComparableError, UsageError
from bench.core.files import write_text
from bench.gate.rows import GateCell, GateRow, Spread, rows_of
from bench.gate.tolerances import DEFAULT_TOLERANCES, Tolerance, names_in, tolerances_in
from bench.gate.values_by_image import read_sidecar, sidecar_path, tables_of, write_sidecar
from bench.records import renamed
from bench.records.record import RunRecord
from bench.records.schema import is_number

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
            "values": list(entry.values),
            "goal": entry.goal,
            "n": entry.n[0],
            "interval": entry.interval,
            "protocol": name,
        }
        if entry.tolerance is not None:
            metrics[metric]["tolerance"] = asdict(entry.tolerance)
        if entry.kept_spread is not None:
            metrics[metric]["kept_spread"] = asdict(entry.kept_spread)
    head = {"kind": row.kind, "seeds": list(row.seeds), "test_fingerprint": row.test_fingerprint}
    return {**head, "images": list(row.images), "metrics": metrics}


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
    if not isinstance(raw, dict) or "schema_version" not in raw:
        raise UsageError(f"expected a baseline with a schema_version in {path}, found none")
    version = raw["schema_version"]
    if isinstance(version, bool) or version not in _READABLE:
        raise UsageError(
            f"expected baseline schema 2 or {BASELINE_SCHEMA} in {path}, found {version!r}: read it with the "
            "pix2pix-bench version that wrote it, or delete it and write it again"
        )
    try:
        return _from_json(_migrated(raw), path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"baseline {path} is malformed ({type(error).__name__}: {error}): restore it, or write it again"
        ) from error


def _migrated(raw: dict[str, Any]) -> dict[str, Any]:
    """Schema 2 with the names of schema 3."""
    if raw["schema_version"] == BASELINE_SCHEMA:
        return raw
    return {
        **raw,
        "ignore_protocol": [renamed.protocol_field(name) for name in raw["ignore_protocol"]],
        "tolerances": {renamed.metric(name): entry for name, entry in raw["tolerances"].items()},
        "protocols": {name: renamed.protocol(fields) for name, fields in raw["protocols"].items()},
        "rows": {key: _migrated_row(row) for key, row in raw["rows"].items()},
    }


def _migrated_row(row: dict[str, Any]) -> dict[str, Any]:
    metrics = {renamed.metric(name): entry for name, entry in row["metrics"].items()}
    return {**row, "images": row.get("pictures", []), "metrics": metrics}


def _from_json(raw: dict[str, Any], path: Path) -> Baseline:
    digest = raw["per_image"]
    held = None if digest is None else read_sidecar(path, str(digest))
    rows: dict[str, GateRow] = {}
    for key, row in raw["rows"].items():
        seeds = tuple(row["seeds"])
        metrics = {name: _metric(entry, raw["protocols"]) for name, entry in row["metrics"].items()}
        if any(len(entry.values) != len(seeds) for entry in metrics.values()):
            raise ValueError(f"{key}: expected one value a seed")
        tables = () if held is None else tables_of(held, key, seeds)
        images = names_in("images", row.get("images", []))
        rows[key] = GateRow(row["kind"], seeds, row["test_fingerprint"], metrics, images, tables=tables)
    notes = []
    if held is None:
        why = f"{sidecar_path(path).name} is not there" if digest else "the baseline has none"
        notes = [f"no values by image: {why}; tolerance and spread over seeds decide"]
    ignore = names_in("ignore_protocol", raw["ignore_protocol"])
    return Baseline(rows, tolerances_in(raw["tolerances"]), ignore, tuple(notes))


def _metric(entry: dict[str, Any], protocols: dict[str, dict[str, Any]]) -> GateCell:
    goal, interval, own = entry["goal"], entry.get("interval"), entry.get("tolerance")
    spread = entry.get("kept_spread")
    if not entry["values"]:
        raise ValueError("expected finite values, found none")
    if interval is not None and len(interval) != 2:
        raise ValueError(f"expected an interval of two numbers, found {interval!r}")
    return GateCell(
        values=tuple(_number(value) for value in entry["values"]),
        goal=goal if goal in ("max", "min") else _number(goal),
        n=(int(_number(entry["n"])),) * len(entry["values"]),
        protocol=protocols[entry["protocol"]],
        interval=None if interval is None else (_number(interval[0]), _number(interval[1])),
        tolerance=None if own is None else Tolerance(**own),
        kept_spread=None if spread is None else Spread(_number(spread["sd"]), int(_number(spread["seeds"]))),
    )


def _number(value: Any) -> float:
    if not is_number(value):
        raise ValueError(f"expected a finite number, found {str(value)[:60]!r}")
    return float(value)

"""The baseline file: what a row and a metric of it are, how it is written and read.

    {"schema_version": 1, "ignore_protocol": [...], "tolerances": {metric: {"absolute", "relative"}},
     "protocols": {name: {...}}, "rows": {key: {"kind", "seeds", "test_fingerprint", "metrics": {...}}}}

A metric of a row holds the values by seed, N, goal, interval and the name of its protocol, and may hold
a "tolerance" of its own. Metrics without a value are left out.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.errors import NotComparableError, UsageError
from bench.files import write_text
from bench.records import Goal, MetricResult, RunRecord, is_number

BASELINE_SCHEMA = 1


@dataclass(frozen=True)
class Tolerance:
    """The worsening that is allowed: the larger of `absolute` and `relative` times the baseline's size."""

    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.absolute, self.relative):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"expected a tolerance to be a number, found {value!r}")
            if not 0 <= value < math.inf:
                raise ValueError(f"expected a tolerance of 0 or more, found {value}")

    def allowed(self, baseline: float) -> float:
        return max(self.absolute, self.relative * abs(baseline))


DEFAULT_TOLERANCES: dict[str, Tolerance] = {
    "*": Tolerance(relative=0.05),
    "fcn_pixel_acc": Tolerance(absolute=0.02),
    "fcn_class_acc": Tolerance(absolute=0.02),
    "fcn_class_iou": Tolerance(absolute=0.02),
    "label_pixel_acc": Tolerance(absolute=0.02),
    "label_class_acc": Tolerance(absolute=0.02),
    "label_class_iou": Tolerance(absolute=0.02),
    "fid": Tolerance(absolute=1.0, relative=0.05),
    "kid": Tolerance(absolute=0.005, relative=0.05),
    "ssim": Tolerance(absolute=0.01),
    "psnr": Tolerance(absolute=0.3),
    "pixel_acc@5": Tolerance(absolute=0.01),
    "pixel_acc@10": Tolerance(absolute=0.01),
    "lab_l": Tolerance(absolute=0.02),
    "lab_a": Tolerance(absolute=0.02),
    "lab_b": Tolerance(absolute=0.02),
    "hf_ratio": Tolerance(absolute=0.02, relative=0.1),
}


@dataclass(frozen=True)
class MetricMean:
    """One metric of one row, over seeds.

    Attributes:
        values: one a seed, in the order of the row's seeds.
        goal, n, protocol: as in `MetricResult`.
        interval: 95 % interval over test images, averaged over seeds; None where one has none.
        tolerance: this number's own, or None.
    """

    values: tuple[float, ...]
    goal: Goal
    n: int
    protocol: dict[str, Any]
    interval: tuple[float, float] | None = None
    tolerance: Tolerance | None = None

    @property
    def value(self) -> float:
        """Mean over seeds."""
        return fmean(self.values)


@dataclass(frozen=True)
class Row:
    """One row of the comparison, over seeds.

    Attributes:
        kind: "run" or "reference".
        seeds: those behind it; (None,) for a reference row.
        test_fingerprint: content hash of the test pictures.
        metrics: metric key -> numbers, where every seed has a value.
        reasons: metric key -> why there is no number; not stored.
    """

    kind: str
    seeds: tuple[int | None, ...]
    test_fingerprint: str
    metrics: dict[str, MetricMean]
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """A whole baseline file."""

    rows: dict[str, Row]
    tolerances: dict[str, Tolerance]
    ignore_protocol: tuple[str, ...] = ()

    @classmethod
    def from_records(
        cls, records: Sequence[RunRecord], tolerances: Mapping[str, Tolerance], ignore: tuple[str, ...]
    ) -> Baseline:
        """The baseline that `records` make; see `bench.regress.write_baseline`."""
        rows, failures = rows_of(records)
        if failures:
            key, reason = next(iter(failures.items()))
            raise UsageError(
                f"expected finished runs for a baseline, found {key}: {reason}; run it again first"
            )
        if not rows:
            raise UsageError("expected finished runs for a baseline, found none: `bench run` first")
        metrics = sorted({metric for row in rows.values() for metric in row.metrics})
        chosen = {name: DEFAULT_TOLERANCES[name] for name in ["*", *metrics] if name in DEFAULT_TOLERANCES}
        return cls(rows, {**chosen, **tolerances}, ignore)

    def keeping(self, older: Baseline, given: Mapping[str, Tolerance]) -> Baseline:
        """This baseline with the hand-made parts of an `older` one, where `given` does not say otherwise."""
        rows = {key: _with_tolerances(row, older.rows.get(key)) for key, row in self.rows.items()}
        tolerances = {**self.tolerances, **older.tolerances, **given}
        return Baseline(rows, tolerances, self.ignore_protocol or older.ignore_protocol)

    def tolerance(self, metric: str, entry: MetricMean) -> Tolerance:
        """The entry's own tolerance, else the metric's, else that of "*"."""
        return entry.tolerance or self.tolerances.get(metric) or self.tolerances.get("*") or Tolerance()


def _with_tolerances(row: Row, older: Row | None) -> Row:
    own = {} if older is None else {name: entry.tolerance for name, entry in older.metrics.items()}
    return replace(
        row,
        metrics={name: replace(entry, tolerance=own.get(name)) for name, entry in row.metrics.items()},
    )


def row_key(record: RunRecord) -> str:
    """ "toycity/labels2photo/64px/800 steps/l1+cgan"; reference rows and pictures of others have no steps.

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


def rows_of(records: Iterable[RunRecord]) -> tuple[dict[str, Row], dict[str, str]]:
    """Rows by key, and for the rows of which a run did not finish, why.

    Raises:
        UsageError: if two records would be the same seed of the same row.
        NotComparableError: if seeds of one row were scored by different protocols.
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(row_key(record), []).append(record)
    rows: dict[str, Row] = {}
    failures: dict[str, str] = {}
    for key, group in sorted(groups.items()):
        group.sort(key=lambda record: (record.seed is not None, record.seed))
        _check_distinct(key, group)
        failed = next((record for record in group if record.status != "finished"), None)
        if failed is not None:
            failures[key] = f"seed {failed.seed} {failed.status}: {failed.error or 'no reason recorded'}"
        else:
            rows[key] = _row(key, group)
    return rows, failures


def _check_distinct(key: str, group: list[RunRecord]) -> None:
    for one, other in itertools.pairwise(group):
        if one.seed == other.seed:
            raise UsageError(
                f"expected one record for {key} (seed {one.seed}), found {one.id} and {other.id}, trained or "
                "tested with other settings: keep them in different --out folders"
            )


def _row(key: str, group: list[RunRecord]) -> Row:
    metrics: dict[str, MetricMean] = {}
    reasons: dict[str, str] = {}
    for metric in sorted({name for record in group for name in record.results}):
        results = [record.results[metric] for record in group if metric in record.results]
        without = [result for result in results if result.value is None]
        if without or len(results) < len(group):
            reasons[metric] = str(without[0].reason) if without else "a seed lacks this metric"
        else:
            metrics[metric] = _mean(f"{metric} of {key}", results)
    seeds = tuple(record.seed for record in group)
    fingerprint = str(group[0].spec["data"].get("test_fingerprint", ""))
    return Row(group[0].kind, seeds, fingerprint, metrics, reasons)


def _mean(what: str, results: list[MetricResult]) -> MetricMean:
    first = results[0]
    if any((r.protocol, r.goal, r.n) != (first.protocol, first.goal, first.n) for r in results):
        raise NotComparableError(
            f"expected one protocol and N for all seeds of {what}, found several: score them anew "
            "(`bench score`) with the same scorer and test pictures"
        )
    intervals = [result.interval for result in results if result.interval is not None]
    both = (fmean(low for low, _ in intervals), fmean(high for _, high in intervals)) if intervals else None
    return MetricMean(
        values=tuple(result.value for result in results if result.value is not None),
        goal=first.goal,
        n=first.n,
        protocol=json.loads(json.dumps(first.protocol)),  # tuples become lists, as in a file
        interval=both if len(intervals) == len(results) else None,
    )


def save_baseline(baseline: Baseline, path: Path) -> None:
    """Write `baseline` to `path`: sorted, each protocol once, numbers exact (a tolerance of 0 means it).

    Raises:
        UsageError: if `path` cannot be written.
    """
    protocols: dict[str, dict[str, Any]] = {}
    rows: dict[str, Any] = {}
    for key, row in baseline.rows.items():
        metrics: dict[str, Any] = {}
        for metric, entry in row.metrics.items():
            text = json.dumps(entry.protocol, sort_keys=True)
            name = hashlib.sha256(text.encode()).hexdigest()[:8]
            protocols[name] = entry.protocol
            metrics[metric] = {
                "values": list(entry.values),
                "goal": entry.goal,
                "n": entry.n,
                "interval": entry.interval,
                "protocol": name,
            }
            if entry.tolerance is not None:
                metrics[metric]["tolerance"] = asdict(entry.tolerance)
        rows[key] = {
            "kind": row.kind,
            "seeds": list(row.seeds),
            "test_fingerprint": row.test_fingerprint,
            "metrics": metrics,
        }
    content = {
        "schema_version": BASELINE_SCHEMA,
        "ignore_protocol": sorted(baseline.ignore_protocol),
        "tolerances": {name: asdict(tolerance) for name, tolerance in baseline.tolerances.items()},
        "protocols": protocols,
        "rows": rows,
    }
    try:
        write_text(path, _text(content) + "\n")
    except OSError as error:
        raise UsageError(
            f"expected to write the baseline {path}: {error.strerror or error}; "
            "give a FILE in a folder that can be written"
        ) from error


def _text(value: Any) -> str:
    """JSON with sorted keys and every innermost object on a line of its own: one changed number, one line."""
    if not isinstance(value, dict) or not any(isinstance(inner, dict) for inner in value.values()):
        return json.dumps(value, sort_keys=True, allow_nan=False)
    lines = ",\n".join(f"{json.dumps(name)}: {_text(inner)}" for name, inner in sorted(value.items()))
    return "{\n" + textwrap.indent(lines, " ") + "\n}"


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UsageError: if it is missing, malformed or of an unknown schema; the message names the file.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"expected a baseline in {path}: {error}; write one with `bench baseline OUT {path}`"
        ) from error
    if not isinstance(raw, dict) or "schema_version" not in raw:
        raise UsageError(f"expected a baseline with a schema_version in {path}, found none")
    if raw["schema_version"] != BASELINE_SCHEMA:
        raise UsageError(
            f"expected baseline schema {BASELINE_SCHEMA} in {path}, found {raw['schema_version']!r}: "
            f"write it anew with `bench baseline OUT {path}`"
        )
    try:
        return _from_json(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"baseline {path} is malformed ({type(error).__name__}: {error}): restore it, or write it anew"
        ) from error


def _from_json(raw: dict[str, Any]) -> Baseline:
    rows: dict[str, Row] = {}
    for key, row in raw["rows"].items():
        metrics = {name: _metric(entry, raw["protocols"]) for name, entry in row["metrics"].items()}
        if any(len(entry.values) != len(row["seeds"]) for entry in metrics.values()):
            raise ValueError(f"{key}: expected one value a seed")
        rows[key] = Row(row["kind"], tuple(row["seeds"]), row["test_fingerprint"], metrics)
    tolerances = {name: Tolerance(**entry) for name, entry in raw["tolerances"].items()}
    ignore = raw["ignore_protocol"]
    if not isinstance(ignore, list) or not all(isinstance(name, str) for name in ignore):
        raise ValueError(f"expected ignore_protocol to be a list of field names, found {ignore!r}")
    return Baseline(rows, tolerances, tuple(ignore))


def _metric(entry: dict[str, Any], protocols: dict[str, dict[str, Any]]) -> MetricMean:
    goal, interval, own = entry["goal"], entry.get("interval"), entry.get("tolerance")
    if not entry["values"]:
        raise ValueError("expected finite values, found none")
    if interval is not None and len(interval) != 2:
        raise ValueError(f"expected an interval of two numbers, found {interval!r}")
    return MetricMean(
        values=tuple(_number(value) for value in entry["values"]),
        goal=goal if goal in ("max", "min") else _number(goal),
        n=int(_number(entry["n"])),
        protocol=protocols[entry["protocol"]],
        interval=None if interval is None else (_number(interval[0]), _number(interval[1])),
        tolerance=None if own is None else Tolerance(**own),
    )


def _number(value: Any) -> float:
    if not is_number(value):
        raise ValueError(f"expected a finite number, found {str(value)[:60]!r}")
    return float(value)

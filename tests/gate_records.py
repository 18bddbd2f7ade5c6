"""Records for tests of the gate: rows of seeds with values by image, checked through a real baseline file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.gate.baseline import Baseline, read_baseline, save_baseline
from bench.gate.check import check
from bench.gate.decide import row_verdicts
from bench.gate.outcome import Outcome, Verdict
from bench.gate.rows import rows_of
from bench.gate.tolerances import Settings, Tolerance
from bench.records.record import MetricResult, RunRecord, write_record

ROW = "toycity/labels2photo/64px/100 steps/l1"
PROTOCOL = {"version": 1, "judge": {"name": "fcn-small", "hash": "aaaa"}}
EXACT = {"ssim": Tolerance()}


def result(name: str, value: float | None, goal: Any = "max", n: int = 10, **more: Any) -> MetricResult:
    reason = "no weights" if value is None else None
    return MetricResult(name, value, goal, n, more.pop("protocol", PROTOCOL), reason=reason, **more)


def run(*results: MetricResult, label: str = "l1", seed: int = 0, **more: Any) -> RunRecord:
    data = {"name": "toycity", "direction": "labels2photo", "source": "paired", "test_fingerprint": "f00d"}
    spec = {"data": data, "seed": seed, "training": {"size_px": 64, "steps": 100, "batch_size": 1}}
    by_name = {entry.name: entry for entry in results}
    return RunRecord(f"{label}-s{seed}", "run", label, spec, more.pop("status", "finished"), by_name, **more)


def reference(*results: MetricResult, label: str = "real") -> RunRecord:
    record = run(*results, label=label)
    spec = {"data": record.spec["data"], "training": {"size_px": 64}, "row": label}
    return replace(record, kind="reference", id=label, spec=spec)


def write_baseline(before: list[RunRecord], path: Path, **options: Any) -> None:
    save_baseline(Baseline.from_records(before, **options), path)


def decide_by(path: Path, after: list[RunRecord], **settings: Any) -> Outcome:
    return row_verdicts(*rows_of(after), read_baseline(path), Settings(**settings))


def decide(
    tmp_path: Path, before: list[RunRecord], after: list[RunRecord], **options: Any
) -> tuple[Verdict, ...]:
    path = tmp_path / "baseline.json"
    write_baseline(before, path, **options)
    return decide_by(path, after).verdicts


def only(tmp_path: Path, before: MetricResult, after: MetricResult, **options: Any) -> Verdict:
    (verdict,) = decide(tmp_path, [run(before)], [run(after)], **options)
    return verdict


def edit(path: Path, change: Any) -> None:
    """Apply `change` to the content of a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def write_seeds(
    out: Path, columns: Mapping[int, Mapping[str, Any]], goals: Mapping[str, Any], label: str = "l1"
) -> Path:
    """An output with a run a seed, whose metrics are the means of the given (N,) columns."""
    for seed, by_metric in columns.items():
        results = [
            result(
                name.removesuffix("_pseudo"), float(np.mean(values)), goals[name.removesuffix("_pseudo")],
                len(values),
            )
            for name, values in by_metric.items()
        ]  # fmt: skip
        n = len(next(iter(by_metric.values())))
        table = pd.DataFrame({"name": [f"{i:03}" for i in range(n)], **by_metric})
        write_record(out, run(*results, label=label, seed=seed), table)
    return out


def check_outs(tmp_path: Path, before: Path, after: Path, **settings: Any) -> Outcome:
    """`after` against a baseline of `before`, with values by image."""
    from bench.records.record import read_records

    path = tmp_path / "gate.json"
    tolerances = settings.pop("tolerances", {"*": Tolerance()})
    made = Baseline.from_records(read_records(before), before)
    save_baseline(replace(made, tolerances=tolerances), path)
    return check(after, path, Settings(**settings))[0]


def outcome(verdicts: Iterable[Verdict]) -> Outcome:
    """An invocation with these verdicts."""
    return Outcome(tuple(verdicts), (), 0.02, 0)

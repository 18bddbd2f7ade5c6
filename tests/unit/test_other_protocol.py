"""Published values of an older protocol: `bench reproduce` names them and compares the others."""

from __future__ import annotations

from pathlib import Path

from bench.records.record import MetricResult, RunRecord
from bench.stages.reproduce import compared


def record(lab_version: int) -> RunRecord:
    results = {
        key: MetricResult(key, 0.5, "max", 4, {"version": version})
        for key, version in (("ssim", 1), ("lab_a", lab_version), ("lab_l", lab_version))
    }
    spec = {"data": {"name": "d", "direction": "a2b"}, "seed": 0, "training": {"size_px": 32}}
    return RunRecord("d-l1", "run", "l1", spec, "finished", results)


def test_lab_values_of_the_older_bins_are_named_and_not_compared(tmp_path: Path) -> None:
    found = compared(tmp_path, tmp_path / "again", record(1), record(2), [record(1)])
    assert (found.values, found.not_compared) == (1, ("lab_a", "lab_l"))
    assert "not compared: lab_a, lab_l" in found.words
    assert found.passed

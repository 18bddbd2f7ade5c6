"""Real faults, planted into the gate's own tiny run: the committed baseline catches each one.

Row keys hold data, direction, size, steps and label. A faulty setting that is part of none of them stays in
its row and regresses; one that is (a swept field, the direction) leaves its row missing: exit code 3, named.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_gate import BASELINE, gate_run

from baselines.variants import parse_variant
from bench import plugins
from bench.cli import invoke

Plant = Callable[[pytest.MonkeyPatch], list[str]]


def verdicts(tmp_path: Path, *arguments: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """Exit code of the gate and its verdicts by label and metric, for l1+cgan."""
    out, said = tmp_path / "out", tmp_path / "said.json"
    once = [*gate_run(), "--variants", "l1+cgan", *arguments, "--out", str(out)]
    assert invoke(once) == 0
    code = invoke(["check", str(out), "--baseline", str(BASELINE), "--json", str(said)])
    found = json.loads(said.read_text(encoding="utf-8"))["verdicts"]
    return code, {(one["row"].rsplit("/")[-1], one["metric"]): one for one in found}


def under_its_own_label(patch: pytest.MonkeyPatch, **fields: Any) -> list[str]:
    """l1+cgan with other fields and the same name, as if a default had been edited."""
    faulty = replace(parse_variant("l1+cgan"), **fields)
    patch.setitem(plugins._registered["variants"], "l1+cgan", faulty)
    return []


def dropout_off(patch: pytest.MonkeyPatch) -> list[str]:
    return under_its_own_label(patch, dropout=0.0)


def hardly_any_l1(patch: pytest.MonkeyPatch) -> list[str]:
    return under_its_own_label(patch, lambda_l1=1.0)


def labels_shifted_by_one(patch: pytest.MonkeyPatch) -> list[str]:
    from bench.metrics import segmentation

    right = segmentation.confusion_matrix

    def shifted(truth: Any, predicted: Any, classes: int, **more: Any) -> Any:
        moved = np.where(truth == 255, 255, (truth + 1) % classes).astype(truth.dtype)
        return right(moved, predicted, classes, **more)

    patch.setattr(segmentation, "confusion_matrix", shifted)
    return []


@pytest.mark.parametrize(
    ("plant", "metrics"),
    [
        (dropout_off, {"diversity"}),
        (hardly_any_l1, {"l1", "psnr"}),
        (labels_shifted_by_one, {"fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou"}),
    ],
)
def test_a_fault_within_its_row_is_a_regression(
    plant: Plant, metrics: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, found = verdicts(tmp_path, *plant(monkeypatch))
    assert code == 1
    regressed = {
        metric for (row, metric), one in found.items() if one["state"] == "regressed" and row == "l1+cgan"
    }
    assert metrics <= regressed


@pytest.mark.parametrize(
    ("arguments", "new"),
    [(["--set", "lambda_l1=1"], "l1+cgan[lambda_l1=1]"), (["--direction", "photo2labels"], "l1+cgan")],
)
def test_a_fault_that_changes_the_row_leaves_the_old_one_missing(
    arguments: list[str], new: str, tmp_path: Path
) -> None:
    code, found = verdicts(tmp_path, *arguments)
    assert code == 3
    assert found[new, "(row)"]["state"] == "new"
    undecided = [one for one in found.values() if one["state"] in ("missing", "empty")]
    assert any("l1+cgan" in one["row"] + one["note"] for one in undecided)


def test_running_statistics_at_test_time_are_a_regression(tmp_path: Path) -> None:
    """Visible where running statistics have not settled: after 10 steps, not after 100 or 400 of this run."""
    out, faulty, baseline, said = (tmp_path / name for name in ("out", "faulty", "gate.json", "said.json"))
    lean = ["--metrics", "lab_l,lab_a,lab_b", "--scorer", "none"]
    short = [*gate_run(), "--variants", "l1+cgan", "--steps", "10", "--seeds", "0-2", *lean]
    assert invoke([*short, "--out", str(out)]) == 0
    assert invoke([*short, "--test-norm", "running", "--out", str(faulty)]) == 0
    assert invoke(["baseline", str(out), str(baseline)]) == 0
    assert invoke(["check", str(faulty), "--baseline", str(baseline), "--json", str(said)]) == 1
    found = json.loads(said.read_text(encoding="utf-8"))["verdicts"]
    assert "lab_l" in {one["metric"] for one in found if one["state"] == "regressed"}

"""Real faults, planted into the gate's own tiny run: the committed baseline catches each one.

Row keys hold data, direction, size, steps and label. A faulty setting that is part of none of them stays in
its row and regresses; one that is (a swept field, the direction) leaves its row missing: exit code 3, named.

One seed and the metrics that see the fault are enough: the baseline knows the spread of eight seeds. Every
run is the gate's own but for the fault, and judges trained for one test serve all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_gate import BASELINE, gate_run

from baselines.variants import parse_variant
from bench import plugins
from bench.cli import invoke

Verdicts = dict[tuple[str, str], dict[str, Any]]


def faulty_run(out: Path, metrics: str, *arguments: str, label: str = "l1+cgan") -> None:
    """The gate's run of one variant and seed, scored by these metrics."""
    once = [*gate_run(), "--variants", label, "--seeds", "0", "--metrics", metrics]
    assert invoke([*once, *arguments, "--out", str(out)]) == 0


def verdicts(out: Path, metrics: str, baseline: Path = BASELINE) -> tuple[int, Verdicts]:
    """Exit code of the gate on these metrics, and its verdicts by label and metric."""
    said = out.parent / "said.json"
    code = invoke(["check", str(out), "--baseline", str(baseline), "--metrics", metrics, "--json", str(said)])
    found = json.loads(said.read_text(encoding="utf-8"))["verdicts"]
    return code, {(one["row"].rsplit("/")[-1], one["metric"]): one for one in found}


def regressed(found: Verdicts, label: str) -> set[str]:
    return {name for (row, name), one in found.items() if row == label and one["state"] == "regressed"}


def under_its_own_label(patch: pytest.MonkeyPatch, **fields: Any) -> None:
    """l1+cgan with other fields and the same name, as if a default had been edited."""
    changed = replace(parse_variant("l1+cgan"), **fields)
    patch.setitem(plugins._registered["variants"], "l1+cgan", changed)


def dropout_off(patch: pytest.MonkeyPatch) -> None:
    under_its_own_label(patch, dropout=0.0)


def hardly_any_l1(patch: pytest.MonkeyPatch) -> None:
    under_its_own_label(patch, lambda_l1=1.0)


def labels_shifted_by_one(patch: pytest.MonkeyPatch) -> None:
    from bench.metrics import segmentation

    right = segmentation.confusion_matrix

    def shifted(truth: Any, predicted: Any, classes: int, **more: Any) -> Any:
        moved = np.where(truth == 255, 255, (truth + 1) % classes).astype(truth.dtype)
        return right(moved, predicted, classes, **more)

    patch.setattr(segmentation, "confusion_matrix", shifted)


def trained_the_wrong_way_round(patch: pytest.MonkeyPatch) -> None:
    """The direction swapped where nothing says so: the training pairs alone."""
    from bench.data.datasets import Dataset

    right = Dataset.load

    def swapped(self: Dataset, split: str, **more: Any) -> Any:
        pairs = right(self, split, **more)
        return replace(pairs, source=pairs.target, target=pairs.source) if split == "train" else pairs

    patch.setattr(Dataset, "load", swapped)


@dataclass(frozen=True)
class Fault:
    plant: Callable[[pytest.MonkeyPatch], None]
    label: str
    metrics: str  # those that see it: all must regress


FAULTS = [
    Fault(dropout_off, "l1+cgan", "diversity"),
    Fault(hardly_any_l1, "l1+cgan", "l1,psnr"),
    Fault(labels_shifted_by_one, "l1", "fcn_pixel_acc,fcn_class_acc,fcn_class_iou"),
    Fault(trained_the_wrong_way_round, "l1", "l1,psnr,ssim"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__)
def test_a_fault_within_its_row_is_a_regression(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault.plant(monkeypatch)
    faulty_run(tmp_path / "out", fault.metrics, label=fault.label)
    code, found = verdicts(tmp_path / "out", fault.metrics)
    assert code == 1
    assert regressed(found, fault.label) == set(fault.metrics.split(","))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__)
def test_without_the_fault_the_same_check_finds_no_regression(
    fault: Fault, sound: Callable[[Fault], Path]
) -> None:
    _, found = verdicts(sound(fault), fault.metrics)
    assert regressed(found, fault.label) == set()
    assert found[fault.label, fault.metrics.split(",")[0]]["state"] in ("pass", "improved")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Fault], Path]:
    """The gate's run of one variant without a fault, scored once by all metrics that faults of it need."""
    made: dict[str, Path] = {}

    def run(fault: Fault) -> Path:
        if fault.label not in made:
            made[fault.label] = tmp_path_factory.mktemp("sound") / "out"
            needed = {m for one in FAULTS if one.label == fault.label for m in one.metrics.split(",")}
            faulty_run(made[fault.label], ",".join(sorted(needed)), label=fault.label)
        return made[fault.label]

    return run


@pytest.mark.parametrize(
    ("arguments", "new"),
    [(["--set", "lambda_l1=1"], "l1+cgan[lambda_l1=1]"), (["--direction", "photo2labels"], "l1+cgan")],
    ids=["swept", "swapped"],
)
def test_a_fault_that_changes_the_row_leaves_the_old_one_missing(
    arguments: list[str], new: str, tmp_path: Path
) -> None:
    faulty_run(tmp_path / "out", "l1", *arguments)
    code, found = verdicts(tmp_path / "out", "l1")
    assert code == 3
    assert found[new, "(row)"]["state"] == "new"
    undecided = [one for one in found.values() if one["state"] in ("missing", "empty")]
    assert any("l1+cgan" in one["row"] + one["note"] for one in undecided)


def test_running_statistics_at_test_time_are_a_regression(tmp_path: Path) -> None:
    """Visible where running statistics have not settled: after 10 steps, not after 100 or 400 of this run."""
    sound, faulty, baseline = tmp_path / "sound", tmp_path / "faulty", tmp_path / "gate.json"
    lab, short = "lab_l,lab_a,lab_b", ("--steps", "10", "--seeds", "0-2")
    faulty_run(sound, lab, *short)
    faulty_run(faulty, lab, *short, "--test-norm", "running")
    assert invoke(["baseline", str(sound), str(baseline)]) == 0
    code, found = verdicts(faulty, lab, baseline)
    assert code == 1
    assert "lab_l" in regressed(found, "l1+cgan")

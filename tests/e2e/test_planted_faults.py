"""Real faults, planted into the gate's own tiny run: the committed baseline catches each one.

Row keys hold data, direction, size, steps and label. A faulty setting that is part of none of them stays in
its row and regresses; one that is (a swept field, the direction) leaves its row missing: exit code 3, named.

One seed is enough: the baseline knows the spread of eight. Every run is the gate's own except for the fault.
All metrics are checked, so that the correction (Holm) is for as many tests as `make gate` has in that row.
Judges trained for one test are used by all.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_gate import BASELINE, gate_run

from baselines.variants import parse_variant
from bench.cli.main import invoke
from bench.core import plugins

ALPHA = 0.02  # of the gate, where nothing else is said
Verdicts = dict[tuple[str, str], dict[str, Any]]


def faulty_run(out: Path, *arguments: str, label: str = "l1+cgan") -> None:
    """The gate's run of one variant and seed."""
    once = [*gate_run(), "--variants", label, "--seeds", "0"]
    assert invoke([*once, *arguments, "--out", str(out)]) == 0


def verdicts(out: Path, *arguments: str, baseline: Path = BASELINE) -> tuple[int, Verdicts]:
    """Exit code of the gate, and its verdicts by label and metric."""
    said = out.parent / "said.json"
    code = invoke(["check", str(out), "--baseline", str(baseline), *arguments, "--json", str(said)])
    found = json.loads(said.read_text(encoding="utf-8"))["verdicts"]
    return code, {(one["row"].rsplit("/")[-1], one["metric"]): one for one in found}


def cpu_seconds() -> float:
    """CPU time of this process and those that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.fixture(scope="module")
def spent() -> dict[str, float]:
    """Seconds of CPU by fault."""
    return {}


@pytest.fixture
def timed(request: pytest.FixtureRequest, spent: dict[str, float]) -> Iterator[None]:
    """Adds the test to `spent`."""
    before = cpu_seconds()
    yield
    spent[request.node.name] = cpu_seconds() - before


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
    from bench.scoring.metrics import segmentation

    right = segmentation.confusion_matrix

    def shifted(truth: Any, predicted: Any, classes: int, **more: Any) -> Any:
        moved = np.where(truth == 255, 255, (truth + 1) % classes).astype(truth.dtype)
        return right(moved, predicted, classes, **more)

    patch.setattr(segmentation, "confusion_matrix", shifted)


def trained_the_wrong_way_round(patch: pytest.MonkeyPatch) -> None:
    """The direction swapped where nothing says so: the training pairs alone."""
    from bench.data.dataset import Dataset

    right = Dataset.load

    def swapped(self: Dataset, split: str, **more: Any) -> Any:
        pairs = right(self, split, **more)
        return replace(pairs, source=pairs.target, target=pairs.source) if split == "train" else pairs

    patch.setattr(Dataset, "load", swapped)


@dataclass(frozen=True)
class Fault:
    plant: Callable[[pytest.MonkeyPatch], None]
    label: str
    seen_by: frozenset[str]  # all of these must regress; others may


FAULTS = [
    Fault(dropout_off, "l1+cgan", frozenset({"diversity"})),
    Fault(hardly_any_l1, "l1+cgan", frozenset({"psnr"})),  # mae is at its limit: processors differ
    Fault(labels_shifted_by_one, "l1", frozenset({"fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou"})),
    Fault(trained_the_wrong_way_round, "l1", frozenset({"mae", "psnr", "ssim"})),
]


@pytest.mark.usefixtures("timed")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__)
def test_a_fault_within_its_row_is_a_regression(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault.plant(monkeypatch)
    faulty_run(tmp_path / "out", label=fault.label)
    code, found = verdicts(tmp_path / "out")
    assert code == 1
    assert regressed(found, fault.label) >= fault.seen_by
    # `make gate` judges two such rows: twice as many tests
    assert min(found[fault.label, name]["p_value"] for name in fault.seen_by) < ALPHA / 2


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__)
def test_without_the_fault_the_same_check_finds_no_regression(
    fault: Fault, sound: Callable[[str], Path]
) -> None:
    _, found = verdicts(sound(fault.label))
    assert regressed(found, fault.label) == set()
    assert all(found[fault.label, name]["state"] in ("pass", "improved") for name in fault.seen_by)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The gate's run of one variant without a fault, made once."""
    made: dict[str, Path] = {}

    def run(label: str) -> Path:
        if label not in made:
            made[label] = tmp_path_factory.mktemp("sound") / "out"
            faulty_run(made[label], label=label)
        return made[label]

    return run


@pytest.mark.usefixtures("timed")
@pytest.mark.parametrize(
    ("arguments", "new"),
    [(["--set", "lambda_l1=1"], "l1+cgan[lambda_l1=1]"), (["--direction", "photo2labels"], "l1+cgan")],
    ids=["swept", "swapped"],
)
def test_a_fault_that_changes_the_row_leaves_the_old_one_missing(
    arguments: list[str], new: str, tmp_path: Path
) -> None:
    faulty_run(tmp_path / "out", "--metrics", "mae", *arguments)  # what is missing is so by any metric
    code, found = verdicts(tmp_path / "out", "--metrics", "mae")
    assert code == 3
    assert found[new, "(row)"]["state"] == "new"
    undecided = [one for one in found.values() if one["state"] in ("missing", "empty")]
    assert any("l1+cgan" in one["row"] + one["note"] for one in undecided)


@pytest.mark.usefixtures("timed")
def test_running_statistics_at_test_time_are_a_regression(tmp_path: Path) -> None:
    """Visible where running statistics have not settled: after 10 steps, not after 100 or 400 of this run.

    The committed baseline is of 100 steps: this one is made here, of three seeds.
    """
    sound, faulty, baseline = tmp_path / "sound", tmp_path / "faulty", tmp_path / "gate.json"
    short = ("--steps", "10", "--seeds", "0-2")
    faulty_run(sound, *short)
    faulty_run(faulty, *short, "--test-norm", "running")
    assert invoke(["baseline", str(sound), str(baseline)]) == 0
    code, found = verdicts(faulty, baseline=baseline)
    assert code == 1
    assert regressed(found, "l1+cgan") >= {"diversity", "lab_l", "source_response"}


def test_all_faults_together_take_less_than_two_minutes_of_cpu_time(spent: dict[str, float]) -> None:
    if len(spent) < len(FAULTS) + 3:
        pytest.skip("needs all faults of this file in one process")
    assert sum(spent.values()) < 120, spent

"""What a generator costs: operations by fvcore's count and by hand, parameters by the paper's networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines import convolutions
from baselines.build import build_discriminator, build_generator
from baselines.layers import parameter_count
from baselines.settings import TestSettings, TrainingSettings
from baselines.translate import Checkpoint
from baselines.variants import parse_variant
from bench.analysis.costs import cost_of
from bench.cli.main import invoke
from bench.records.record import RunRecord, read_records
from bench.stages.costs import checkpoint_cost, multiply_adds


def checkpoint(name: str, size: int, filters: int) -> Checkpoint:
    variant, settings = parse_variant(name), TrainingSettings(1, size_px=size, base_filters=filters)
    network = build_generator(variant, settings, 3, 3).train()
    return Checkpoint(network, variant, settings, 3, "uint8", "bicubic", "uint8", "run")


@pytest.mark.parametrize("name", ["l1", "encdec:l1", "resnet6:l1", "l1[upsample=resize]"])
@pytest.mark.filterwarnings("ignore")
def test_operations_are_those_of_fvcore(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours with the deep layers as products, as on a CPU; theirs by convolutions, which it can trace."""
    from fvcore.nn import FlopCountAnalysis

    made = checkpoint(name, 64, 16)
    ours = multiply_adds(made, (64, 64, 3), TestSettings())
    monkeypatch.setattr(convolutions, "PRODUCTS_ON", set())
    analysis = FlopCountAnalysis(made.generator.eval(), torch.zeros(1, 3, 64, 64))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_kind = analysis.by_operator()
    theirs = sum(count for kind, count in by_kind.items() if kind in ("conv", "linear", "matmul", "addmm"))
    assert abs(ours - theirs) <= 0.01 * theirs
    assert abs(ours - analysis.total()) <= 0.01 * analysis.total()  # it counts norms and upsampling too


def test_operations_of_a_layer_by_hand() -> None:
    """The encoder's first layer: 4x4, 3 to 4 channels, 16 x 16 outputs; and so on, mirrored (32 px)."""
    made = checkpoint("l1", 32, 4)
    widths, total, side = [4, 8, 16, 32, 32], 0, 32
    inputs = 3
    for width in widths:
        side //= 2
        total += 16 * inputs * width * side * side
        inputs = width
    for level, width in enumerate([32, 16, 8, 4, 3]):  # a transposed layer multiplies once per input position
        into = 32 if level == 0 else 2 * widths[-level - 1]
        total += 16 * into * width * side * side
        side *= 2
    assert multiply_adds(made, (32, 32, 3), TestSettings()) == total


def test_parameters_of_the_papers_networks() -> None:
    variant, settings = parse_variant("l1+cgan"), TrainingSettings(1)
    with torch.device("meta"):
        generator = build_generator(variant, settings, 3, 3)
        discriminator = build_discriminator(variant, settings, 3, 3)
    assert discriminator is not None
    assert f"{parameter_count(generator) / 1e6:.2f}" == "54.41"
    assert f"{parameter_count(discriminator) / 1e6:.2f}" == "2.77"


def test_the_cost_of_a_generator() -> None:
    made = checkpoint("l1", 32, 4)
    before = {name: value.clone() for name, value in made.generator.state_dict().items()}
    cost = checkpoint_cost(made, np.zeros((32, 32, 3), np.uint8), TestSettings())
    assert cost["parameters"] == parameter_count(made.generator)
    assert cost["gflop"] == 2 * multiply_adds(made, (32, 32, 3), TestSettings()) / 1e9
    assert cost["ms_per_image"] > 0
    assert (cost["peak_memory_mb"], cost["size"], cost["device"]) == (None, "32x32", "cpu")
    after = made.generator.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def _record(seed: int, cost: dict[str, Any] | None, **more: Any) -> RunRecord:
    details = {} if cost is None else {"cost": cost}
    return RunRecord(f"r{seed}", "run", "l1", {"seed": seed}, "finished", details={**details, **more})


def test_a_row_says_what_its_records_share() -> None:
    one = {"parameters": 10, "gflop": 2.0, "ms_per_image": 3.0, "peak_memory_mb": None, "device": "cpu"}
    other = {**one, "ms_per_image": 5.0, "gflop": 4.0}
    found = cost_of([_record(0, one), _record(1, other)])
    assert found is not None
    assert (found.parameters, found.gflop, found.ms_per_image, found.device) == (10, None, 4.0, "cpu")
    apart = cost_of([_record(0, one), _record(1, {**one, "device": "a GPU", "peak_memory_mb": 9.0})])
    assert apart is not None
    assert (apart.ms_per_image, apart.peak_memory_mb, apart.device) == (None, None, "cpu, a GPU")
    assert cost_of([_record(0, None)]) is None  # an older record
    hours = cost_of([replace(_record(0, None), timings={"train": 7200.0})])
    assert hours is not None
    assert (hours.train_hours, hours.parameters, hours.device) == (2.0, None, "")
    elsewhere = cost_of([_record(0, {"ms_per_image": 1.0, "device": "cpu"}, model={"parameters": 7})])
    assert elsewhere is not None
    assert (elsewhere.parameters, elsewhere.gflop, elsewhere.train_hours) == (7, None, None)


def test_records_and_reports_tell_it_also_of_models_trained_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "inverting.py").write_text("def invert(batch):\n    return 255 - batch\n")
    out = tmp_path / "out"
    command = ["run", "--variants", "l1", "--model", f"inverse=python:{tmp_path}/inverting.py:invert"]
    command += [
        "--dataset",
        "toycity",
        "--size",
        "32",
        "--base-filters",
        "4",
        "--steps",
        "2",
        "--judge",
        "none",
    ]
    command += ["--train-limit", "6", "--test-limit", "3", "--metrics", "mae", "--device", "cpu"]
    assert invoke([*command, "--out", str(out)]) == 0
    records = {record.label: record for record in read_records(out)}
    assert records["l1"].details["cost"]["parameters"] > 0
    assert set(records["inverse"].details["cost"]) == {"ms_per_image", "peak_memory_mb", "size", "device"}
    told = (out / "report" / "report.md").read_text()
    assert "### What it costs" in told
    (line,) = [line for line in told.splitlines() if line.startswith("| inverse |") and line.count("–") == 4]
    assert line
    assert "What it costs" in (out / "report" / "index.html").read_text()

"""The table that holds our trainer against the released code: statistics, groups and resizing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from gate_records import result, run
from PIL import Image
from scipy.stats import ttest_ind

from bench.records.record import write_record

_PARITY = Path(__file__).parent.parent / "parity"


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"parity_{name}", _PARITY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


compare = _script("compare")
resize = _script("resize_as_released")


def test_holm_is_the_step_down_correction() -> None:
    # Holm (1979): 0.01 x 4, 0.02 x 3, 0.03 x 2 = 0.06, then never below it.
    assert compare.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert compare.holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_group_of_seeds_is_held_against_the_released_group_of_its_arm(tmp_path: Path) -> None:
    ours, theirs = [0.40, 0.41, 0.42], [0.50, 0.53, 0.51]
    for who, values in (("ours", ours), ("released", theirs)):
        for seed, value in enumerate(values):
            record = run(result("ssim", value), result("mae", 5.0, "min"), label=f"{who} l1+cgan s{seed}")
            write_record(tmp_path, record)
    write_record(tmp_path, run(result("ssim", 0.3), label="ours l1 s0"))  # the released code has no such arm
    tables = compare.compared(compare.seeds_by_group(tmp_path))
    assert list(tables) == [("ours", "l1+cgan")]
    by_metric = tables["ours", "l1+cgan"].set_index("metric")
    line = by_metric.loc["ssim"]
    assert line["p"] == pytest.approx(ttest_ind(ours, theirs, equal_var=False).pvalue)
    assert line["in_seed_sd"] == pytest.approx(
        (np.mean(ours) - np.mean(theirs)) / np.sqrt((np.var(ours, ddof=1) + np.var(theirs, ddof=1)) / 2)
    )
    assert line["p_holm"] == line["p"]  # mae does not vary: no test, and none to correct for
    assert np.isnan(by_metric.loc["mae", "p"])
    text = compare.as_markdown("ours", "l1+cgan", tables["ours", "l1+cgan"])
    assert "| ssim | 0.41 ± 0.01 | 0.5133 ± 0.015 |" in text
    assert "| yes |" in text


def test_both_halves_of_a_pair_are_resized_alone() -> None:
    left, right = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
    pair = Image.new("RGB", (128, 64))
    pair.paste(left, (0, 0))
    pair.paste(right, (64, 0))
    out = np.asarray(resize.resized(pair, 36))
    assert out.shape == (36, 72, 3)
    assert (out[:, :36] == (255, 0, 0)).all()
    assert (out[:, 36:] == (0, 0, 255)).all()

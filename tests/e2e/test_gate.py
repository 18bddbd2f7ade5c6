"""The project's own gate: a tiny seeded run against the committed baseline, as `make gate` does it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.cli.main import invoke
from bench.gate.baseline import read_baseline
from bench.gate.rows import rows_of
from bench.records.record import read_records

ROOT = Path(__file__).resolve().parents[2]
BASELINE = ROOT / "tests" / "e2e" / "baseline.json"


def gate_run() -> list[str]:
    """The arguments of `make gate`'s run: said once, in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.search(r"^GATE_RUN := (.*)$", makefile, re.MULTILINE)
    assert found, "the Makefile has no GATE_RUN"
    return ["run", *shlex.split(found[1]), "--threads", "1"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the gate's two seeds: the baseline knows the spread of eight."""
    folder = tmp_path_factory.mktemp("gate") / "out"
    assert invoke([*gate_run(), "--seeds", "0", "--out", str(folder)]) == 0
    return folder


def test_nothing_got_worse(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = invoke(["check", str(out), "--baseline", str(BASELINE)])
    assert outcome == 0, capfd.readouterr().out


def test_the_baseline_has_every_number_of_the_run(out: Path) -> None:
    """What it lacks, the project's own gate would never check: `make gate-baseline`."""
    weights_of_others = {"fid", "kid", "lpips"}  # measured where a machine has them
    rows, _ = rows_of(read_records(out), out)
    known = read_baseline(BASELINE).rows
    assert rows.keys() == known.keys()
    for key, row in rows.items():
        assert row.metrics.keys() - weights_of_others == known[key].metrics.keys()


def test_a_planted_fault_is_caught(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Training that learns nothing (a learning rate of nearly 0) in the same rows."""
    lean = ["--variants", "l1", "--seeds", "0", "--metrics", "mae,psnr"]
    assert invoke([*gate_run(), *lean, "--set", "lr=1e-7", "--out", str(tmp_path / "out")]) == 0
    assert invoke(["check", str(tmp_path / "out"), "--baseline", str(BASELINE)]) == 1
    assert "regressed" in capfd.readouterr().out


def test_another_budget_is_not_comparable(
    out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "baseline.json"
    assert invoke(["baseline", str(out), str(baseline)]) == 0
    assert invoke(["check", str(out), "--baseline", str(baseline)]) == 0
    text = baseline.read_text(encoding="utf-8")
    assert invoke(["baseline", str(out), str(baseline)]) == 2
    assert baseline.read_text(encoding="utf-8") == text
    baseline.write_text(text.replace("32px", "64px"), encoding="utf-8")
    assert invoke(["check", str(out), "--baseline", str(baseline)]) == 3

"""Rows of `--model` beside trained ones: claims, sanity, gate, comparison, publication and reproduction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli.main import invoke
from bench.records.record import read_records
from bench.report.publish import _last_part

GRID = ["run", "--variants", "l1", "--seeds", "0-1", "--dataset", "toycity", "--size", "32", "--steps", "4"]
GRID += ["--base-filters", "4", "--train-limit", "12", "--test-limit", "6", "--metrics", "ssim,mae,fd_lite0"]
GRID += ["--judge", "none", "--device", "cpu", "--threads", "1"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("study")
    (made / "inverting.py").write_text("def invert(batch):\n    return 255 - batch\n")
    model = f"inverse=python:{made / 'inverting.py'}:invert"
    assert invoke([*GRID, "--model", model, "--out", str(made / "out")]) == 0
    return made / "out"


def test_sanity_asks_no_seeds_and_no_budget_of_a_model(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    invoke(["claims", str(out), "--sanity", "--json", str(tmp_path / "claims.json")])
    checks = {one["name"]: one for one in json.loads((tmp_path / "claims.json").read_text())["sanity"]}
    for name in ("2 seeds or more a variant", "all variants share one budget"):
        assert checks[name]["passed"] is True, checks[name]
        assert "inverse trained elsewhere, and left out" in checks[name]["words"]


def test_a_claim_about_training_takes_no_model(out: Path, tmp_path: Path) -> None:
    """The ledger's claims name variants; a model has none of these names, and counts in none."""
    invoke(["claims", str(out), "--json", str(tmp_path / "claims.json")])
    text = (tmp_path / "claims.json").read_text()
    assert '"inverse"' not in text


def test_a_gate_and_a_comparison_hold_its_values(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "baseline.json"
    assert invoke(["baseline", str(out), str(baseline)]) == 0
    assert "inverse" in baseline.read_text()
    assert invoke(["check", str(out), "--baseline", str(baseline)]) == 0
    capsys.readouterr()
    assert invoke(["compare", str(out), str(out)]) == 0
    said = capsys.readouterr().out
    assert "inverse" in said
    assert "+0.000" in said


def test_it_is_published_as_trained_elsewhere(out: Path, tmp_path: Path) -> None:
    invoke(["publish", str(out), str(tmp_path / "published")])
    told = (tmp_path / "published" / "report.md").read_text()
    assert "inverse was trained elsewhere" in told
    assert str(out.parent) not in told
    names = {record.label for record in read_records(tmp_path / "published")}
    assert {"inverse", "l1"} <= names


def test_scoring_again_keeps_what_it_costs(out: Path) -> None:
    def cost() -> object:
        return next(one.details["cost"] for one in read_records(out) if one.label == "inverse")

    before = cost()
    model = f"inverse=python:{out.parent / 'inverting.py'}:invert"
    assert invoke([*GRID, "--model", model, "--metrics", "ssim,mae,psnr,fd_lite0", "--out", str(out)]) == 0
    assert cost() == before


def test_a_run_is_reproduced_and_never_a_model(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device = ["--judge", "none", "--device", "cpu", "--threads", "1"]
    assert invoke(["reproduce", str(out), *device]) == 0
    model = next(record.id for record in read_records(out) if record.label == "inverse")
    capsys.readouterr()
    assert invoke(["reproduce", str(out), "--run", model, *device]) == 2
    assert "trained elsewhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("/data/cityscapes", "cityscapes"),
        ("mine=~/data/mine", "mine=mine"),
        ("--out=/tmp/x/out", "--out=out"),
        ("net=torchscript:/tmp/x/net.pt,range=-1..1", "net=torchscript:net.pt,range=-1..1"),
        ("f=python:/tmp/x/mine.py:translate", "f=python:mine.py:translate"),
        ("released:/tmp/x/latest_net_G.pth", "released:latest_net_G.pth"),
        ("s3://bucket/folder", "s3://bucket/folder"),
        ("l1,l1+cgan", "l1,l1+cgan"),
        ("out/here", "out/here"),
    ],
)
def test_a_published_command_has_no_absolute_path(word: str, left: str) -> None:
    assert _last_part(word) == left

"""What measures a GPU, on a CPU: the comparison of engines sees differences, and the script goes through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import agreement
import measure
import pytest
import run_checks
import step_checks
import torch
from agreement import Distance, compare_engines
from bed import Bed, Part, Row, Rows

from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from bench.core.errors import RunFailedError

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(steps=3, size_px=32, base_filters=4, engine="captured")


@pytest.mark.parametrize("batch_size", [1, 2])
def test_an_eager_step_is_itself(batch_size: int) -> None:
    settings = TrainingSettings(steps=3, size_px=32, base_filters=4, batch_size=batch_size)
    found = compare_engines("l1+cgan", settings, CPU, states=2)
    assert found.engine == "eager"
    assert found.captured == found.eager == Distance(0.0, 0.0, 0.0)


@pytest.mark.parametrize("fault", ["dropout", "image", "rate"])
def test_a_step_that_differs_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(Trainer):
        """Wrong where it should be captured."""

        def step(self) -> None:
            if self.settings.engine == "captured":
                if fault == "dropout":
                    self._seed_dropout = lambda: None  # type: ignore[method-assign]
                if fault == "rate":
                    self.objective.prepare = lambda step: None  # type: ignore[method-assign]
                    for adam in self.objective.adams.values():
                        adam.param_groups[0]["lr"] = 3e-4
                if fault == "image":
                    fetch = type(self._feed).fetch
                    self._feed.fetch = lambda step: fetch(self._feed, step + 1)  # type: ignore[method-assign]
            super().step()

    monkeypatch.setattr(agreement, "Trainer", Faulty)
    found = compare_engines("l1+cgan", SETTINGS, CPU, states=1)
    assert found.eager == Distance(0.0, 0.0, 0.0)
    assert found.captured.loss > 1e-3  # D's update is felt in the loss of G
    assert found.captured.update > 0.1


def part(name: str, seconds: float, done: list[str], outcome: Row | Exception | None = None) -> Part:
    """Says that it was done, and gives a row that counts those before it."""

    def work(before: Rows) -> Iterator[Row]:
        done.append(name)
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome or Row(name, f"after {len(before)}")

    return Part(name, seconds, work)


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, *parts: Part, again: bool = False
) -> int:
    """The script with one check of these parts, and with so many seconds."""
    monkeypatch.setattr(measure, "CHECKS", {"check": lambda bed: iter(parts)})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    minutes = str((seconds + measure.RESERVE_SECONDS) / 60)
    options = ["--out", str(tmp_path), "--minutes", minutes, *(["--again"] if again else [])]
    monkeypatch.setattr(sys, "argv", ["measure.py", *options, "--only", "check"])
    return measure.main()


def test_a_part_begins_only_if_it_fits_and_the_next_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    parts = part("one", 0, done), part("two", 100, done), part("three", 0, done)
    assert run(tmp_path, monkeypatch, 50, *parts) == 3
    assert done == ["one"]
    assert run(tmp_path, monkeypatch, 150, *parts) == 0
    assert done == ["one", "two", "three"]
    found = json.loads((tmp_path / "gpu.json").read_text())["found"]["check"]
    assert [found[name][0]["found"] for name in done] == ["after 0", "after 1", "after 2"]
    assert run(tmp_path, monkeypatch, 150, *parts, again=True) == 0
    assert len(done) == 6


def test_a_killed_command_loses_the_part_in_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def killed(_: Rows) -> Iterator[Row]:
        raise KeyboardInterrupt
        yield

    hangs = Part("two", 0, killed)
    for _ in range(measure.TRIES):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, monkeypatch, 50, part("one", 0, done), hangs)
    assert done == ["one"]
    assert run(tmp_path, monkeypatch, 50, part("one", 0, done), hangs, part("three", 0, done)) == 1
    assert done == ["one", "three"]
    assert "did not end" in (tmp_path / "gpu.json").read_text()


def test_a_part_that_fails_is_a_row_and_one_that_is_unfinished_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fails, last = part("fails", 0, done, ValueError("why\nlong")), part("last", 0, done)
    unfinished = part("goes on", 0, done, Row("goes on", "later", unfinished=True))
    for _ in range(measure.TRIES + 1):
        assert run(tmp_path, monkeypatch, 50, fails, unfinished, last) == 3
    assert run(tmp_path, monkeypatch, 50, fails, part("goes on", 0, done), last) == 1
    assert done == ["fails", *["goes on"] * 4, "last"]
    found = json.loads((tmp_path / "gpu.json").read_text())["found"]["check"]
    assert found["fails"][0]["found"] == "failed: ValueError: why"


def bed(tmp_path: Path) -> Bed:
    return Bed(False, tmp_path, None, None, 0.0)


def test_of_processes_together_the_best_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where MPS is refused the others count."""

    def measured(bed: Bed, jobs: int) -> dict[str, Any]:
        if "CUDA_MPS_PIPE_DIRECTORY" in os.environ:
            assert Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"]).is_dir()
            assert len(os.environ["CUDA_MPS_PIPE_DIRECTORY"]) < 80
            raise RunFailedError("a measuring process ended with 1: no MPS")
        return {"share_of_floor": {1: 0.3, 2: 0.5, 4: 0.75, 8: 0.6}[jobs]}

    monkeypatch.setattr(step_checks, "_measured", measured)
    monkeypatch.setattr(step_checks, "_share", lambda bed, what, result: Row(what, "", numbers=result))
    monkeypatch.setattr(step_checks.shutil, "which", lambda name: name)
    monkeypatch.setattr(step_checks.subprocess, "run", lambda *_, **__: None)
    rows: list[Row] = []
    for one in step_checks.together(bed(tmp_path)):
        rows += one.work(rows)
    assert [row.ok for row in rows] == [None] * 8 + [True]
    assert {row.found for row in rows[4:8]} == {"MPS refused: a measuring process ended with 1: no MPS"}
    assert rows[-1].found == "75% of the floor: 4 processes"
    assert "CUDA_MPS_PIPE_DIRECTORY" not in os.environ


def test_the_released_code_is_compared_by_medians(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = iter([2.0, 9.0, 3.0]), iter([30.0, 90.0, 20.0])
    monkeypatch.setattr(
        step_checks, "_measured", lambda bed, **_: {"ms_per_step": next(ours), "engine_used": "captured"}
    )
    monkeypatch.setattr(
        step_checks.subprocess,
        "run",
        lambda *_, **__: SimpleNamespace(stdout=json.dumps([next(theirs) / 1e3] * 3)),
    )
    rows: list[Row] = []
    for one in step_checks.against_released(replace(bed(tmp_path), released=tmp_path)):
        rows += one.work(rows)
    assert rows[-1].found == "10.00 times: 3 ms against 30 ms"
    assert rows[-1].ok


@pytest.mark.parametrize("leaving", ["sys.exit(143)", "os.kill(os.getpid(), 15)"])
def test_a_command_that_was_ended_for_want_of_time_is_gone_on_with(leaving: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import os, sys; {leaving}"])
    row = run_checks._ended("suite", done.returncode, "12 min")
    assert row.unfinished
    assert row.ok is None
    assert run_checks._ended("suite", 1, "12 min").ok is False


RELEASED = """
import torch


class Pix2PixModel:
    def __init__(self, options):
        print("a model that says what it is")
        assert torch.backends.cudnn.benchmark is False
        self.netG, self.netD = torch.nn.Conv2d(3, options.output_nc, 1), torch.nn.Conv2d(6, 1, 1)

    def set_input(self, given):
        self.given = given["A"]

    def optimize_parameters(self):
        self.netG(self.given).sum().backward()
"""


def test_the_released_code_is_timed_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pix2pix_model.py").write_text(RELEASED)
    asked = replace(bed(tmp_path), dry=True, released=tmp_path)
    rows: list[Row] = []
    for one in step_checks.against_released(asked):
        rows += one.work(rows)
    assert [row.what for row in rows] == ["ours, round 1", "released, round 1", "against the released code"]
    assert rows[1].numbers["released_ms"] > 0
    assert not torch.backends.cudnn.benchmark


@pytest.mark.slow
@pytest.mark.timeout(1800)  # some 25 processes that import torch
def test_the_script_goes_through_and_goes_on(cache: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("measure.py")

    def run(*options: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run([sys.executable, script, "--dry", "--out", tmp_path, *options], timeout=1200)
        kept = tmp_path / "gpu.json"
        return done.returncode, json.loads(kept.read_text())["found"] if kept.is_file() else {}

    assert run("--minutes", "0.5") == (3, {})  # no time for anything
    code, found = run("--minutes", "20")
    assert code == 0
    rows = {row["what"]: row for check in found.values() for part in check.values() for row in part}
    assert len(found) == 11
    assert not [row for row in rows.values() if row["found"].startswith("failed")]
    assert run() == (0, found)  # nothing is done twice

"""`make reference` names the very runs that are published: their ids come out of its commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.cli import run as run_command
from bench.cli.main import invoke

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "reports" / "reference"


def commands(data: str) -> dict[str, list[str]]:
    """Study -> what `make reference` runs for it, without the program's name."""
    printed = subprocess.run(
        ["make", "--no-print-directory", "-n", "reference", f"DATA={data}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.replace("\\\n", " ")  # fmt: skip
    words = [shlex.split(line) for line in printed.splitlines() if "bench run" in line]
    return {Path(one[one.index("--out") + 1]).name: one[1:] for one in words}


OTHERS = {"facades-128-50-epochs", "parity"}  # `make reference-gpu`, `make parity`


def test_the_command_makes_every_published_study_and_they_are_checked() -> None:
    made = commands("data")
    assert made.keys() == {path.name for path in PUBLISHED.iterdir() if path.is_dir()} - OTHERS
    checked = re.search(r"^STUDIES := (.*?)\n(?!\t)", (ROOT / "Makefile").read_text(), re.M | re.S)
    assert checked is not None
    assert checked[1].replace("\\", " ").split() == list(made)


@pytest.mark.real
def test_the_commands_give_the_published_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlike: dict[str, set[str]] = {}
    for study, words in commands(os.environ["BENCH_REAL_DATA"]).items():
        planned: list[Any] = []
        monkeypatch.setattr(run_command, "show_plans", lambda plans, *_, **__: planned.extend(plans))  # noqa: B023
        words[words.index("--out") + 1] = str(tmp_path / study)
        assert invoke([*words, "--dry-run"]) == 0
        ids = {spec.id for plan in planned for spec in plan.runs}
        published = {path.stem for path in (PUBLISHED / study / "records").glob("*-s[0-9]*.json")}
        if ids != published:
            unlike[study] = ids ^ published
    assert unlike == {}

"""Nearly right input to every reader: it is read, or refused in one line, within 5 s and 1 GB.

The short version runs always, 1000 inputs a reader in `make test-slow`; `make fuzz`: 10,000 (`campaign.py`).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import campaign
import pytest
from targets import TARGETS

SHORT, LONG = 60, 1000
CASES = sorted((Path(__file__).parent / "found").glob("*/*"))  # READER/what-it-is
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_inputs(name: str, tmp_path: Path) -> None:
    campaign.inputs_of(name, SHORT, lambda target, taken: campaign.attack(target, taken, tmp_path), None)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_many_inputs(name: str, tmp_path: Path) -> None:
    command = [sys.executable, campaign.__file__, "--inputs", str(LONG), "--to", str(tmp_path), "--", name]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name} {case.name}")
def test_what_was_found_before(case: Path, tmp_path: Path) -> None:
    target = TARGETS[case.parent.name.replace("_", " ")]()
    campaign.attack(target, case.read_bytes() if target.file else _words(case), tmp_path)


def _words(case: Path) -> Any:
    """An input that is no file: a text, or a list of texts one a line."""
    text = case.read_text(encoding="utf-8")
    return text.splitlines() if case.suffix == ".list" else text

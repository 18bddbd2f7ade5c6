"""Nearly right input to every reader: it is read, or refused in one line, within 5 s and 1 GB.

The short version runs always, 1000 inputs a reader in `make test-slow`, 10,000 in `make fuzz`.
"""

from __future__ import annotations

import os
import resource
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from targets import TARGETS, Target

from bench.errors import BenchError

GIGABYTE, SECONDS = 1 << 30, 5.0
SHORT, LONG = 60, int(os.environ.get("FUZZ_INPUTS", "1000"))
CASES = sorted((Path(__file__).parent / "found").glob("*/*"))  # READER/what-it-is
pytestmark = pytest.mark.filterwarnings("ignore")


@contextmanager
def bounded() -> Iterator[None]:
    """No more than one gigabyte beyond what the process has mapped already."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + GIGABYTE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def attack(target: Target, given_input: Any, folder: Path) -> None:
    """The reader takes it or refuses it in one line; whatever else it raises is a finding."""
    if target.file:
        path = folder / target.file
        path.write_bytes(given_input)
        given_input = path
    began, said = time.process_time(), ""  # of this process: others may keep the machine busy
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(given_input)
    except target.refusals as error:
        # What `baselines` says is made one line by its callers.
        said = str(error) if isinstance(error, BenchError) else ""
    assert said.isprintable()
    assert len(said) < 4000
    assert time.process_time() - began < SECONDS


def fuzz(name: str, count: int, folder: Path, *, derandomize: bool) -> None:
    target = TARGETS[name]()

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=derandomize,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def run(given_input: Any) -> None:
        attack(target, given_input, folder)

    with bounded():
        run()


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_inputs(name: str, tmp_path: Path) -> None:
    fuzz(name, SHORT, tmp_path, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_many_inputs(name: str, tmp_path: Path) -> None:
    fuzz(name, LONG, tmp_path, derandomize=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name} {case.name}")
def test_what_was_found_before(case: Path, tmp_path: Path) -> None:
    target = TARGETS[case.parent.name.replace("_", " ")]()
    with bounded():
        attack(target, case.read_bytes() if target.file else _words(case), tmp_path)


def _words(case: Path) -> Any:
    """An input that is no file: a text, or a list of texts one a line."""
    text = case.read_text(encoding="utf-8")
    return text.splitlines() if case.suffix == ".list" else text

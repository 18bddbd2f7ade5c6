"""Nearly right input to every reader: it is read, or refused in one line, within 5 s and 1 GB.

`make fuzz` gives each reader 10,000 inputs. Where a process crashes or hangs, pytest-xdist names the test and
goes on in another one; the input is the file that is left in the test's folder.
"""

from __future__ import annotations

import faulthandler
import functools
import resource
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from targets import TARGETS, Target

from bench.core.errors import BenchError

GIGABYTE, SECONDS, HANGING_SECONDS = 1 << 30, 5.0, 120.0
CASES = sorted((Path(__file__).parent / "found").glob("*/*"))  # READER/what-it-is
pytestmark = pytest.mark.filterwarnings("ignore")
target_of = functools.cache(lambda name: TARGETS[name]())


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_it_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    attack(target_of(name), data.draw(target_of(name).inputs), tmp_path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name} {case.name}")
def test_what_was_found_before(case: Path, tmp_path: Path) -> None:
    target = target_of(case.parent.name.replace("_", " "))
    attack(target, case.read_bytes() if target.file else _words(case), tmp_path)


def _words(case: Path) -> Any:
    """An input that is no file: a text, or a list of texts one a line."""
    text = case.read_text(encoding="utf-8")
    return text.splitlines() if case.suffix == ".list" else text


def attack(target: Target, given_input: Any, folder: Path) -> None:
    """The reader takes it or refuses it in one line; anything else that it raises is a finding."""
    path = folder / (target.file or "input.txt")
    path.write_bytes(given_input if target.file else repr(given_input).encode())
    began, said = time.process_time(), ""  # of this process: others may keep the machine busy
    try:
        with bounded(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(path if target.file else given_input)
    except target.refusals as error:
        # What `baselines` says is made one line by its callers.
        said = str(error) if isinstance(error, BenchError) else ""
    assert said.isprintable()
    assert len(said) < 4000
    assert time.process_time() - began < SECONDS


@contextmanager
def bounded() -> Iterator[None]:
    """No more than one gigabyte beyond what the process has mapped already; its end where it hangs."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    faulthandler.dump_traceback_later(HANGING_SECONDS, exit=True)  # nothing else ends a loop in C
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + GIGABYTE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        faulthandler.cancel_dump_traceback_later()

"""Nearly right input to a reader, thousands of times: each 500 in a process of their own.

    python tests/fuzz/campaign.py [READER ...] [--inputs 10000] [--to FOLDER]

prints a line per reader; what was found lies in FOLDER with its input. A process that crashes or hangs is a
finding, and the next one goes on. Memory is bounded for each input alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does for the tests' own modules

from hypothesis import HealthCheck, Phase, given, seed, settings
from mutations import HOSTILE
from targets import TARGETS, Target

from bench.core.errors import BenchError

GIGABYTE, SECONDS, CHUNK, ENOUGH = 1 << 30, 5.0, 500, 10


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


@contextmanager
def killed_when_it_hangs() -> Iterator[None]:
    """End the process after twice the time of CPU, or a minute of waiting: nothing else ends a loop in C."""
    signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 120)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def attack(target: Target, given_input: Any, folder: Path) -> None:
    """The reader takes it or refuses it in one line; whatever else it raises is a finding."""
    if target.file:
        path = folder / target.file
        path.write_bytes(given_input)
        given_input = path
    began, said = time.process_time(), ""  # of this process: others may keep the machine busy
    try:
        with bounded(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(given_input)
    except target.refusals as error:
        # What `baselines` says is made one line by its callers.
        said = str(error) if isinstance(error, BenchError) else ""
    assert said.isprintable()
    assert len(said) < 4000
    assert time.process_time() - began < SECONDS


def inputs_of(name: str, count: int, try_one: Callable[[Target, Any], None], start: int | None) -> None:
    """Give `try_one` this many inputs: of this start, or (None) the same ones every time.

    Raises:
        Exception: what `try_one` raises; the input that it had last is the smallest that does.
    """
    target = TARGETS[name]()

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=start is None,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def run(given_input: Any) -> None:
        try_one(target, given_input)

    (run if start is None else seed(start)(run))()


def campaign(name: str, count: int, to: Path) -> tuple[int, list[str]]:
    """Inputs tried, and a line for each finding; its input and what was raised lie in a folder of `to`."""
    context, tried, found = multiprocessing.get_context("fork"), 0, list[str]()
    while tried < count and len(found) < ENOUGH:
        start, done = random.randrange(2**32), context.Value("q", 0)
        with tempfile.TemporaryDirectory() as kept:
            arguments = name, min(CHUNK, count - tried), start, Path(kept), done
            process = context.Process(target=_chunk, args=arguments)
            process.start()
            process.join()
            tried += done.value
            if process.exitcode:
                raised = Path(kept) / "raised.txt"
                code = process.exitcode
                said = (
                    raised.read_text().strip() if raised.is_file() else signal.strsignal(-code) or str(code)
                )
                found.append(" ".join(said.partition("\n")[0].split())[:300])
                shutil.copytree(kept, to / f"{name.replace(' ', '_')}-{start}", dirs_exist_ok=True)
            elif not done.value:
                raise RuntimeError(f"{name}: no input was made")
    return tried, found


def _chunk(name: str, count: int, start: int, folder: Path, done: Any) -> None:
    """In a process of its own: leave with 1 and `raised.txt`, or by a signal, where something is found."""
    sys.stdout.close()

    def try_one(target: Target, given_input: Any) -> None:
        done.value += 1
        if not target.file:
            (folder / "input.txt").write_text(repr(given_input))
        with killed_when_it_hangs():
            attack(target, given_input, folder)

    try:
        inputs_of(name, count, try_one, start)
    except BaseException as error:
        said = f"{type(error).__name__}: {error}".replace("\n", " ") + f"\n\n{traceback.format_exc()}"
        (folder / "raised.txt").write_text(said, errors="backslashreplace")
        raise SystemExit(1) from None


@settings(max_examples=1, database=None)
@given(HOSTILE)
def _warm_up(_: Any) -> None:
    """Hypothesis makes its table of letters, a second of CPU, before the processes are forked."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"default: all ({', '.join(TARGETS)})")
    parser.add_argument("--inputs", type=int, default=10_000, help="for each reader")
    parser.add_argument("--to", type=Path, default=Path("out/fuzz"), help="where findings are kept")
    chosen = parser.parse_args()
    _warm_up()
    failed = False
    for name in chosen.readers or TARGETS:
        began = time.monotonic()
        tried, found = campaign(name, chosen.inputs, chosen.to)
        print(
            f"{name}: {tried:,} inputs, {len(found)} findings, {time.monotonic() - began:.0f} s", flush=True
        )
        for line in sorted(set(found)):
            print(f"  {found.count(line)} x {line}", flush=True)
        failed = failed or bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

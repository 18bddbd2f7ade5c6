"""The `bench` command in processes of its own that start quickly: forked from one that has imported it.

They can be killed, limited and counted as real ones are, since they are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MODULES = ("bench.cli", "bench.launch", "bench.report.render", "bench.report.terminal", "pandas", "torch")


@dataclass
class BenchProcess:
    """A `bench` command under way.

    Attributes:
        stderr: file with what it said.
    """

    process: Any
    stderr: Path

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    def send(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.process.is_alive():
            os.kill(self.pid, number)

    def kill(self) -> int:
        """Kill it as a power cut does; returns its exit code: -9, unless it had ended before."""
        self.send(signal.SIGKILL)
        return self.wait()

    def wait(self, seconds: float = 120) -> int:
        """Its exit code."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"it hangs: {self.stderr.read_text()}"
        return int(self.process.exitcode)


def start(
    arguments: Sequence[str], stderr: Path, cache: Path, prepare: Callable[[], None] | None = None
) -> BenchProcess:
    """Start `bench ARGUMENTS`; `prepare` is called in the new process first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_MODULES))
    process = context.Process(target=_main, args=(list(arguments), stderr, cache, prepare))
    process.start()
    return BenchProcess(process, stderr)


def run(arguments: Sequence[str], stderr: Path, cache: Path) -> int:
    """The exit code of `bench ARGUMENTS`."""
    return start(arguments, stderr, cache).wait()


def _main(arguments: Sequence[str], stderr: Path, cache: Path, prepare: Callable[[], None] | None) -> None:
    with stderr.open("ab") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ["PIX2PIX_BENCH_CACHE"] = str(cache)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    from bench.cli import invoke

    if prepare is not None:
        prepare()
    code = invoke(list(arguments))
    sys.stdout.flush()
    os._exit(code)

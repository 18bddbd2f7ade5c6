"""The `bench` command in processes of its own that start quickly: forked from one that has imported it.

They can be killed, limited and counted as real ones are, since they are.
"""

from __future__ import annotations

import faulthandler
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# All that a run imports on its way, so that what a process spends its time on is the run.
_MODULES = (
    *(
        "bench.cli.main",
        "bench.launch",
        "bench.scoring.one_pass",
        "bench.report.render",
        "bench.report.terminal",
    ),
    *("torch", "torch._dynamo", "seaborn"),
)


@dataclass
class BenchProcess:
    """A `bench` command under way.

    Attributes:
        stderr: file with what it said.
        stack: file for the stack at the moment of a kill.
        cpu: file with the CPU seconds of one that came to its end.
    """

    process: Any
    stderr: Path
    stack: Path
    cpu: Path

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    def send(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.process.is_alive():
            with suppress(ProcessLookupError):  # it ended just now
                os.kill(self.pid, number)

    def after(self, cpu_seconds: float) -> None:
        """Wait until it has used so much CPU time, or has ended: a busy machine changes nothing."""
        while self.process.is_alive() and self._cpu_seconds() < cpu_seconds:
            time.sleep(0.002)

    def _cpu_seconds(self) -> float:
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            return math.inf
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> int:
        """Kill it as a power cut does; returns its exit code: -9, unless it had ended before.

        What it was doing is in `stack`.
        """
        if self.stack.is_file():
            self.send(signal.SIGUSR1)  # `faulthandler` answers
            until = time.monotonic() + 10
            while self.process.is_alive() and not self.stack.stat().st_size and time.monotonic() < until:
                time.sleep(0.001)
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
    stack = stderr.with_suffix(".stack")
    stack.unlink(missing_ok=True)
    process = context.Process(target=_main, args=(list(arguments), stderr, stack, cache, prepare))
    process.start()
    return BenchProcess(process, stderr, stack, stderr.with_suffix(".cpu"))


def run(arguments: Sequence[str], stderr: Path, cache: Path) -> int:
    """The exit code of `bench ARGUMENTS`."""
    return start(arguments, stderr, cache).wait()


def _main(
    arguments: Sequence[str], stderr: Path, stack: Path, cache: Path, prepare: Callable[[], None] | None
) -> None:
    faulthandler.register(signal.SIGUSR1, stack.open("w"))
    with stderr.open("ab") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ["PIX2PIX_BENCH_CACHE"] = str(cache)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    from bench.cli.main import invoke

    if prepare is not None:
        prepare()
    code = invoke(list(arguments))
    stderr.with_suffix(".cpu").write_text(str(time.process_time()))
    sys.stdout.flush()
    os._exit(code)

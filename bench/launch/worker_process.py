"""The driver's end of a worker process: jobs go in as lines of JSON, events come out as lines of JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bench.launch.jobs import Event, Job, event_from_dict, event_to_dict

_GRACE_SECONDS = 60.0  # to save the state of a run
_LAST_WORDS = 2000  # bytes of stderr that may hold the reason


@dataclass(frozen=True)
class Died:
    """A worker process has died, and why."""

    reason: str


class WorkerProcess:
    """A worker process of this machine.

    It has a session of its own: Ctrl-C on the terminal reaches only the driver, which then ends its workers.
    It ends by itself when the driver is gone (its stdin ends).
    """

    def __init__(
        self, number: int, threads: int, tell: Callable[[WorkerProcess, Event | Died], None]
    ) -> None:
        self.number = number
        self._tell = tell
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.launch.run_worker", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))},
            start_new_session=True,
        )
        threading.Thread(target=self._listen, name=f"worker {number}", daemon=True).start()

    def send(self, job: Job) -> None:
        """Have it execute `job`; if it has died, `tell` gets `Died`."""
        with suppress(BrokenPipeError):
            self._write(json.dumps(job.to_dict()).encode() + b"\n")

    def terminate(self) -> None:
        """Ask it to save its state and leave."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait until it has left, at most a minute."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)

    def kill(self) -> None:
        """Make sure that it is gone."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):  # else the worker died while writing it
                self._tell(self, event_from_dict(json.loads(line)))
        self._tell(self, Died(self._reason(self._process.wait())))

    def _reason(self, code: int) -> str:
        if code < 0:
            return f"worker died of {signal_name(-code)}"
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _LAST_WORDS))
        words = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f"worker left with exit code {code}{': ' + words[-1] if words else ''}"


def signal_name(number: int) -> str:
    """ "signal 9 (out of memory?)", "signal 11 (SIGSEGV)"."""
    if number == signal.SIGKILL:
        return "signal 9 (out of memory?)"
    return f"signal {number} ({signal.Signals(number).name})"


def encode(event: Event) -> bytes:
    """An event as the worker writes it."""
    return json.dumps(event_to_dict(event)).encode() + b"\n"

"""A worker process: `python -m bench.launch.run_worker THREADS`, started by the driver only.

Jobs arrive on stdin, events leave on the original stdout; what other code prints to stdout goes to stderr.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from functools import cache, partial
from queue import SimpleQueue
from typing import BinaryIO

from bench.core.interrupt import Terminated, terminate
from bench.launch.jobs import Event, Job
from bench.launch.remote import Relay
from bench.launch.run_job import Runners, execute
from bench.launch.worker_process import encode

_EXIT_TERMINATED = 143


def main(threads: int) -> int:
    """Execute jobs until stdin ends; returns the exit code."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, terminate)
    jobs: SimpleQueue[bytes | None] = SimpleQueue()
    idle = threading.Event()
    threading.Thread(target=_read, args=(sys.stdin.buffer, jobs, idle), daemon=True).start()
    notify = partial(_tell, channel)
    try:
        import torch

        from baselines.engine import make_current

        torch.set_num_threads(threads)
        runners = Runners(Relay(notify))
        while True:
            idle.set()
            line = jobs.get()
            if line is None:
                return 0
            idle.clear()
            job = Job.from_dict(json.loads(line))
            make_current(torch.device(job.launch.device))
            execute(job, partial(runners.of, job), notify)
    except Terminated:
        return _EXIT_TERMINATED


def _read(source: BinaryIO, jobs: SimpleQueue[bytes | None], idle: threading.Event) -> None:
    """Receive jobs. When stdin ends, the driver is done or dead: the current run is then saved."""
    for line in source:
        jobs.put(line)
    if idle.is_set():
        jobs.put(None)
    else:
        _leave()


def _tell(channel: BinaryIO, event: Event) -> None:
    try:
        channel.write(encode(event))
        channel.flush()
    except BrokenPipeError:
        _leave()


@cache
def _leave() -> None:
    """Save the state of the current run and end. Acts once: a second signal would not wait."""
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

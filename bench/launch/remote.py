"""Shared by launchers that execute jobs elsewhere: how a job runs there, and what is fixed before."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bench.core.interrupt import terminate
from bench.launch.jobs import Advanced, Event, Job, Observer, Said
from bench.launch.run_job import Runners, execute
from bench.scoring.judges.choice import NO_JUDGE


class Relay:
    """Sends the driver messages for people (`bench.core.progress.Teller`)."""

    def __init__(self, notify: Observer) -> None:
        self._notify = notify

    def say(self, text: str) -> None:
        self._notify(Said(text))

    def counter(self, title: str) -> Callable[[int, int], None]:
        """Reports the start of the work; its progress would clutter the driver's display."""
        begun = False

        def count(done: int, total: int) -> None:
            nonlocal begun
            if not begun:
                self.say(f"{title} (a worker)")
            begun = True

        return count


def execute_here(job: Job, device: str, threads: int, notify: Observer) -> None:
    """Execute a job that came from elsewhere; SIGTERM saves its state and ends it."""
    import torch

    from baselines.engine import resolve_device
    from bench.core import plugins

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)
    torch.set_num_threads(threads)
    for path in job.launch.plugins:
        plugins.load_once(path)
    runners = Runners(Relay(notify))
    here = job.on(str(resolve_device(device)))
    execute(here, partial(runners.of, here), notify)


def pinned(job: Job, runners: Runners) -> Job:
    """`job` with the judges that this machine would choose: the choice depends on the device."""
    choice = job.launch.choice
    if choice.judge == NO_JUDGE or job.launch.until != "score":
        return job
    names = runners.of(job).bench.judges.names(job.spec.training.size_px)
    if not names:
        return job
    asked = ",".join(name if isinstance(name, str) else name.asked for name in names)
    return replace(job, launch=replace(job.launch, choice=replace(choice, judge=asked)))


def at_most_every(seconds: float, notify: Observer) -> Observer:
    """`notify`, but progress of a stage is passed on at most once in `seconds`."""
    last: dict[str, float] = {}

    def tell(event: Event) -> None:
        if isinstance(event, Advanced):
            now = time.monotonic()
            if event.stage in last and now - last[event.stage] < seconds:
                return
            last[event.stage] = now
        notify(event)

    return tell

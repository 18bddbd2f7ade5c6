"""Progress for the user: bars on a terminal, plain lines in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

Progress = Callable[[int, int], None]  # done so far, of how many
Advance = Callable[[int, str], None]  # done so far, a remark such as "loss_l1 0.12"
_FIRST_LINE_SECONDS, _LINE_EVERY_SECONDS = 5.0, 30.0


class Teller(Protocol):
    """Receives the progress of work that all runs share (decoding, training a judge)."""

    def say(self, text: str) -> None:
        """One line that stays."""
        ...

    def counter(self, title: str) -> Progress:
        """A callback (done, total)."""
        ...


class Reporter:
    """Bars with the time left if `console` is a terminal; else a line at most every 30 seconds.

    Use it as a context manager: the bars exist from enter to exit.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[remark]}", style="dim"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Reporter:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """A bar, or lines, for work of `total` parts."""
        bar = self._bars.add_task(title, total=total, remark="")
        line = _Lines(self, title)

        def advance(now_done: int, remark: str = "") -> None:
            self._bars.update(bar, completed=now_done, remark=remark)
            line.advance(now_done, total, remark)

        try:
            yield advance
        finally:
            self._bars.remove_task(bar)

    def counter(self, title: str) -> Progress:
        """A callback (done, total) that shows a bar from its first call to the last."""
        bar: TaskID | None = None
        line = _Lines(self, title)

        def count(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                bar = self._bars.add_task(title, total=total, remark="")
            self._bars.update(bar, completed=done, total=total)
            line.advance(done, total, "")
            if done >= total:
                self._bars.remove_task(bar)
                bar = None

        return count


class _Lines:
    """Progress as lines, for a console that is not a terminal."""

    def __init__(self, reporter: Reporter, title: str) -> None:
        self._reporter, self._title = reporter, title
        self._done, self._said, self._wait = 0, time.monotonic(), _FIRST_LINE_SECONDS

    def advance(self, done: int, total: int, remark: str) -> None:
        now = time.monotonic()
        if self._reporter.console.is_terminal or now - self._said < self._wait or done <= self._done:
            return
        left = (now - self._said) / (done - self._done) * (total - done)  # at the recent rate
        self._done, self._said, self._wait = done, now, _LINE_EVERY_SECONDS
        self._reporter.say(f"{self._title}: {done}/{total}, {duration(left)} left  {remark}".rstrip())


def duration(seconds: float) -> str:
    """ "45 s", "12 min", "3 h 20 min", "19 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / 1440:,.0f} days"

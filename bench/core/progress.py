"""Progress for the user: bars on a terminal, plain lines in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

Progress = Callable[[int, int], None]  # done so far, of how many
Advance = Callable[[int, str], None]  # done so far, a remark such as "train MAE 12.3"
Left = Callable[[], float | None]  # seconds left, None where that is not known
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
            _TimeLeft(),
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
    def task(self, title: str, total: int, left: Left | None = None) -> Iterator[Advance]:
        """A bar, or lines, for work of `total` parts.

        Args:
            title: what is done.
            total: parts of it.
            left: knows the time left; else it follows from the recent rate.
        """
        bar = self._bars.add_task(title, total=total, remark="", left=left)
        line = _Lines(self, title, left)

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
                bar = self._bars.add_task(title, total=total, remark="", left=None)
            self._bars.update(bar, completed=done, total=total)
            line.advance(done, total, "")
            if done >= total:
                self._bars.remove_task(bar)
                bar = None

        return count


class _TimeLeft(TimeRemainingColumn):
    """The time left, by the task's own reckoning if it has one."""

    def render(self, task: Task) -> Text:
        left: Left | None = task.fields["left"]
        if left is None:
            return super().render(task)
        seconds = left()
        return Text("-:--:--" if seconds is None else duration(seconds), style="progress.remaining")


class _Lines:
    """Progress as lines, for a console that is not a terminal."""

    def __init__(self, reporter: Reporter, title: str, left: Left | None = None) -> None:
        self._reporter, self._title, self._left = reporter, title, left
        self._done, self._said, self._wait = 0, time.monotonic(), _FIRST_LINE_SECONDS

    def advance(self, done: int, total: int, remark: str) -> None:
        now = time.monotonic()
        stuck = done <= self._done and self._left is None
        if self._reporter.console.is_terminal or now - self._said < self._wait or stuck:
            return
        if self._left is not None:
            left = self._left()
        else:
            left = (now - self._said) / (done - self._done) * (total - done)  # at the recent rate
        self._done, self._said, self._wait = done, now, _LINE_EVERY_SECONDS
        words = "" if left is None else f", {duration(left)} left"
        self._reporter.say(f"{self._title}: {done}/{total}{words}  {remark}".rstrip())


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

"""The report of a grid that still runs: written again as records come in, so that it can be watched."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.report.formats import Wanted
from bench.report.render import write_report

_SHARE = 0.05  # of the grid's time, at most, that is spent on rendering
_AT_LEAST_SECONDS = 5.0
_FIRST_AFTER_SECONDS = 15.0  # of a grid that is done sooner nobody needs a page before its end
_PAGE = Wanted(("html",))  # the rest is written when all is done


class LiveReport:
    """Writes OUT/report again after a run, at most so often that a grid loses 5 % of its time to it.

    Args:
        out: the output folder.
        total: runs of the grid.
        say: told, once, why the report could not be written.
        now: seconds, monotonic.
    """

    def __init__(
        self, out: Path, total: int, say: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._out, self._total, self._say, self._now = out, total, say, now
        self._due = now() + _FIRST_AFTER_SECONDS
        self._broken = False

    def run_ended(self, done: int) -> None:
        """`done` of all runs have ended; the last one is left to the final report."""
        started = self._now()
        if self._broken or done >= self._total or started < self._due:
            return
        try:
            write_report([self._out], self._out / "report", _PAGE, running=(done, self._total))
        except Exception as error:  # a page must not cost a run
            self._broken = True
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self._say(f"the report is not refreshed while this runs ({said})")
            return
        ended = self._now()
        self._due = ended + max(_AT_LEAST_SECONDS, (ended - started) * (1 / _SHARE - 1))

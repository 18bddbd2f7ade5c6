"""How a grid of `bench run` ends: its report, what the terminal shows, and whether a row failed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.errors import RunFailedError

if TYPE_CHECKING:
    from bench.core.progress import Reporter
    from bench.launch.jobs import Ended, Event, Observer
    from bench.records.record import RunRecord
    from bench.spec.grid import Plan


def finish_or_say(out: Path, outcomes: list[Ended]) -> None:
    """`finish`, with a disk that is full said in one line."""
    try:
        finish(out, records_of(out, outcomes))
    except OSError as error:
        raise RunFailedError(f"cannot write the report ({error}): free some room, run again") from None


def live_report(out: Path, plans: list[Plan], reporter: Reporter) -> list[Observer]:
    """An observer that refreshes the report while a grid runs."""
    from bench.launch.jobs import Ended
    from bench.report.live import LiveReport

    report = LiveReport(out, sum(len(plan.runs) for plan in plans), reporter.say)
    ended: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Ended):
            ended.append(event.job)
            report.run_ended(len(ended))

    return [observe]


def records_of(out: Path, outcomes: list[Ended]) -> list[RunRecord]:
    """The records of a grid, read from its output."""
    from bench.records.record import read_record, record_path

    paths = [record_path(out, outcome.job) for outcome in outcomes]
    return [read_record(path) for path in paths if path.is_file()]


def check_outcomes(outcomes: list[Ended]) -> None:
    """Raise RunFailedError if a row has failed."""
    failed = [outcome for outcome in outcomes if not outcome.is_done]
    if failed:
        diverged = all(outcome.status == "diverged" for outcome in failed)
        again = "--retry tries them again" if diverged else "the same command tries them again"
        raise RunFailedError(
            f"{len(failed)} of {len(outcomes)} rows failed, the first: {failed[0].job}: {failed[0].note}; "
            + again
        )


def finish(out: Path, records: list[RunRecord]) -> None:
    """Write the report, and show on the terminal what to know, the short table and the findings."""
    from rich.console import Console

    from bench.report.render import write_report
    from bench.report.terminal import terminal_findings, terminal_notes, terminal_table

    console = Console(highlight=False)
    for note in terminal_notes(records, out=out):
        console.print(note, markup=False, soft_wrap=True)
    console.print(terminal_table(records, out=out))
    for finding in terminal_findings(records, out=out):
        console.print(finding, markup=False, soft_wrap=True)
    files = write_report([out], out / "report")
    console.print(f"report: {files.html}", markup=False, soft_wrap=True)

"""A report that is refreshed while a grid runs: how often, and that it never costs a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import live
from bench.report.formats import Wanted
from bench.report.live import LiveReport


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[tuple[int, int]]:
    """What `write_report` was told of progress; each call takes 2 seconds."""
    calls: list[tuple[int, int]] = []

    def write(outs: list[Path], destination: Path, wanted: Wanted, running: tuple[int, int]) -> None:
        assert wanted.formats == ("html",)
        calls.append(running)
        clock.now += 2.0

    monkeypatch.setattr(live, "write_report", write)
    return calls


def test_it_takes_a_twentieth_of_the_time_at_most(clock: Clock, written: list[tuple[int, int]]) -> None:
    report = LiveReport(Path("out"), 1000, pytest.fail, clock)
    started = clock.now
    for done in range(1, 1000):
        report.run_ended(done)
        clock.now += 1.0
    assert written[0] == (16, 1000), "nothing in the first 15 seconds, then at once"
    spent = 2.0 * len(written)
    assert 0.04 * (clock.now - started) < spent < 0.055 * (clock.now - started)


def test_the_last_run_is_left_to_the_final_report(clock: Clock, written: list[tuple[int, int]]) -> None:
    LiveReport(Path("out"), 3, pytest.fail, clock).run_ended(3)
    assert not written


def test_a_report_that_cannot_be_written_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no\nroom")

    monkeypatch.setattr(live, "write_report", broken)
    said: list[str] = []
    report = LiveReport(tmp_path, 9, said.append, clock)
    clock.now += 1000
    for done in (1, 2):
        report.run_ended(done)
        clock.now += 1000
    assert said == ["the report is not refreshed while this runs (OSError: no room)"]

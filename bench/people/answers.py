"""Answers that raters send back: read, checked against the plan of their page, and merged.

A file of another page, of a rater that the page does not have, or with other trials than planned is refused:
somebody mixed something up. A rater who fails the catch trials, or did not finish, is set aside and counted.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench.core.decode import decode
from bench.core.documents import DocumentError, read_json
from bench.core.errors import UsageError
from bench.people.plan import REAL, SPOILT, Plan, Trial

OFF_MS = 50
"""A trial that was visible so much shorter or longer than planned is set aside."""
CATCH = 0.75
"""Share of catch trials that a rater must get right."""
_ANSWERS_COLUMN = "answers"


@dataclass(frozen=True)
class Answered(Trial):
    """A trial with its answer.

    Attributes:
        answer: the side that was chosen: as generated ("fooled"), or as better.
        shown_ms: how long the images were visible; None where they stayed.
        response_ms: from the end of that to the answer.
    """

    answer: Literal["left", "right"]
    response_ms: float
    shown_ms: float | None = None

    @property
    def chosen(self) -> str:
        return self.left if self.answer == "left" else self.right

    def is_off(self, seconds: float | None) -> bool:
        return seconds is not None and (self.shown_ms is None or abs(self.shown_ms - 1000 * seconds) > OFF_MS)


@dataclass(frozen=True)
class Answers:
    """What a rater's page hands back."""

    schema_version: Literal[1]
    page: str
    task: str
    rater: int
    agreed: Literal[True]
    trials: tuple[Answered, ...]
    seconds: float = 0.0


@dataclass(frozen=True)
class Merged:
    """The answers to one page.

    Attributes:
        kept: (rater, trial) of the test trials that count.
        raters: who counts.
        failed: raters set aside for their catch trials.
        unfinished: raters set aside since trials are missing.
        off: test trials set aside for how long they were visible.
    """

    plan: Plan
    kept: tuple[tuple[int, Answered], ...]
    raters: tuple[int, ...]
    failed: tuple[int, ...]
    unfinished: tuple[int, ...]
    off: int


def merge(plans: Mapping[str, Plan], folder: Path, catch: float = CATCH) -> list[Merged]:
    """The answers in `folder` (JSON files of the page, CSV files of a platform), by page.

    Raises:
        UsageError: if there are none, or a file is malformed, of another page, or contradicts another one.
    """
    by_page: dict[str, dict[int, tuple[Answers, str]]] = {}
    for source, answers in _read(folder):
        plan = plans.get(answers.page)
        if plan is None:
            raise UsageError(
                f"expected answers to a page of this output ({', '.join(plans) or 'it has none'}), found one "
                f"of page {answers.page} in {source}: take it away, or name the output of that page"
            )
        _check(answers, plan, source)
        before = by_page.setdefault(answers.page, {}).get(answers.rater)
        if before is not None and before[0] != answers:
            raise UsageError(
                f"expected one file of rater {answers.rater}, found two that differ: {before[1]} and "
                f"{source}: two people used one number; take one away"
            )
        by_page[answers.page][answers.rater] = (answers, source)
    if not by_page:
        raise UsageError(
            f"expected answers (.json or .csv) in {folder}, found none: put the raters' files there"
        )
    _one_page_a_task([plans[page] for page in by_page], folder)
    return [
        _merged(plans[page], [answers for answers, _ in held.values()], catch)
        for page, held in by_page.items()
    ]


def _one_page_a_task(plans: Sequence[Plan], folder: Path) -> None:
    tasks = Counter(plan.task for plan in plans)
    if doubled := next((task for task, count in tasks.items() if count > 1), None):
        pages = " and ".join(plan.page for plan in plans if plan.task == doubled)
        raise UsageError(
            f"expected answers to one page of the task {doubled} in {folder}, found pages {pages}: merge one "
            "of them, as its values would replace the other's"
        )


def _read(folder: Path) -> Iterator[tuple[str, Answers]]:
    if not folder.is_dir():
        raise UsageError(f"expected a folder with the raters' files, found none at {folder}: check the path")
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix == ".json":
            yield path.name, _decoded(path, None)
        elif path.suffix == ".csv":
            for line, text in _of_platform(path):
                yield f"{path.name}, line {line}", _decoded(path, text)


def _of_platform(path: Path) -> Iterator[tuple[int, str]]:
    """The answers in a platform's CSV of results: a column "Answer.answers" or "answers"."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        table = csv.DictReader(handle)
        columns = [name for name in table.fieldnames or () if name.rpartition(".")[2] == _ANSWERS_COLUMN]
        if not columns:
            raise UsageError(
                f"expected a column Answer.answers in {path.name}, found none: give the platform's results"
            )
        for line, row in enumerate(table, 2):
            if row[columns[0]]:
                yield line, row[columns[0]]


def _decoded(path: Path, text: str | None) -> Answers:
    try:
        return decode(read_json(path) if text is None else msgspec.json.decode(text), Answers)
    except (DocumentError, ValueError) as error:
        raise UsageError(
            f"expected the answers of a rater in {path.name} ({error}): ask for the file again"
        ) from None


def _check(answers: Answers, plan: Plan, source: str) -> None:
    if not 1 <= answers.rater <= len(plan.sessions):
        raise UsageError(f"expected a rater of 1 to {len(plan.sessions)}, found {answers.rater} in {source}")
    planned = plan.sessions[answers.rater - 1]
    if len(answers.trials) > len(planned) or any(
        not _same(trial, before) for trial, before in zip(answers.trials, planned, strict=False)
    ):
        raise UsageError(
            f"expected the trials that the page has for rater {answers.rater}, found others in {source}"
        )


def _same(trial: Answered, planned: Trial) -> bool:
    given = asdict(trial)
    return all(given[name] == value for name, value in asdict(planned).items())


def _merged(plan: Plan, held: Sequence[Answers], catch: float) -> Merged:
    kept: list[tuple[int, Answered]] = []
    lots: dict[str, list[int]] = {"raters": [], "failed": [], "unfinished": []}
    off = 0
    for answers in sorted(held, key=lambda one: one.rater):
        caught = [passed(trial) for trial in answers.trials if trial.kind == "catch"]
        if len(answers.trials) < len(plan.sessions[answers.rater - 1]):
            lots["unfinished"].append(answers.rater)
        elif caught and sum(caught) < catch * len(caught):
            lots["failed"].append(answers.rater)
        else:
            lots["raters"].append(answers.rater)
            tested = [trial for trial in answers.trials if trial.kind == "test"]
            kept += [(answers.rater, trial) for trial in tested if not trial.is_off(plan.seconds)]
            off += sum(trial.is_off(plan.seconds) for trial in tested)
    return Merged(plan, tuple(kept), off=off, **{name: tuple(found) for name, found in lots.items()})


def passed(trial: Answered) -> bool:
    """Whether a catch trial was answered rightly: the spoilt image was generated, and is never better."""
    spoilt_chosen = trial.chosen == SPOILT
    return spoilt_chosen if REAL in (trial.left, trial.right) else not spoilt_chosen


def counted(merged: Merged) -> dict[str, Any]:
    """How many raters and trials count, for the record and the terminal."""
    trials = Counter(variant for _, trial in merged.kept for variant in trial.variants)
    return {
        "page": merged.plan.page, "raters": len(merged.raters), "set_aside_catch": len(merged.failed),
        "set_aside_unfinished": len(merged.unfinished), "trials": len(merged.kept),
        "set_aside_timing": merged.off, "trials_by_variant": dict(sorted(trials.items())),
    }  # fmt: skip

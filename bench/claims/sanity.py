"""What must hold before numbers are published, checked on the records of a report's sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.comparable import SET_DISTANCES
from bench.analysis.readings import fitness_statements
from bench.analysis.rows import as_text, budget_of
from bench.analysis.sections import Section
from bench.records.reproduction import Reproduction
from bench.scoring.judges.fitness import KEYS, listed
from bench.spec.models import trained_elsewhere

MIN_SEEDS = 2


@dataclass(frozen=True)
class Check:
    """One thing that must hold.

    Attributes:
        section: title of the section it was checked in.
        name: what must hold.
        passed: None where nothing can fail: nothing to check, or a limit that the tables state themselves.
        words: what was found.
    """

    section: str
    name: str
    passed: bool | None
    words: str


def sanity(sections: Sequence[Section], made_again: Sequence[Reproduction] = ()) -> list[Check]:
    """All checks of all sections, in order; `made_again`: what `bench reproduce` found."""
    rules = (_judge, _finished, _real_row, _intervals, _seeds, _budget, _code)
    return [
        check
        for section in sections
        for check in (*(rule(section) for rule in rules), _reproduced(section, made_again))
    ]


def _judge(section: Section) -> Check:
    """What the judge cannot tell stands above the table in every report, so that no reader misses it."""
    said, limited = _fitness(section)
    passed = True if said and not limited else None
    words = (
        " ".join([*(["the tables say that it does not:"] if limited else []), *said]) or "no FCN score here"
    )
    return Check(section.title, "the judge tells real photos from every variant's", passed, words)


def _fitness(section: Section) -> tuple[list[str], bool]:
    """What the tables say of the judge, and whether it is that it cannot tell real photos from some."""
    scored = any(column.id.startswith("fcn_") for column in section.columns)
    said = fitness_statements(section) if scored else []
    return said, any("cannot" in one or "No FCN" in one for one in said)


def _finished(section: Section) -> Check:
    said = [f"{one.label} seed {one.seed} {one.status}" for one in section.failed]
    words = listed(said) or f"{sum(len(row.entries) for row in section.rows)} runs finished"
    return Check(section.title, "no run failed or diverged", not said, words)


def _real_row(section: Section) -> Check:
    """Distances of real photos below every variant's, FCN scores above.

    A judge of which the tables say that it cannot tell does not fail the row.
    """
    name, (_, limited) = "the real row is sane", _fitness(section)
    real = section.real
    if real is None:
        return Check(section.title, name, False, "there is no real row")
    wrong: list[str] = []
    blind: list[str] = []
    seen = 0
    for column in section.columns:
        sign = {**dict.fromkeys(SET_DISTANCES, -1), **dict.fromkeys(KEYS, 1)}.get(column.info.key)
        ours = real.mean(column)
        if sign is None or ours is None:
            continue
        seen += 1
        for row in section.rows:
            theirs = row.mean(column)
            if theirs is not None and sign * ours <= sign * theirs:
                found = blind if limited and column.info.key in KEYS else wrong
                found.append(f"{column.title}: real {column.text(ours)}, {row.label} {column.text(theirs)}")
    if not seen:
        return Check(section.title, name, None, "it has neither a distance nor an FCN score")
    words = "; ".join(wrong + blind) or f"better than every variant in all {seen} distances and FCN scores"
    return Check(section.title, name, False if wrong else None if blind else True, words)


def _intervals(section: Section) -> Check:
    lacking = [
        f"{column.title} of {row.label}"
        for column in section.columns
        for row in section.rows
        if row.mean(column) is not None and row.cells[column.id].interval is None
    ]
    words = f"none for {listed(lacking[:6])}" if lacking else "every value of a variant has one"
    return Check(section.title, "intervals over test images are there", not lacking, words)


def _seeds(section: Section) -> Check:
    name = f"{MIN_SEEDS} seeds or more a variant"
    rows = [row for row in section.rows if not trained_elsewhere(row.first.spec)]
    if not rows:
        return Check(section.title, name, None, "no variant here")
    few = [f"{row.label} ({len(row.seeds)})" for row in rows if len(row.seeds) < MIN_SEEDS]
    least = min(len(row.seeds) for row in rows)
    words = f"fewer for {listed(few)}" if few else f"{least} or more"
    return Check(section.title, name, not few, words + _left_out(section))


def _left_out(section: Section) -> str:
    """The models that were trained elsewhere, of whose training nothing is known, in words."""
    models = [row.label for row in section.rows if trained_elsewhere(row.first.spec)]
    return f"; {listed(models)} trained elsewhere, and left out" if models else ""


def _budget(section: Section) -> Check:
    every = [entry.record for row in section.rows for entry in row.entries]
    runs = [record for record in every if not trained_elsewhere(record.spec)]
    # the training alone: fewer training images, or another way of testing, may be what a study is about
    trained = {as_text([budget_of(run).get(part) for part in ("training", "choice")]) for run in runs}
    words = f"{len(trained)} different trainings" if len(trained) > 1 else "one training for all"
    words += _left_out(section)
    return Check(section.title, "all variants share one budget", len(trained) <= 1, words)


def _code(section: Section) -> Check:
    """One commit and a clean tree, for training; and for scoring, reference rows included."""
    done = section.finished
    trained = [record.environment for record in done if record.kind == "run"]
    scored = [
        record.details.get("scored_by") or record.environment
        for record in done
        if isinstance(record.details.get("scored_by"), dict) or record.kind != "run"
    ]
    commits = [sorted({str(one.get("commit"))[:12] for one in made}) for made in (trained, scored)]
    dirty = sum(bool(one.get("dirty", True)) for one in (*trained, *scored))
    known = not any("None" in found for found in commits)
    passed = max(map(len, commits)) == 1 and known and not dirty
    words = f"trained at commit {listed(commits[0])}" if known else "no commit is recorded"
    if known and commits[1] and commits[1] != commits[0]:
        words += f", scored at {listed(commits[1])}"
    words += f"; {dirty} records of a tree with changes" if dirty else "; clean"
    return Check(section.title, "one commit, clean tree", passed, words)


def _reproduced(section: Section, made_again: Sequence[Reproduction]) -> Check:
    name = "a run made again gives the same"
    ids = {entry.record.id for entry in section.entries}
    found = [one for one in made_again if one.run in ids]
    if not found:
        return Check(section.title, name, None, "none was made again: `bench reproduce OUT`")
    return Check(section.title, name, all(one.passed for one in found), "; ".join(one.words for one in found))

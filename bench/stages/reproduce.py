"""One finished run repeated from its spec, and whether the result is the same.

On a CPU with the same number of threads everything must be the same: the generator's file, each test image,
each value. On a GPU sums are made in another order, so each value must be within the seeds' spread.

OUT/reproduced/       the repeated run, with all its files; the same command continues it
OUT/reproduced.json   the verdict
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.files import sha256_file, write_text
from bench.core.lock import locked
from bench.core.progress import Reporter
from bench.records.output_folder import RunFiles
from bench.records.record import RunRecord, read_records
from bench.records.reproduction import Reproduction, reproduction_path
from bench.scoring.judges.choice import AUTO, as_asked
from bench.spec.grid import Plan
from bench.spec.models import ELSEWHERE, trained_elsewhere
from bench.spec.run_spec import RunSpec
from bench.spec.scoring_choice import ScoringChoice
from bench.spec.trained import plans_of
from bench.stages.data_in_use import Workbench
from bench.stages.runner import Runner
from bench.stages.start_from import keep_start, read_start

SPREADS = 3.0  # standard deviations over seeds that a value may differ by if sums are made in another order


def chosen(records: Sequence[RunRecord], run_id: str | None) -> RunRecord:
    """The finished run with that id, or the one that took the least time.

    Raises:
        UsageError: if it does not exist, or is the way back of another.
    """
    runs = [one for one in records if one.kind == "run" and one.status == "finished"]
    if run_id is not None:
        runs = [one for one in runs if one.id == run_id]
        if runs and trained_elsewhere(runs[0].spec):
            raise UsageError(
                f"expected a run that was trained here, found {run_id}, {ELSEWHERE}: --model scores it again"
            )
        if runs and runs[0].spec.get("back"):
            raise UsageError(
                f"expected a run that was trained by itself, found {run_id}, the second generator of "
                f"{runs[0].details.get('back_of')}: reproduce that one"
            )
    runs = [one for one in runs if not (one.spec.get("back") or trained_elsewhere(one.spec))]
    if not runs:
        which = "a finished run" if run_id is None else f"a finished run '{run_id}'"
        raise UsageError(f"expected {which} in the output, found none: see its records/")
    return min(runs, key=lambda one: (one.timings.get("train", 0.0), one.id))


def judge_of(before: RunRecord, asked: str) -> str:
    """The judge to score with: the one that was asked for, else the one that scored the run."""
    scoring = before.details.get("scoring")
    if asked != AUTO or not isinstance(scoring, dict) or "judge" not in scoring:
        return asked
    return as_asked(scoring["judge"]) or asked


def reproduce(
    out: Path,
    before: RunRecord,
    data_roots: Sequence[str],
    device: str,
    choice: ScoringChoice,
    command: str,
    cache: Path,
    reporter: Reporter,
) -> Reproduction:
    """Train, generate and score the run of `before` again, and compare.

    Raises:
        UsageError: if the run's spec or its data is missing.
    """
    plan, spec = _planned(out, before, data_roots)
    again = out / "reproduced"
    with locked(RunFiles(again, spec.id).lock):
        bench = Workbench(plan.dataset, plan.data, cache, device, choice, reporter)
        if spec.training.init_from:
            keep_start(again, read_start(out, spec.training.init_from))
        runner = Runner(again, bench, command)
        for stage, total in (("train", spec.training.steps), ("generate", plan.data.test_n)):
            with reporter.task(f"{spec.label} seed {spec.seed} again  {stage}", total) as advance:
                getattr(runner, stage)(spec, advance)
        with reporter.task(f"{spec.label} seed {spec.seed} again  score", plan.data.test_n) as advance:
            after = runner.score(spec, advance)
    found = compared(out, again, before, after, read_records(out))
    write_text(
        reproduction_path(out), json.dumps({"reproduction": asdict(found)}, indent=1, allow_nan=False) + "\n"
    )
    return found


def _planned(out: Path, before: RunRecord, data_roots: Sequence[str]) -> tuple[Plan, RunSpec]:
    for plan in plans_of(out, data_roots):
        for spec in plan.runs:
            if spec.id == before.id:
                return plan, spec
    raise UsageError(
        f"expected the spec of {before.id} in {RunFiles(out, before.id).spec}, found none: run it again"
    )


def compared(
    out: Path, again: Path, before: RunRecord, after: RunRecord, records: Sequence[RunRecord]
) -> Reproduction:
    """Two records of one spec, with their files; `records` of the output give the spread of seeds."""
    files = [RunFiles(folder, before.id).checkpoint for folder in (out, again)]
    sums = [sha256_file(path) if path.is_file() else None for path in files]
    comparable: list[str] = []
    other: list[str] = []
    for key, one in before.results.items():
        two = after.results.get(key)
        if one.value is not None:
            (comparable if two is not None and one.protocol == two.protocol else other).append(key)
    pairs = {key: (before.results[key].value, after.results[key].value) for key in comparable}
    differing = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    environment = before.environment
    return Reproduction(
        before.id,
        before.label,
        before.seed,
        str(after.environment.get("device")),
        after.environment.get("threads"),
        (environment.get("commit"), after.environment.get("commit")),
        sums[0] if sums[0] == sums[1] else None,
        before.details.get("predictions") == after.details.get("predictions"),
        len(pairs),
        differing,
        tuple(key for key in differing if not _within_spread(key, differing[key], before, records)),
        tuple(other),
        None not in sums and sums[0] != sums[1],
    )


def _within_spread(
    key: str, pair: tuple[float | None, float | None], before: RunRecord, records: Sequence[RunRecord]
) -> bool:
    """Whether the second value is as near to the first as the values of other seeds."""
    seeds = [
        value
        for one in records
        if one.kind == "run" and one.label == before.label and one.spec["training"] == before.spec["training"]
        if key in one.results and (value := one.results[key].value) is not None
    ]
    if pair[0] is None or pair[1] is None or len(seeds) < 2:
        return False
    return abs(pair[1] - pair[0]) <= SPREADS * statistics.stdev(seeds)

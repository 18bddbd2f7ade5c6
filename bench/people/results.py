"""What raters' answers say of each variant, as metrics in the records of the runs that they saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.core.errors import UsageError
from bench.people.answers import CATCH, OFF_MS, Answered, Merged, counted
from bench.people.plan import REAL, Plan
from bench.people.rates import Rate, rate
from bench.records.record import (
    MetricResult,
    RunRecord,
    read_per_image,
    read_record,
    record_path,
    write_record,
)

FOOLED, PREFERRED = "people_fooled", "people_preferred"
VERSION = 1


def rates(merged: Merged) -> dict[str, dict[str, Rate]]:
    """Variant -> metric key -> share.

    "fooled": `people_fooled`, the share of trials in which the real image was taken for the generated one.
    "better": `people_preferred`, the share of its trials in which the variant was chosen, and
    `people_preferred@OTHER`, the same against one other variant.
    """
    found: dict[str, dict[str, Rate]] = {}
    for variant in merged.plan.variants:
        seen = [(rater, trial) for rater, trial in merged.kept if variant in trial.variants]
        if merged.plan.task == "fooled":
            lots = {FOOLED: seen}
        else:
            lots = {PREFERRED: seen} | {
                f"{PREFERRED}@{other}": [(rater, trial) for rater, trial in seen if other in trial.variants]
                for other in merged.plan.variants
                if other != variant
            }
        wanted = REAL if merged.plan.task == "fooled" else variant
        found[variant] = {key: _rate(lot, wanted) for key, lot in lots.items() if lot}
    return found


def _rate(lot: Sequence[tuple[int, Answered]], wanted: str) -> Rate:
    outcomes = [trial.chosen == wanted for _, trial in lot]
    return rate(outcomes, [rater for rater, _ in lot], [trial.image for _, trial in lot])


def write_results(out: Path, merged: Merged, catch: float = CATCH) -> list[tuple[str, MetricResult]]:
    """Add the shares to the records of the runs that were shown.

    Returns:
        (variant, result) of each value.

    Raises:
        UsageError: if such a record is gone, or its images are others by now; nothing is written then.
    """
    found = rates(merged)
    records = {variant: _shown(out, merged.plan, variant) for variant in merged.plan.variants}
    written = []
    for variant, record in records.items():
        results = {
            key: MetricResult(
                key, one.share, "max", one.images, protocol(merged.plan, catch), interval=one.interval
            )
            for key, one in found[variant].items()
        }
        shown = {key: {"trials": one.trials, "raters": one.raters} for key, one in found[variant].items()}
        about = {**record.details.get("people", {}), merged.plan.task: {**counted(merged), "shares": shown}}
        added = replace(
            record, results={**record.results, **results}, details={**record.details, "people": about}
        )
        write_record(out, added, read_per_image(out, record))
        written += [(variant, result) for result in results.values()]
    return written


def replaced(out: Path, merged: Merged) -> str | None:
    """The page whose shares `write_results` would replace; None if there is none, or it is the same."""
    for variant in merged.plan.variants:
        before = (
            _shown(out, merged.plan, variant).details.get("people", {}).get(merged.plan.task, {}).get("page")
        )
        if before not in (None, merged.plan.page):
            return str(before)
    return None


def _shown(out: Path, plan: Plan, variant: str) -> RunRecord:
    path = record_path(out, plan.runs[variant])
    if not path.is_file():
        raise UsageError(f"expected the record of {variant} that the page shows, found none at {path}")
    return read_record(path)


def protocol(plan: Plan, catch: float) -> dict[str, Any]:
    """How the shares were measured; of pages that agree in it they may be compared."""
    return {
        "version": VERSION,
        "question": "which was generated" if plan.task == "fooled" else "which is better",
        "layout": "side by side",
        "seconds": plan.seconds,
        "practice": plan.counts("practice"),
        "trials": plan.counts("test"),
        "catch_trials": plan.counts("catch"),
        "catch_share": catch,
        "off_ms": OFF_MS if plan.seconds is not None else None,
        "interval": "two-way clustered over raters and images, logit scale",
        **({} if plan.task == "fooled" else {"variants": list(plan.variants)}),
    }

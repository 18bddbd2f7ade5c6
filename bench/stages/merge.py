"""When one scoring also answers another request, and how the values of two scorings are merged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from bench.records.record import RunRecord
from bench.scoring.metrics.sample_curve import joined


def covers(done: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    """Whether one scoring also answers another request: same judge and weights, no metric missing."""
    if done is None or any(done.get(key) != value for key, value in wanted.items() if key != "metrics"):
        return False
    return not done["metrics"] or (bool(wanted["metrics"]) and set(wanted["metrics"]) <= set(done["metrics"]))


def merged(
    before: RunRecord, table_before: pd.DataFrame | None, now: RunRecord, table: pd.DataFrame
) -> tuple[RunRecord, pd.DataFrame]:
    """A record scored again: new values replace old ones; an old value without a new one stays.

    The images are the same, so old measurements still hold, each under its own protocol.
    """
    measured = {key: result for key, result in now.results.items() if result.value is not None}
    results = {**now.results, **before.results, **measured}
    asked = [set(record.details["scoring"]["metrics"]) for record in (before, now)]
    scoring = {**now.details["scoring"], "metrics": sorted(asked[0] | asked[1]) if all(asked) else []}
    details = {**joined(before.details, now.details), "scoring": scoring}
    if table_before is not None and list(table_before["name"]) == list(table["name"]):
        kept = [column for column in table_before if column not in table]
        for column in kept:
            table[column] = table_before[column]
    return replace(now, results=results, details=details), table

"""The numbers of a report as data frames: one row a result, one row a difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from bench.analysis.comparable import protocol_hash
from bench.analysis.differences import Difference
from bench.analysis.entry import Entry
from bench.analysis.rank_agreement import RankAgreement
from bench.records.record import MetricResult, RunRecord


def results_frame(entries: Iterable[Entry]) -> pd.DataFrame:
    """One row a (record, metric), and one row with an empty metric for a record without any result."""
    lines = []
    for record in (entry.record for entry in entries):
        training = record.spec.get("training", {})
        head = {
            "id": record.id,
            "dataset": record.dataset,
            "direction": record.direction,
            "size_px": training.get("size_px"),
            "steps": training.get("steps"),
            "label": record.label,
            "kind": record.kind,
            "seed": record.seed,
        }
        results: list[MetricResult | None] = [*record.results.values()] or [None]
        lines += [{**head, **_result_fields(record, result)} for result in results]
    frame = pd.DataFrame(lines)
    whole = {name: "Int64" for name in ("size_px", "steps", "seed", "n")}
    if any(isinstance(line["size_px"], str) for line in lines):
        whole["size_px"] = "string"  # "512x256", "native", and then "256" too
    return frame.astype({**whole, "value": "float64", "low": "float64", "high": "float64"})


def _result_fields(record: RunRecord, result: MetricResult | None) -> dict[str, Any]:
    low, high = result.interval if result and result.interval else (None, None)
    return {
        "metric": result.name if result else None,
        "value": result.value if result else None,
        "low": low,
        "high": high,
        "n": result.n if result else None,
        "reason": result.reason if result else record.error,
        "goal": result.goal if result else None,
        "status": record.status,
        "protocol": protocol_hash(result.protocol) if result else None,
        "protocol_json": json.dumps(result.protocol, sort_keys=True, default=str) if result else None,
    }


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """`results_frame` with one type a column: `goal` as text, what repeats as categories."""
    goals = frame["goal"].map(lambda goal: None if goal is None else str(goal))
    repeated = ("dataset", "direction", "label", "kind", "metric", "status", "protocol")
    texts = ("id", "reason", "protocol_json")
    types = {**dict.fromkeys(repeated, "category"), **dict.fromkeys(texts, "string")}
    return frame.assign(goal=goals.astype("string")).astype(types)


def differences_frame(found: Sequence[tuple[str, Difference]]) -> pd.DataFrame:
    """One row a metric and pair of variants, each with its section's title."""
    columns: dict[str, Callable[[str, Difference], Any]] = {
        "section": lambda title, one: title,
        "metric": lambda title, one: one.metric,
        "first": lambda title, one: one.rows[0].label,
        "second": lambda title, one: one.rows[1].label,
        "difference": lambda title, one: one.difference,
        "low": lambda title, one: one.interval and one.interval[0],
        "high": lambda title, one: one.interval and one.interval[1],
        "seeds_low": lambda title, one: one.over_seeds and one.over_seeds[0],
        "seeds_high": lambda title, one: one.over_seeds and one.over_seeds[1],
        "basis": lambda title, one: one.basis,
        "p": lambda title, one: one.p_value,
        "p_holm": lambda title, one: one.corrected,
        "distinguishable": lambda title, one: one.distinguishable,
    }
    lines = [{name: of(*one) for name, of in columns.items()} for one in found]
    return pd.DataFrame(lines, columns=list(columns))


def agreement_frame(found: Iterable[tuple[str, RankAgreement]]) -> pd.DataFrame:
    """One row a (section, score, two judges): how alike they rank the variants (Kendall's tau)."""
    return pd.DataFrame(
        [
            {
                "section": title,
                "metric": one.key,
                "judge": one.judges[0],
                "other_judge": one.judges[1],
                "variants": one.variants,
                "seeds": one.seeds,
                "n": one.n,
                "tau": one.tau,
                "low": None if one.interval is None else one.interval[0],
                "high": None if one.interval is None else one.interval[1],
            }
            for title, one in found
        ]
    )

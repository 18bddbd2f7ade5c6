"""Names of the first schema, as they are read today: files that were published are never rewritten.

Records of schema 1 and baselines of schema 2 call the judge "scorer" and images "pictures". Two metrics had
names that misled: `l1` is a variant too, and `fd_scorer` did not say which network is behind it. Values stay
as they are, and so does the wording inside protocols ("mean over pictures"): it is data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

METRICS = {"l1": "mae", "fd_scorer": "fd_lite0"}
_FIELDS = {"scorer": "judge", "pictures": "images"}
_PSEUDO = "_pseudo"


def metric(name: str) -> str:
    """Today's key of a metric."""
    return METRICS.get(name, name)


def column(name: str) -> str:
    """Today's name of a column of values by image."""
    stem = name.removesuffix(_PSEUDO)
    return f"{metric(stem)}{name[len(stem) :]}"


def protocol_field(name: str) -> str:
    """Today's name of a protocol field, or of a pattern for some: "scorer_hash" -> "judge_hash"."""
    head, line, rest = name.partition("_")
    return f"{_FIELDS.get(head, head)}{line}{rest}"


def protocol(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A protocol with today's names; its values as they are."""
    return {protocol_field(name): value for name, value in fields.items()}


def record(raw: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a record of schema 1 with today's names; the reader refuses what is damaged."""
    results = raw.get("results")
    if isinstance(results, dict):
        raw = {**raw, "results": {metric(name): _result(entry) for name, entry in results.items()}}
    details = raw.get("details")
    if isinstance(details, dict):
        raw = {**raw, "details": _details(details)}
    return raw


def _result(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    made = dict(entry)
    if isinstance(entry.get("name"), str):
        made["name"] = metric(entry["name"])
    if isinstance(entry.get("protocol"), dict):
        made["protocol"] = protocol(entry["protocol"])
    return made


def _details(details: dict[str, Any]) -> dict[str, Any]:
    made = {_FIELDS.get(name, metric(name)): value for name, value in details.items()}
    if isinstance(made.get("sample_curve"), dict):
        made["sample_curve"] = {metric(name): curve for name, curve in made["sample_curve"].items()}
    scoring = made.get("scoring")
    if isinstance(scoring, dict):
        made["scoring"] = protocol(scoring)
        if isinstance(scoring.get("metrics"), list):
            made["scoring"]["metrics"] = [metric(m) if isinstance(m, str) else m for m in scoring["metrics"]]
    return made

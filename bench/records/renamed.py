"""Translates names of the first schema on reading: published files are never rewritten.

Records of schema 1 and baselines of schema 2 call the judge "scorer" and images "pictures". Two metrics had
misleading names: `l1` is also a variant, and `fd_scorer` does not name its network. Values do not change, nor
does the wording inside protocols ("mean over pictures"): it is data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

METRICS = {"l1": "mae", "fd_scorer": "fd_lite0"}
_FIELDS = {"scorer": "judge", "pictures": "images"}
_PSEUDO = "_pseudo"


def metric(name: str) -> str:
    """Today's key of a metric."""
    return METRICS.get(name, name)


def columns(known: Collection[str]) -> dict[str, str]:
    """Columns of values by image -> today's names, of records or rows with these metrics.

    A metric that is known by its older name is a plug-in's, and keeps it.
    """
    older = {old: new for old, new in METRICS.items() if new in known and old not in known}
    return {f"{old}{end}": f"{new}{end}" for old, new in older.items() for end in ("", _PSEUDO)}


def protocol_field(name: str) -> str:
    """Today's name of a protocol field, or of a pattern for some: "scorer_hash" -> "judge_hash"."""
    head, line, rest = name.partition("_")
    return f"{_FIELDS.get(head, head)}{line}{rest}"


def protocol(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A protocol with today's names; its values as they are."""
    return {protocol_field(name): value for name, value in fields.items()}


def details(found: Mapping[str, Any]) -> dict[str, Any]:
    """Details of a record of schema 1 with today's names."""
    made = {_FIELDS.get(name, metric(name)): value for name, value in found.items()}
    if curves := made.get("sample_curve"):
        made["sample_curve"] = {metric(name): curve for name, curve in curves.items()}
    if scoring := made.get("scoring"):
        made["scoring"] = {**protocol(scoring), "metrics": list(map(metric, scoring["metrics"]))}
    return made

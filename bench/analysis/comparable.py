"""What may be compared: values of one protocol, rows of one test set. Each rule stands here once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from bench.records.record import Goal, RunRecord

SET_DISTANCES = ("fid", "kid", "fd_lite0")  # depend on N: values of different N do not compare
_NONE = "–"


def must_agree(key: str, goal: Goal, n: int, protocol: Mapping[str, Any]) -> dict[str, Any]:
    """What must agree before two values of a metric share a column: N too, where values depend on it."""
    return {"goal": goal, **_scored(key, n, protocol)}


def column_key(key: str, goal: Goal, n: int, protocol: Mapping[str, Any]) -> tuple[Goal, str]:
    """The goal, and the hash of the rest that must agree: equal for the values of one column."""
    return goal, protocol_hash(_scored(key, n, protocol))


def _scored(key: str, n: int, protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {"n": n, **protocol} if key in SET_DISTANCES else dict(protocol)


def protocol_hash(protocol: Mapping[str, Any]) -> str:
    """8 hexadecimal digits over a protocol."""
    text = json.dumps(protocol, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def test_set(record: RunRecord) -> dict[str, Any]:
    """What must agree before two rows may be compared at all."""
    data = record.spec["data"]
    fields = ("name", "direction", "source", "test_n", "test_fingerprint")
    size = record.spec.get("training", {}).get("size_px")
    return {**{f"data.{name}": data.get(name) for name in fields}, "size_px": size}


def differing_fields(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The fields, dotted where nested, in which `settings` differ, with each one's value ("–": has none)."""
    flat = [flatten(one) for one in settings]
    names = dict.fromkeys(name for one in flat for name in one)
    values = {name: [one.get(name, _NONE) for one in flat] for name in names}
    return {name: listed for name, listed in values.items() if any(v != listed[0] for v in listed[1:])}


def is_ignored(field: str, patterns: Sequence[str]) -> bool:
    """Whether a field that differs is named by one of the patterns, itself or a table it stands in."""
    return any(fnmatchcase(field, pattern) or field.startswith(f"{pattern}.") for pattern in patterns)


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; lists become text."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return flat

"""What may be compared: values of one protocol, rows of one test set. Each rule stands here once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from bench.records.record import Goal, RunRecord

SET_DISTANCES = ("fid", "kid", "fd_lite0")
_BY_NEIGHBOURS = ("precision", "recall", "density", "coverage")
_NONE = "–"


def must_agree(key: str, goal: Goal, n: int, protocol: Mapping[str, Any]) -> dict[str, Any]:
    """What must agree before two values of a metric share a column: N too, where values depend on it."""
    return {"goal": goal, **_scored(key, n, protocol)}


def column_key(key: str, goal: Goal, n: int, protocol: Mapping[str, Any]) -> tuple[Goal, str]:
    """The goal, and the hash of the rest that must agree: equal for the values of one column."""
    return goal, protocol_hash(_scored(key, n, protocol))


def depends_on_n(key: str) -> bool:
    """Whether a metric compares sets, so that values of different N do not compare."""
    return key in (*SET_DISTANCES, *_BY_NEIGHBOURS) or key.startswith("fd@")


def _scored(key: str, n: int, protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {"n": n, **protocol} if depends_on_n(key) else dict(protocol)


def protocol_hash(protocol: Mapping[str, Any]) -> str:
    """8 hexadecimal digits over a protocol."""
    text = json.dumps(protocol, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def test_sets(records: Iterable[RunRecord]) -> Callable[[RunRecord], dict[str, Any]]:
    """A function that says what must agree before two of `records` may be compared at all.

    Test images are known by the fingerprint of their files and, in newer records, by that of their pixels
    (`bench.data.pixels`), which is the same in every layout and archive. Where both sides have the second, it
    decides. A record without it counts with those of the same files, if these agree on the pixels.
    """
    pixels: dict[tuple[Any, ...], set[str]] = {}
    for record in records:
        if known := pixels_of(record):
            pixels.setdefault(_files(record), set()).add(known)

    def of(record: RunRecord) -> dict[str, Any]:
        told = _files(record)
        alike = pixels.get(told, set())
        images = pixels_of(record) or (next(iter(alike)) if len(alike) == 1 else told[-2])
        return {**dict(zip(_TEST_SET, told, strict=True)), "data.test_fingerprint": images}

    return of


def pixels_of(record: RunRecord) -> str:
    """The fingerprint of a record's test images by pixels; "" in records that have none."""
    return str((record.details.get("data") or {}).get("test_pixels") or "")


_DATA = ("name", "direction", "source", "test_n", "test_fingerprint")
_TEST_SET = (*(f"data.{name}" for name in _DATA), "size_px")


def _files(record: RunRecord) -> tuple[Any, ...]:
    """The values of `_TEST_SET`, with the fingerprint of the files."""
    data = record.spec["data"]
    return (*(data.get(name) for name in _DATA), record.spec.get("training", {}).get("size_px"))


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

"""The shape of a record's JSON: what reports and gates may rely on, checked before any of it is used."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any


def check_record(raw: dict[str, Any]) -> None:
    """Check the parsed JSON of a record.

    Raises:
        ValueError: with the place and what was found, where it is not as a record must be.
    """
    _check(raw, _RECORD, "")
    for name, curve in (raw.get("details", {}).get("lab_histograms") or {}).items():
        sides = len(curve["edges"]) - 1
        if not sides == len(curve["prediction"]) == len(curve["target"]):
            raise ValueError(f"details.lab_histograms.{name}.edges: expected one more than there are bins")
    for name, curve in (raw.get("details", {}).get("sample_curve") or {}).items():
        if len({len(curve[column]) for column in _SAMPLES}) != 1:
            raise ValueError(f"details.sample_curve.{name}: expected columns of one length")


def is_number(value: object) -> bool:
    """Whether `value` is a number that a float can hold: no bool, NaN or infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


@dataclass(frozen=True)
class _Leaf:
    """What a single value must be: in words, and as a test."""

    words: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class _OrNull:
    """A shape, or null."""

    shape: Any


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_interval(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 2 and all(map(is_number, value)))


_TEXT = _Leaf("text", lambda value: isinstance(value, str))
_NAME = _Leaf("a printable text", lambda v: isinstance(v, str) and v.isprintable() and len(v) <= 1000)
_FILE_NAME = _Leaf(
    "a plain file name",
    lambda v: _NAME.fits(v) and 0 < len(v.encode()) <= 240 and not {"/", "\\"} & set(v) and v[0] != ".",
)
_NUMBER = _Leaf("a number", is_number)
_WHOLE = _Leaf("a whole number", _is_whole)
_PLAIN = _Leaf(
    "a finite value", lambda v: not isinstance(v, int | float) or isinstance(v, bool) or is_number(v)
)
_CURVE = {"edges": [_NUMBER], "prediction": [_NUMBER], "target": [_NUMBER]}
_SAMPLES = {
    "n": [_WHOLE], "value": [_NUMBER], "low": [_OrNull(_NUMBER)], "high": [_OrNull(_NUMBER)],
}  # fmt: skip
_HELD_OUT = {"pixel_acc?": _OrNull(_NUMBER), "class_iou?": _OrNull(_NUMBER)}
_ANY = object()  # whatever JSON can hold, but for NaN and infinity

# The shape of a record as far as reports and gates look into it. {"field": shape}: an object; "field?" may
# be absent, "*" stands for all other fields (_ANY where it is not there). [shape]: a list.
_RECORD = {
    "id": _FILE_NAME,
    "kind": _Leaf('"run" or "reference"', lambda value: value in ("run", "reference")),
    "label": _NAME,
    "status": _Leaf('"finished", "failed" or "diverged"', lambda v: v in ("finished", "failed", "diverged")),
    "error?": _OrNull(_TEXT),
    "created?": _TEXT,
    "spec": {
        "data": {
            "name": _NAME,
            "direction": _NAME,
            "source?": _TEXT,
            "train_n?": _OrNull(_WHOLE),
            "test_n?": _OrNull(_WHOLE),
            "train_fingerprint?": _OrNull(_TEXT),
            "test_fingerprint?": _OrNull(_TEXT),
        },
        "seed?": _OrNull(_WHOLE),
        "training?": {"size_px?": _WHOLE, "steps?": _OrNull(_WHOLE), "batch_size?": _OrNull(_WHOLE)},
        "variant?": {},
        "test?": {},
    },
    "results": {
        "*": {
            "name": _TEXT,
            "value": _OrNull(_NUMBER),
            "reason?": _OrNull(_TEXT),
            "goal": _Leaf('"max", "min" or a number', lambda v: v in ("max", "min") or is_number(v)),
            "n": _WHOLE,
            "protocol": {},
            "interval": _Leaf("two numbers or null", _is_interval),
        }
    },
    "details?": {
        "per_class_iou?": _OrNull({"*": _OrNull(_NUMBER)}),
        "spectrum?": _OrNull({"frequency": [_NUMBER], "ratio": [_OrNull(_NUMBER)]}),
        "lab_histograms?": _OrNull({"*": _CURVE}),
        "sample_curve?": _OrNull({"*": _SAMPLES}),
        "judge?": _OrNull({"held_out?": _OrNull(_HELD_OUT)}),
        "scoring?": _OrNull({"metrics": [_TEXT]}),
        "data?": _OrNull({"void_share?": _OrNull(_NUMBER)}),
    },
    "history?": [{"*": _NUMBER}],
    "timings?": {"*": _OrNull(_NUMBER)},
    "environment?": {"packages?": _OrNull({})},
    "gallery": _OrNull({"names": [_TEXT], "predictions": _OrNull(_TEXT), "sources": _TEXT, "targets": _TEXT}),
}  # fmt: skip


def _check(value: Any, shape: Any, where: str) -> None:
    """Raise ValueError, with the place and what was found, unless `value` has `shape`."""
    if isinstance(shape, _OrNull):
        if value is None:
            return
        shape = shape.shape
    if shape is _ANY:
        shape = {} if isinstance(value, dict) else [_ANY] if isinstance(value, list) else _PLAIN
    if isinstance(shape, _Leaf):
        _expect(shape.fits(value), where, shape.words, value)
    elif isinstance(shape, list):
        _expect(isinstance(value, list), where, "a list", value)
        if _takes_numbers(shape[0]) and _all_numbers(value):
            return
        for position, item in enumerate(value):
            _check(item, shape[0], f"{where}[{position}]")
    else:
        _expect(isinstance(value, dict), where, "an object", value)
        for name in shape:
            _expect(name in value or name.endswith(("?", "*")), where, f"a field {name}", value)
        others = shape.get("*", _ANY)
        if shape.keys() <= {"*"} and _takes_numbers(others) and _all_numbers(value.values()):
            return
        for name, item in value.items():
            _check(item, shape.get(name, shape.get(f"{name}?", others)), f"{where}.{name}".lstrip("."))


def _takes_numbers(shape: Any) -> bool:
    return shape is _NUMBER or shape is _ANY


def _all_numbers(values: Collection[Any]) -> bool:
    """What `_check` would find of each, but quickly: curves and histories are nearly all of a record."""
    try:
        return {int, float}.issuperset(map(type, values)) and all(map(math.isfinite, values))
    except OverflowError:  # a whole number that no float can hold
        return False


def _expect(fits: bool, where: str, words: str, value: object) -> None:
    if not fits:
        raise ValueError(f"{where[:100] or 'record'}: expected {words}, found {brief(value)}")


def brief(value: object) -> str:
    """`value` as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."

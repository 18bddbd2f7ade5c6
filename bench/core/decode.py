"""From parsed JSON or TOML to dataclasses: one door, which names the place of what does not fit.

A dataclass takes its own fields and no others. A TypedDict says what is looked at in something that may hold
more. What types cannot say, a `__post_init__` says by a ValueError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, TypeVar, Union, get_args, get_origin, get_type_hints
from typing import is_typeddict as is_typed_dict

from bench.core.documents import DocumentError

T = TypeVar("T")
_NUMBERS = frozenset({int, float})
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}


def decode(raw: object, kind: type[T], view: Any = Any) -> T:
    """What was parsed (`read_json`, `read_toml`) as a `kind`.

    Args:
        view: a TypedDict that says more about tables which `kind` leaves open.

    Raises:
        DocumentError: if it is none, with the place: "results.ssim.n: expected a whole number, found '7'".
            NaN, infinity and whole numbers that no float can hold fit nowhere.
    """
    import msgspec  # takes longer to import than all else that `bench --help` needs

    wanted: Any = view
    try:
        if not _is_finite(raw):
            place, found = _first_not_finite(raw)
            raise _refusal(place, f"expected a finite number, found {brief(found)}")
        msgspec.convert(raw, view)
        wanted = kind
        _refuse_unknown(raw, kind, "")
        return msgspec.convert(raw, kind, dec_hook=_custom)
    except msgspec.ValidationError as error:
        raise _refusal(*_blame(raw, wanted, "", error)) from error
    except RecursionError:
        raise DocumentError("expected less nesting") from None


def brief(value: object) -> str:
    """`value` as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _refusal(place: str, said: str) -> DocumentError:
    place = place.lstrip(".")[:100]
    return DocumentError(f"{place}: {said}" if place else said)


def _custom(kind: type, value: object) -> object:
    if kind is not Path or not isinstance(value, str):
        raise ValueError(f"expected a path, found {brief(value)}")
    return Path(value)


# --- numbers ---


def _is_finite(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind not in _NUMBERS or _all_finite((value,))
    if _NUMBERS.issuperset(map(type, value)):  # curves and histories are nearly all of a record
        return _all_finite(value)
    return all(map(_is_finite, value))


def _all_finite(numbers: Collection[float]) -> bool:
    try:
        return all(map(math.isfinite, numbers))
    except OverflowError:  # a whole number that no float can hold
        return False


def _first_not_finite(value: Any, place: str = "") -> tuple[str, Any]:
    for step, part, _ in _parts(value, Any):
        if not _is_finite(part):
            return _first_not_finite(part, place + step)
    return place, value


# --- types ---


@dataclass(frozen=True)
class _Shape:
    """What a type says about parts: by name, by any other name, and by position (the last: and all others).

    `closed`: whether there may be no other names.
    """

    fields: dict[str, Any]
    closed: bool
    others: Any
    items: tuple[Any, ...]


@cache
def _shape(kind: Any) -> _Shape:
    fields: dict[str, Any] = {}
    closed, others, items = False, Any, (Any,)
    for arm in _arms(kind):
        args = get_args(arm)
        if is_dataclass(arm) or is_typed_dict(arm):
            hints = get_type_hints(arm, include_extras=True)
            fields = {name: _required(hint) for name, hint in hints.items()}
            closed = is_dataclass(arm)
        elif get_origin(arm) in (dict, Mapping):
            others = args[1]
        elif get_origin(arm) in (list, tuple):
            items = tuple(arg for arg in args if arg is not ...)
    return _Shape(fields, closed, others, items)


def _required(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is NotRequired else hint


@cache
def _arms(kind: Any) -> tuple[Any, ...]:
    """The types of a union, of others the type itself."""
    if get_origin(kind) is Annotated:
        return _arms(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(arm for one in get_args(kind) for arm in _arms(one))
    return (kind,)


@cache
def _holds_closed(kind: Any) -> bool:
    shape = _shape(kind)
    inner = {*shape.fields.values(), shape.others, *shape.items} - {Any}
    return shape.closed or any(map(_holds_closed, inner))


def _parts(value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """Step, value and type of the parts of a table or list; none of what is neither."""
    shape = _shape(kind)
    if isinstance(value, dict):
        for name, part in value.items():
            yield f".{name}", part, shape.fields.get(name, shape.others)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield f"[{number}]", part, shape.items[min(number, len(shape.items) - 1)]


def _refuse_unknown(value: Any, kind: Any, place: str) -> None:
    shape = _shape(kind)
    unknown = value.keys() - shape.fields.keys() if shape.closed and isinstance(value, dict) else None
    if unknown:
        raise _refusal(place, f"unknown key '{min(unknown)}': expected {', '.join(sorted(shape.fields))}")
    for step, part, inner in _parts(value, kind):
        if _holds_closed(inner):
            _refuse_unknown(part, inner, place + step)


def _blame(value: Any, kind: Any, place: str, error: Exception) -> tuple[str, str]:
    """The innermost part that does not fit: its place, and what is wrong with it."""
    import msgspec

    for step, part, inner in _parts(value, kind):
        try:
            msgspec.convert(part, inner, dec_hook=_custom)
        except msgspec.ValidationError as inside:
            return _blame(part, inner, place + step, inside)
    if error.__cause__ is not None:  # a `__post_init__`
        return place, str(error.__cause__)
    if missing := re.search("missing required field `(.*?)`", str(error)):
        return place, f"expected the key '{missing[1]}', found none"
    return place, f"expected {_words(kind)}, found {brief(value)}"


def _words(kind: Any) -> str:
    """What a type takes."""
    if said := [meta.description for meta in getattr(kind, "__metadata__", ()) if meta.description]:
        return str(said[0])
    found: list[str] = []
    for arm in _arms(kind):
        if get_origin(arm) is Literal:
            found += map(str, get_args(arm))
        elif get_origin(arm) is tuple and get_args(arm)[-1] is not ...:
            found.append(f"a list of {len(get_args(arm))}")
        elif get_origin(arm) in (list, tuple):
            found.append("a list")
        else:
            found.append(_WORDS.get(arm, "a path" if arm is Path else "a table"))
    if _WORDS[float] in found:
        found = [words for words in found if words != _WORDS[int]]
    return " or ".join(filter(None, (", ".join(found[:-1]), found[-1])))

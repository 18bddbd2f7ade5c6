"""Parsed JSON or TOML to dataclasses. Errors name the place in the document that does not fit.

A dataclass takes its own fields and no others. A TypedDict describes the keys that are read in a table that
may hold more. A `__post_init__` checks what types cannot express and raises ValueError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, TypeVar, Union, get_args, get_origin, get_type_hints

from bench.core.documents import DocumentError

T = TypeVar("T")
_NUMBERS = frozenset({int, float})
_PLAIN = frozenset({int, float, str, bool, NoneType})
_WORDS = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null",
    Path: "a path", list: "a list", tuple: "a list",
}  # fmt: skip


def decode(raw: object, kind: type[T], view: Any = Any) -> T:
    """Convert parsed content (`read_json`, `read_toml`) to a `kind`.

    Args:
        view: a TypedDict that describes tables that `kind` leaves open.

    Raises:
        DocumentError: if it does not fit, with the place: "results.ssim.n: expected a whole number, found
            '7'". NaN, infinity and whole numbers that no float can hold are always refused.
    """
    import msgspec  # imported late: it takes longer than everything else that `bench --help` needs

    wanted: Any = view
    try:
        if not _is_finite(raw) and (found := _not_finite(raw)):
            raise _refusal(found[0], f"expected a finite number, found {brief(found[1])}")
        msgspec.convert(raw, view)
        wanted = kind
        made = msgspec.convert(raw, kind, dec_hook=_path)
        _refuse_unknown(raw, made, "")
        return made
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


def _path(kind: type, value: object) -> Path:
    if kind is not Path or not isinstance(value, str):
        raise ValueError(f"expected a path, found {brief(value)}")
    return Path(value)


def _is_finite(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind not in _NUMBERS or _all_finite((value,))
    if _NUMBERS.issuperset(map(type, value)):  # fast path: most of a record is curves and histories
        return _all_finite(value)
    return all(map(_is_finite, value))


def _all_finite(numbers: Collection[float]) -> bool:
    try:
        return all(map(math.isfinite, numbers))
    except OverflowError:  # a whole number that no float can hold
        return False


def _not_finite(value: Any) -> tuple[str, Any] | None:
    """Place and value of the first number that is not finite."""
    for step, part, _ in _parts(value, Any):
        if found := _not_finite(part):
            return step + found[0], found[1]
    return None if type(value) not in _NUMBERS or _all_finite((value,)) else ("", value)


def _refuse_unknown(raw: Any, made: Any, place: str) -> None:
    """Raise DocumentError if a table holds a key that its dataclass does not know."""
    if raw is made:
        return
    if isinstance(made, dict):
        for name, part in made.items():
            if type(part) not in _PLAIN:
                _refuse_unknown(raw[name], part, f"{place}.{name}")
    elif isinstance(made, list | tuple):
        for number, part in enumerate(made):
            if type(part) not in _PLAIN:
                _refuse_unknown(raw[number], part, f"{place}[{number}]")
    elif is_dataclass(made):
        known = made.__dataclass_fields__
        if unknown := raw.keys() - known.keys():
            raise _refusal(place, f"unknown key '{min(unknown)}': expected {', '.join(known)}")
        for name, part in raw.items():
            _refuse_unknown(part, getattr(made, name), f"{place}.{name}")


def _blame(value: Any, kind: Any, place: str, error: Exception) -> tuple[str, str]:
    """Place of the innermost part that does not fit, and what is wrong with it."""
    import msgspec

    for step, part, inner in _parts(value, kind):
        try:
            msgspec.convert(part, inner, dec_hook=_path)
        except msgspec.ValidationError as inside:
            return _blame(part, inner, place + step, inside)
    if error.__cause__ is not None:  # a `__post_init__`
        return place, str(error.__cause__)
    if missing := re.search("missing required field `(.*?)`", str(error)):
        return place, f"expected the key '{missing[1]}', found {', '.join(value) or 'none'}"
    return place, f"expected {_words(kind)}, found {brief(value)}"


def _parts(value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """Place, value and type of each part of a table or list; nothing for other values."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield f".{name}", part, _inner(kind, name)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield f"[{number}]", part, _inner(kind, number)


def _inner(kind: Any, key: str | int) -> Any:
    """The type of a part of a `kind`, by its name or number; Any where `kind` does not say."""
    for arm in _arms(kind):
        args, origin = get_args(arm), get_origin(arm)
        if origin in (dict, Mapping) and isinstance(key, str):
            return args[1]
        if origin in (list, tuple) and isinstance(key, int):
            return args[key if origin is tuple and args[-1] is not ... and key < len(args) else 0]
        if hasattr(arm, "__annotations__") and isinstance(key, str):
            hint = get_type_hints(arm, include_extras=True).get(key, Any)
            return get_args(hint)[0] if get_origin(hint) is NotRequired else hint
    return Any


def _arms(kind: Any) -> list[Any]:
    """The types of a union; for any other type, the type itself."""
    if get_origin(kind) is Annotated:
        return _arms(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [arm for one in get_args(kind) for arm in _arms(one)]
    return [kind]


def _words(kind: Any) -> str:
    """What a type accepts, in words."""
    found = _said(kind)
    if _WORDS[float] in found:
        found = [words for words in found if words != _WORDS[int]]
    return " or ".join(filter(None, (", ".join(found[:-1]), found[-1])))


def _said(kind: Any) -> list[str]:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return [meta.description for meta in args[1:] if meta.description] or _said(args[0])
    if origin in (Union, UnionType):
        return [words for arm in args for words in _said(arm)]
    if origin is Literal:
        return list(map(str, args))
    if origin is tuple and args[-1] is not ...:
        return [f"a list of {len(args)}"]
    return [_WORDS.get(origin or kind, "a table")]

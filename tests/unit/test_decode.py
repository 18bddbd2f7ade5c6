"""The one door for documents: what fits becomes a dataclass, what does not is refused with its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from bench.core.decode import decode
from bench.core.documents import DocumentError


@dataclass(frozen=True)
class Part:
    size: int
    kind: Literal["a", "b"] | float = "a"
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("expected a size of 0 or more")


class Open(TypedDict):
    part: NotRequired[Part]


@dataclass(frozen=True)
class Whole:
    parts: Mapping[str, Part]
    listed: str | list[Part] = ""
    open: Open = field(default_factory=lambda: Open())
    numbers: tuple[int | float, ...] = ()
    path: Path | None = None
    rest: dict[str, Any] = field(default_factory=dict)


def test_what_fits_is_taken_as_it_is_written() -> None:
    raw = {
        "parts": {"x": {"size": 1, "kind": 2, "range": [0, 1]}}, "open": {"part": {"size": 2}, "more": 1},
        "listed": [{"size": 3}], "numbers": [1, 1.0], "path": "a/b", "rest": {"deep": [{"any": None}]},
    }  # fmt: skip
    made = decode(raw, Whole)
    assert made == Whole(
        {"x": Part(1, 2.0, (0.0, 1.0))}, [Part(3)], {"part": Part(2)}, (1, 1.0), Path("a/b"), raw["rest"]
    )
    assert [type(number) for number in made.numbers] == [int, float]


def x(**fields: Any) -> dict[str, Any]:
    return {"parts": {"ok": {"size": 1}, "x": fields}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (x(size="1"), "parts.x.size: expected a whole number, found '1'"),
        (x(size=True), "parts.x.size: expected a whole number, found True"),
        (x(size=-1), "parts.x: expected a size of 0 or more"),
        (x(siz=1), "parts.x: expected the key 'size', found siz"),
        (x(size=1, colour=1), "parts.x: unknown key 'colour': expected size, kind, range"),
        (x(size=1, kind="c"), "parts.x.kind: expected a, b or a number, found 'c'"),
        (x(size=1, range=[1]), "parts.x.range: expected a list of 2 or null, found [1]"),
        (x(size=1, range=[1, None]), "parts.x.range[1]: expected a number, found None"),
        ({"parts": []}, "parts: expected a table, found []"),
        ({"listed": [{"size": 1}, {"size": 1, "colour": 1}]}, "listed[1]: unknown key 'colour'"),
        ({"listed": [{"size": 1}, {}]}, "listed[1]: expected the key 'size', found none"),
        ({"listed": 5}, "listed: expected text or a list, found 5"),
        ({"open": {"part": {"size": 1, "colour": 1}}}, "open.part: unknown key 'colour'"),
        ({"numbers": [1, "2"]}, "numbers[1]: expected a number, found '2'"),
        ({"numbers": [1, math.nan]}, "numbers[1]: expected a finite number, found nan"),
        ({"rest": {"deep": [{"any": 10**400}]}}, "rest.deep[0].any: expected a finite number, found 1000"),
        ({"path": 5}, "path: expected a path, found 5"),
        ({"unknown": 1}, "unknown key 'unknown': expected parts, listed"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        decode({"parts": {}, **change}, Whole)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("raw", [[], 5, None, "text"])
def test_what_is_no_table_at_all(raw: object) -> None:
    with pytest.raises(DocumentError, match="expected a table, found"):
        decode(raw, Whole)


def test_nesting_without_end_is_refused() -> None:
    raw: list[Any] = []
    for _ in range(100_000):
        raw = [raw]
    with pytest.raises(DocumentError, match="less nesting"):
        decode({"parts": {}, "rest": {"x": raw}}, Whole)

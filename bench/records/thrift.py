"""Thrift's compact protocol (thrift-compact-protocol.md), the encoding of Parquet metadata.

Structs are dicts by field number. Damaged content raises ValueError.
"""

from __future__ import annotations

from typing import Any

_DEEPEST = 16
_EARLY = "a damaged description: it ends early"


class Thrift:
    """A reader of Thrift's compact protocol, from `at` in `content` to `end` at most.

    Attributes:
        at: position of the next byte.
    """

    def __init__(self, content: bytes, at: int, end: int) -> None:
        self._content, self.at, self._end = content, at, end

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The struct at `at`: values by number of the field.

        Raises:
            ValueError: if it is damaged.
        """
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._integer()
            if number in found:  # readers disagree on which of the two counts
                raise ValueError(f"a damaged description: field {number} twice")
            found[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth + 1)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("a damaged description: nested too deep")
        match kind:
            case 1 | 2 | 3:  # a boolean in a list, a byte
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return self._take(8)
            case 8:
                return self._take(self._varint())
            case 9 | 10:
                head = self._byte()
                count = head >> 4 if head >> 4 < 15 else self._varint()
                return [self._value(head & 15, depth + 1) for _ in range(count)]
            case 11:
                count = self._varint()
                kinds = self._byte() if count else 0
                pair = (kinds >> 4, kinds & 15)
                return [tuple(self._value(kind, depth + 1) for kind in pair) for _ in range(count)]
            case 12:
                return self.struct(depth)
        raise ValueError(f"a damaged description: a value of kind {kind}")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = 0
        for place in range(10):
            byte = self._byte()
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value
        raise ValueError("a damaged description: a number of more than ten bytes")

    def _byte(self) -> int:
        if self.at >= self._end:
            raise ValueError(_EARLY)
        self.at += 1
        return self._content[self.at - 1]

    def _take(self, count: int) -> bytes:
        taken = self._content[self.at : min(self.at + count, self._end)]
        if len(taken) < count:
            raise ValueError(_EARLY)
        self.at += count
        return taken


def field(struct: Any, number: int) -> Any:
    """A required field."""
    if not isinstance(struct, dict) or number not in struct:
        raise ValueError(f"a damaged description: no field {number}")
    return struct[number]


def items(struct: Any, number: int) -> list[Any]:
    """A required field that is a list."""
    value = field(struct, number)
    if not isinstance(value, list):
        raise ValueError(f"a damaged description: field {number} is no list")
    return value


def count(struct: Any, number: int) -> int:
    """A required field that is a number of at least 0."""
    value = field(struct, number)
    if type(value) is not int or value < 0:
        raise ValueError(f"a damaged description: field {number} is no count")
    return value

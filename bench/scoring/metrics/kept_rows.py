"""Rows that a metric keeps for each test image, in test order, until it computes its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Rows:
    """Arrays by name, one row an image.

    Attributes:
        n: images seen, including those without kept rows.
    """

    def __init__(self) -> None:
        self.n = 0
        self._parts: dict[str, list[NDArray[Any]]] = {}

    def add(self, count: int, rows: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Add the next `count` images, with arrays of that many rows."""
        self.n += count
        for name, values in (rows or {}).items():
            self._parts.setdefault(name, []).append(values)

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The rows of one name, of all images."""
        parts = self._parts[name]
        if len(parts) > 1:
            parts[:] = [np.concatenate(parts)]
        return parts[0]

"""What a metric keeps of each test image: rows in test order, so that parts of the split can be joined.

The results are computed from all rows at once: a split that was scored in parts gives the very numbers of one
that was scored in one go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.scoring.metrics.base import State

_COUNT = "count"


class Rows:
    """Arrays by name, one row an image.

    Attributes:
        n: images seen, whether or not anything is kept of them.
    """

    def __init__(self) -> None:
        self.n = 0
        self._parts: dict[str, list[NDArray[Any]]] = {}

    def add(self, count: int, rows: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Take in the next `count` images, with arrays of that many rows."""
        self.n += count
        for name, values in (rows or {}).items():
            self._parts.setdefault(name, []).append(values)

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The rows of that name, of all images."""
        parts = self._parts[name]
        if len(parts) > 1:
            parts[:] = [np.concatenate(parts)]
        return parts[0]

    def state(self) -> State:
        """All there is."""
        return {_COUNT: np.array(self.n), **{name: self[name] for name in self._parts}}

    def absorb(self, state: State) -> None:
        """Take in the rows of the images that follow."""
        rows = {name: values for name, values in state.items() if name != _COUNT}
        self.add(int(state[_COUNT]), rows)


class KeepsRows:
    """The half of a metric whose parts can be joined (`bench.scoring.metrics.base.Joinable`)."""

    def __init__(self) -> None:
        self._rows = Rows()

    def state(self) -> State:
        """What was kept of the images so far."""
        return self._rows.state()

    def absorb(self, state: State) -> None:
        """Take in what another one kept of the images that follow."""
        self._rows.absorb(state)

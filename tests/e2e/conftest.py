"""What the tests of the whole command share: pages without figures, but where a test asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

Figures = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[Figures]:
    """`with figures(): ...`: reports that this process writes meanwhile have their figures.

    To draw them takes seconds a report, more than most grids here; `tests/golden` looks at each kind.
    """
    from bench.report import plots

    makers = plots._MAKERS

    @contextmanager
    def drawn() -> Iterator[None]:
        plots._MAKERS = makers
        try:
            yield
        finally:
            plots._MAKERS = ()

    plots._MAKERS = ()
    yield drawn
    plots._MAKERS = makers

"""Signals end a command wherever they arrive."""

from __future__ import annotations

import gc
import signal
import time
import weakref
from collections.abc import Callable

import pytest

from bench.core.interrupt import Terminated, none_lost, terminate


class Thing:
    """Something that can be collected."""


def in_a_destructor(number: int) -> None:
    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(number)

    Dying()
    gc.collect()


def in_a_callback_of_a_weak_reference(number: int) -> None:
    thing = Thing()
    held = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
    gc.collect()
    assert held() is None


def wait_after(arrive: Callable[[int], None], number: int) -> None:
    arrive(number)
    # Python looks for signals, then lets another thread run: one that arrives there (after a long call such
    # as gc.collect) ends no sleep that begins next. Waits of a command are short; so are these.
    for _ in range(200):
        time.sleep(0.1)


@pytest.mark.parametrize("arrive", [in_a_destructor, in_a_callback_of_a_weak_reference])
@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_is_not_lost_where_python_ignores_exceptions(
    arrive: Callable[[int], None], number: int, kind: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with pytest.raises(kind), none_lost():
            wait_after(arrive, number)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_ignored_exceptions_are_reported_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def __del__(self) -> None:
            raise ValueError("a fault of its own")

    told = []
    monkeypatch.setattr("sys.unraisablehook", lambda ignored: told.append(ignored.exc_type))
    with none_lost():
        Dying()
        gc.collect()
    assert told == [ValueError]

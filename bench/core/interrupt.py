"""Ctrl-C and SIGTERM: the process saves its work, then exits with 130 or 143."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN_SECONDS = 0.05


class Terminated(BaseException):
    """SIGTERM arrived."""


def terminate(signum: int, frame: FrameType | None) -> None:
    """Handler of SIGTERM: exit at once, as KeyboardInterrupt does for SIGINT."""
    raise Terminated


@contextmanager
def none_lost() -> Iterator[None]:
    """Send SIGINT or SIGTERM again where Python ignores what their handlers raise.

    It ignores all exceptions in `__del__` and in callbacks of weak references, which may run at any time.
    """
    before = sys.unraisablehook

    def send_again(ignored: sys.UnraisableHookArgs) -> None:
        for kind, number in ((KeyboardInterrupt, signal.SIGINT), (Terminated, signal.SIGTERM)):
            if issubclass(ignored.exc_type, kind):
                timer = threading.Timer(_AGAIN_SECONDS, os.kill, [os.getpid(), number])
                timer.daemon = True
                timer.start()
                return
        before(ignored)

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def deferred(*, patient: bool = False) -> Iterator[Callable[[], bool]]:
    """Hold the first SIGINT or SIGTERM back until the block ends. A second one takes effect at once.

    With `patient` a second one is held back too: torchrun repeats the signal that the terminal has sent.

    Yields:
        a function that says whether a signal has arrived. The block should then save its work and end.

    Raises:
        KeyboardInterrupt, Terminated: at the end of the block, if one has arrived.
    """
    arrived: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        if arrived and not patient:
            _raise(signum)
        arrived.append(signum)

    if threading.current_thread() is not threading.main_thread():  # only the main thread handles signals
        yield lambda: False
        return
    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield lambda: bool(arrived)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if arrived:
        _raise(arrived[0])


def _raise(signum: int) -> None:
    raise KeyboardInterrupt if signum == signal.SIGINT else Terminated

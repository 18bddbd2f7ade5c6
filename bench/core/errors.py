"""Errors a user can act on: one line that says what was expected, what was found and what to do.

These classes set the exit code of the `bench` command. Any other exception is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from bench.core.shown_paths import shown

_LONGEST = 2000  # characters of a message


class BenchError(Exception):
    """Base class. `exit_code` becomes the exit status of `bench`.

    The message is one line of printable text. File names and library messages in it may hold line ends or
    terminal escape sequences, so these are escaped. Files of an archive are named as `ARCHIVE!inner/path`.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        message = shown(message)
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message[:_LONGEST])
        super().__init__(text if len(message) <= _LONGEST else f"{text}...")


class UsageError(BenchError):
    """Wrong usage or input, refused before anything is written (exit code 2)."""

    exit_code = 2


class NotComparableError(BenchError):
    """Numbers that must not be compared: they share nothing, or their protocols differ (exit code 3)."""

    exit_code = 3


class RunFailedError(BenchError):
    """At least one run failed; the others finished (exit code 4)."""

    exit_code = 4


def unknown_name(kind: str, name: str, known: Iterable[str], list_command: str) -> UsageError:
    """The error for an unknown name, with the nearest known one."""
    candidates = sorted(known)
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UsageError(f"unknown {kind} '{name}': {hint}`{list_command}` shows all of them")

"""Names of files: compared in one Unicode form, and shown so that two of them can be told apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path


def normal(name: str) -> str:
    """A name in NFC: macOS writes "u" and its dots as two letters (NFD), others as one."""
    return unicodedata.normalize("NFC", name)


def told_apart(first: Path, second: Path) -> str:
    """Two paths, with what tells them apart: folder, name, or the Unicode form of an equal-looking name."""
    shared = 0
    for one, other in zip(first.parts, second.parts, strict=False):
        if one != other:
            break
        shared += 1
    shared = min(shared, len(first.parts) - 1, len(second.parts) - 1)
    short = [Path(*path.parts[shared:]) for path in (first, second)]
    said = [
        _with_form(path) if normal(str(short[0])) == normal(str(short[1])) else str(path) for path in short
    ]
    where = str(Path(*first.parts[:shared])) if shared else ""
    return f"{said[0]} and {said[1]}" + (f" in {where}" if where not in ("", ".") else "")


def _with_form(path: Path) -> str:
    forms = [form for form in ("NFC", "NFD") if unicodedata.normalize(form, str(path)) == str(path)]
    return f"{path} ({' and '.join(forms) or 'a mixed Unicode form'})"


def some(words: Sequence[str], most: int = 3) -> str:
    """The first few words, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more

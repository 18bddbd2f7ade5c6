"""TOML and JSON files from untrusted sources. All errors are `DocumentError`; costly files are refused."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

MAX_JSON_BYTES = 16 << 20  # nested empty lists take 25 times as much memory
MAX_TOML_BYTES = 256 << 10
_MAX_DOTS = 200  # per line: tomllib's time grows with the square of a dotted key's parts


class DocumentError(ValueError):
    """A file that cannot be read. The message says why, without the file's name."""


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        DocumentError: if it is no TOML, or larger than `MAX_TOML_BYTES`.
    """
    text = _text(path, MAX_TOML_BYTES)
    if max((line.count(".") for line in text.splitlines()), default=0) > _MAX_DOTS:
        raise DocumentError(f"a line with more than {_MAX_DOTS} dots")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise DocumentError(_brief(error)) from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DocumentError: if it is no JSON, or larger than `MAX_JSON_BYTES`.
    """
    import msgspec

    text = _text(path, MAX_JSON_BYTES)
    with suppress(ValueError, RecursionError):  # NaN, or half a surrogate pair: Python reads it, or says more
        return msgspec.json.decode(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError(_brief(error)) from error


def _text(path: Path, most: int) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe would block forever
            raise DocumentError("not a regular file")
        if path.stat().st_size > most:
            raise DocumentError(f"more than {most:,} bytes")
        return path.read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(_brief(error)) from error


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

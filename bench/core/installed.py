"""What the installed package says of itself, or, where none is installed, the checkout's pyproject.toml.

A checkout on the module path (`PYTHONPATH=.`) is then as good as an installed one: on a machine without
network nothing has to be installed.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

NAME = "pix2pix-bench"


def own_version() -> str | None:
    """This package's version; None where nothing tells it."""
    installed = _installed()
    return installed.version if installed is not None else _project().get("version")


def own_entry_points(group: str) -> list[EntryPoint]:
    """Those of this package that `importlib.metadata.entry_points` cannot see, as it is not installed."""
    if _installed() is not None:
        return []
    named = _project().get("entry-points", {}).get(group, {})
    return [EntryPoint(name, value, group) for name, value in named.items()]


@cache
def _installed() -> Distribution | None:
    try:
        return distribution(NAME)
    except PackageNotFoundError:
        return None


@cache
def _project() -> dict[str, Any]:
    """The table `project` of the checkout around these files; empty where there is none."""
    import tomllib

    try:
        text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
        found: dict[str, Any] = tomllib.loads(text).get("project", {})
    except (OSError, ValueError):
        return {}
    return found if found.get("name") == NAME else {}

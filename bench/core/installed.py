"""Metadata of the installed package, or of the checkout's pyproject.toml if the package is not installed.

So a checkout on the module path (`PYTHONPATH=.`) works like an installed package, without network.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

NAME = "pix2pix-bench"


def own_version() -> str | None:
    """This package's version; None if unknown."""
    installed = _installed()
    return installed.version if installed is not None else _project().get("version")


def own_entry_points(group: str) -> list[EntryPoint]:
    """Entry points of a checkout, which `importlib.metadata.entry_points` cannot see."""
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
    """The table `project` of the checkout around these files; empty outside a checkout."""
    import tomllib

    try:
        text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
        found: dict[str, Any] = tomllib.loads(text).get("project", {})
    except (OSError, ValueError):
        return {}
    return found if found.get("name") == NAME else {}

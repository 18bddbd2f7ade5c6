"""Plug-ins: metrics, judges, variants and data set cards.

Entry points (groups `pix2pix_bench.metrics`, `.judges`, `.variants`, `.cards`) are found by name and
imported only when named. `--plugin FILE` runs a Python file that calls `register`. A plugin is code, so
only plugins that the user names are loaded.
"""

from __future__ import annotations

import runpy
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from bench.core.errors import UsageError, unknown_name
from bench.core.installed import own_entry_points

Group = Literal["metrics", "judges", "variants", "cards"]
_registered: dict[str, dict[str, Any]] = {"metrics": {}, "judges": {}, "variants": {}, "cards": {}}


def register(group: Group, name: str, plugin: Any) -> None:
    """Make `plugin` available under `name`. A file given to `--plugin` calls this.

    Raises:
        UsageError: if the name is taken by another plugin of the group.
    """
    taken = _registered[group].get(name)
    if taken is not None and taken is not plugin:
        raise UsageError(f"{group} plugin '{name}' is registered twice: rename one of them")
    _registered[group][name] = plugin


@cache
def _installed(group: Group) -> dict[str, EntryPoint]:
    full = f"pix2pix_bench.{group}"
    return {point.name: point for point in (*own_entry_points(full), *entry_points(group=full))}


def names(group: Group) -> list[str]:
    """All names of a group, without importing any of them."""
    return sorted({*_installed(group), *_registered[group]})


def load(group: Group, name: str) -> Any:
    """Import and return the plugin object called `name`.

    Raises:
        UsageError: for an unknown name (with the nearest known one).
    """
    if name in _registered[group]:
        return _registered[group][name]
    if name in _installed(group):
        return _installed(group)[name].load()
    listing = "datasets" if group == "cards" else group
    raise unknown_name(group.rstrip("s"), name, names(group), f"bench list {listing}")


def load_file(path: Path) -> None:
    """Run a plugin file, which registers its plugins.

    Raises:
        UsageError: if the file is missing or fails; the message names it.
    """
    if not path.is_file():
        raise UsageError(f"expected a plugin file at {path}, found none: check the path after --plugin")
    try:
        runpy.run_path(str(path), run_name=f"pix2pix_bench_plugin_{path.stem}")
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"plugin {path} failed to load: {type(error).__name__}: {error}") from error

"""Plug-ins: metrics, judges, variants and their parts, data set cards.

Entry points (groups `pix2pix_bench.metrics`, `.judges`, `.variants`, `.cards`, and those of the parts:
`.generators`, `.discriminators`, `.gan_losses`, `.loss_terms`, `.upsamplings`, `.norms`, `.features`) are
found by name and imported only when named. `--plugin FILE` runs a Python file that calls `register`. A plugin
is code, so only plugins that the user names are loaded. Parts are held by `baselines.components.registry`.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from baselines.components import registry
from baselines.components.registry import Kind
from bench.core.errors import UsageError, unknown_name
from bench.core.installed import own_entry_points

Group = Literal["metrics", "judges", "variants", "cards"] | Kind
_registered: dict[str, dict[str, Any]] = {"metrics": {}, "judges": {}, "variants": {}, "cards": {}}

_OWN_PARTS: dict[str, dict[str, str]] = {
    "features": {"lite0": "bench.scoring.metrics.lite0_perceptual:LITE0"}
}
loaded_files: list[Path] = []
"""The plug-in files of this process, for processes that it starts."""


def register(group: Group, name: str, plugin: Any) -> None:
    """Make `plugin` available under `name`. A file given to `--plugin` calls this.

    Raises:
        UsageError: if the name is taken by another plugin of the group, or a part is none.
    """
    if group in registry.KINDS:
        try:
            return registry.add(group, name, plugin)
        except ValueError as error:
            raise UsageError(str(error)) from None
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
    if group in registry.KINDS:
        return registry.names(group)
    return sorted({*_installed(group), *_registered[group]})


def load(group: Group, name: str) -> Any:
    """Import and return the plugin object called `name`.

    Raises:
        UsageError: for an unknown name (with the nearest known one).
    """
    if group in registry.KINDS:
        try:
            return registry.get(group, name)
        except ValueError as error:
            raise UsageError(str(error)) from None
    if name in _registered[group]:
        return _registered[group][name]
    if name in _installed(group):
        return _installed(group)[name].load()
    listing = "datasets" if group == "cards" else group
    raise unknown_name(group.rstrip("s"), name, names(group), f"bench list {listing}")


def load_once(path: Path) -> None:
    """`load_file`, unless this process has loaded it."""
    if path.absolute() not in loaded_files:
        load_file(path)


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
    loaded_files.append(path.absolute())


def _parts_elsewhere(kind: Kind) -> Mapping[str, Callable[[], Any]]:
    own = {name: EntryPoint(name, at, kind).load for name, at in _OWN_PARTS.get(kind, {}).items()}
    return {**own, **{name: point.load for name, point in _installed(kind).items()}}


registry.look_in(_parts_elsewhere)

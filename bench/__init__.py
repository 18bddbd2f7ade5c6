"""The harness: data, runs, scores, records, reports and gates for image-to-image translation.

From Python: `bench.run`, `bench.score`, `bench.translate` and `bench.load` (`bench.cli.api`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.cli.api import load, run, score, translate

__version__ = "0.1.0"
__all__ = ["load", "run", "score", "translate"]


def __getattr__(name: str) -> Any:
    """The functions of `bench.cli.api`, loaded with the first of them: `import bench` stays quick."""
    if name not in __all__:
        raise AttributeError(f"module 'bench' has no attribute '{name}'")
    return getattr(import_module("bench.cli.api"), name)

"""Locates the project's data files: cards, templates, published scores, reference rows.

An installed wheel has them under `bench/_data/`, a checkout beside the packages.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.files import named_path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource_dir(relative: str) -> Path:
    """The folder `relative` (such as "datasets/cards"), from the wheel or from the checkout.

    Raises:
        UsageError: if neither has it; the message names both paths.
    """
    candidates = [_PACKAGE / "_data" / relative, _PACKAGE.parent / relative]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise UsageError(
        f"expected the folder '{relative}' in {candidates[0]} or {candidates[1]}, found neither: "
        "reinstall pix2pix-bench"
    )


def cache_dir() -> Path:
    """The folder for decoded images, trained judges and downloads: `$PIX2PIX_BENCH_CACHE`, else
    `$XDG_CACHE_HOME/pix2pix-bench`, else `~/.cache/pix2pix-bench`. It may not exist yet."""
    explicit = os.environ.get("PIX2PIX_BENCH_CACHE")
    if explicit:
        return named_path(explicit).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (named_path(base) if base else Path.home() / ".cache") / "pix2pix-bench"

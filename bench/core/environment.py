"""The environment of a run, for its record: commit, versions, device."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.core.errors import UsageError
from bench.core.installed import own_version

NAMED_BY = "PIX2PIX_BENCH_COMMIT"
_PACKAGES = ("torch", "torchvision", "torchmetrics", "numpy", "scipy", "scikit-image", "pillow")


def environment(device_name: str) -> dict[str, Any]:
    """Commit, versions, device, processor and threads, JSON only; `commit` as in `commit_here`."""
    import torch

    return {
        "bench": own_version(),
        **commit_here(),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": device_name,
        "processor": cpu_name(),
        "threads": torch.get_num_threads(),
    }


def cpu_name() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else "cpu"


@cache
def commit_here() -> dict[str, Any]:
    """The checkout's commit, and whether tracked files differ from it.

    A copy without history (a container, files sent to another machine) has the commit that
    `$PIX2PIX_BENCH_COMMIT` names, whose files nobody has compared: `dirty` is None. Without it both are None.

    Raises:
        UsageError: if the variable is no hash of a commit.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return {"commit": _commit_named(os.environ.get(NAMED_BY)), "dirty": None}
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def _commit_named(said: str | None) -> str | None:
    if said and re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", said) is None:
        raise UsageError(f"expected the full hash of a commit in ${NAMED_BY}, found {said!r}")
    return said or None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

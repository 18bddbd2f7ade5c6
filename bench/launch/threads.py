"""How many CPU threads an output's work takes where `--threads` does not say.

A new output takes the cores that other work leaves free: two threads beside other work are several times
slower than one. What it began with is kept in OUT/threads.json, since the last bits depend on it; so what
the machine does later changes no value.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from bench.core.cores import busy_cores, cores
from bench.core.documents import DocumentError, read_json
from bench.core.errors import UsageError
from bench.core.files import write_text
from bench.records.record import read_record

_SET_ELSEWHERE = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Threads:
    """A number of CPU threads.

    Attributes:
        count: of each run; None: all of its share of the cores.
        said: one line for the user where it is less than this machine has; else None.
    """

    count: int | None
    said: str | None = None


def default_threads(out: Path | None, jobs: int = 1) -> Threads:
    """The number for work in `out`, or for work that is new (None), with `jobs` runs at once."""
    share = max(1, cores() // max(1, jobs))  # no jobs: models alone
    of = f"of {share} threads" + (" a run" if jobs > 1 else "")
    if out is not None and (begun := _begun_with(out)) is not None:
        count = min(begun, share)
        if count < begun:
            return Threads(count, f"{count} {of}: {out} began with {begun}, which are not there")
        said = f"{count} {of}, as {out} began; --threads N chooses" if count < share else None
        return Threads(count, said)
    if any(os.environ.get(name) for name in _SET_ELSEWHERE) or (out is not None and _is_begun(out)):
        return Threads(None)
    busy = busy_cores()
    count = max(1, min(share, (cores() - busy) // jobs))
    if count == share:
        return Threads(None)
    return Threads(count, f"{count} {of}: about {busy} of {cores()} cores are busy; --threads N chooses")


def keep_threads(out: Path, count: int) -> None:
    """Keep the number that an output's work takes from now on."""
    if _kept(out) != count:
        write_text(_path(out), json.dumps({"threads": count}) + "\n")


def _path(out: Path) -> Path:
    return out / "threads.json"


def _begun_with(out: Path) -> int | None:
    """The number kept, else that of the newest record of a run on a CPU; None where neither tells."""
    if (kept := _kept(out)) is not None:
        return kept
    paths = sorted((out / "records").glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in paths:
        try:
            about = read_record(path).environment
        except UsageError:
            continue
        if about.get("device") == "cpu" and isinstance(about.get("threads"), int):
            return int(about["threads"])
    return None


def _is_begun(out: Path) -> bool:
    """Whether an older version has begun runs in `out` and kept no number: it took all cores."""
    return any(out.glob("runs/*/spec.json"))


def _kept(out: Path) -> int | None:
    try:
        count = read_json(_path(out))["threads"]
    except (OSError, DocumentError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) and 1 <= count <= 1024 else None

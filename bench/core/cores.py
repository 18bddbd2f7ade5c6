"""The CPU cores that this process may use, and how many of them other work keeps busy."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")
_LOOK_SECONDS = 0.25
_IDLE = (3, 4)  # places of idle and waiting for a disk among the times of a CPU in /proc/stat


def cores() -> int:
    """CPU cores that this process may use: those it is bound to, at most the quota of its container."""
    bound = len(_bound())
    quota = _quota()
    return bound if quota is None else max(1, min(bound, round(quota)))


def busy_cores() -> int:
    """Cores that other work keeps busy: the load of the last minute, and no more than are busy right now.

    The second leaves out work that has just ended, such as the command before. Takes a quarter of a second in
    which this process rests.
    """
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows
        return 0
    return 0 if round(load) == 0 else round(min(load, _busy_now()))


def _bound() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _quota() -> float | None:
    """Cores' worth of time that the control group allows (version 2, then 1); None: no limit."""
    try:
        if (unified := _CGROUP / "cpu.max").is_file():
            given, period = unified.read_text(encoding="utf-8").split()
        else:
            given, period = (
                (_CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="utf-8").strip()
                for name in ("quota", "period")
            )
        return None if given in ("max", "-1") else int(given) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _busy_now() -> float:
    """How many of the cores of this process are busy, as a sum of shares; infinite where nothing tells."""
    before = _times()
    time.sleep(_LOOK_SECONDS)
    after = _times()
    if not before or before.keys() != after.keys():
        return float("inf")
    shares = []
    for cpu, (idle, total) in after.items():
        passed = total - before[cpu][1]
        shares.append(1 - (idle - before[cpu][0]) / passed if passed > 0 else 0.0)
    return sum(shares)


def _times() -> dict[int, tuple[int, int]]:
    """CPU -> its idle and all its time since the start, for the CPUs of this process."""
    try:
        lines = (_PROC / "stat").read_text(encoding="utf-8").splitlines()
        listed = [line.split() for line in lines if line.startswith("cpu") and line[3:4].isdigit()]
        counts = {int(name[3:]): [int(one) for one in times[:8]] for name, *times in listed}
    except (OSError, ValueError):
        return {}
    return {
        cpu: (sum(times[place] for place in _IDLE), sum(times))
        for cpu, times in counts.items()
        if cpu in _bound() and len(times) > max(_IDLE)
    }

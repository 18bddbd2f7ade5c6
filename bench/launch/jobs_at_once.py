"""`--jobs auto`: how many runs at once.

On a CPU one for each core, if memory allows. On a GPU the number that `bench speed --jobs` found fastest, if
its memory allows by counting; `UNMEASURED` if nothing was measured.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from bench.core.cores import cores
from bench.launch.cost.estimate import gpu_bytes
from bench.launch.cost.kept_times import kept_rate
from bench.launch.cost.measure import Question
from bench.spec.grid import Plan
from bench.spec.run_spec import RunSpec

UNMEASURED = 2
"""Runs on a GPU if nothing was measured: the CPU work of one (decoding, scoring, writing) overlaps with the
training of the other, and two that take turns lose little."""
MOST = 16  # the largest number of runs on a GPU that is looked up
_BYTES_A_WORKER = 2 << 30  # of main memory: torch, a judge, a pix2pix in training
_BYTES_BESIDES = 3 << 30  # of a GPU: context, workspaces of cuDNN, a graph's own pool, a judge, Inception
_GPU_SHARE = 0.9  # of its free memory that workers may take


class Choice(NamedTuple):
    """How many runs at once, and why, in words."""

    jobs: int
    why: str


def choose_jobs(plans: Sequence[Plan], device: str, threads: int | None) -> Choice:
    """The number of runs at once for `--jobs auto`, at most the number of runs.

    Args:
        plans: the grid.
        device: as torch names it; "cuda" is all GPUs.
        threads: CPU threads of a run; None: its share of the cores.
    """
    runs = max(1, sum(len(plan.runs) for plan in plans))
    if device == "cpu":
        jobs = min(_fitting(cores() // (threads or 1)), runs)
        return Choice(jobs, f"{jobs} at once on {cores()} cores")
    devices = gpus(device)
    free = min(torch.cuda.mem_get_info(one)[0] for one in devices)
    sizes = {
        _question(plan, spec, devices[0]): gpu_bytes(spec, plan.dataset, plan.data.train_n)
        for plan in plans
        for spec in plan.runs
    }
    heaviest_first = sorted(sizes, key=lambda question: -sizes[question])
    measured = next((rates for one in heaviest_first if len(rates := _rates(one)) > 1), {})
    fitting = int(_GPU_SHARE * free) // (max(sizes.values()) + _BYTES_BESIDES)
    here = on_one_gpu(measured, max(1, min(fitting, cores() // len(devices))))
    jobs = min(here.jobs * len(devices), runs)
    return Choice(jobs, f"{jobs} at once on {len(devices)} GPU{'s' * (len(devices) > 1)} ({here.why})")


def on_one_gpu(rates: Mapping[int, float], most: int) -> Choice:
    """Runs at once on a GPU: the fastest measured number, at most `most`.

    Args:
        rates: runs at once -> images a second of all together; used if at least two counts fit.
        most: what memory and cores allow.
    """
    fitting = {count: rate for count, rate in sorted(rates.items()) if count <= most}
    if len(fitting) < 2:
        return Choice(min(UNMEASURED, most), "not measured: `bench speed --jobs 1`, then 2, 4")
    best = max(fitting, key=lambda count: (fitting[count], -count))
    said = ", ".join(f"{count}: {rate:.4g}" for count, rate in fitting.items())
    return Choice(best, f"images/s by `bench speed --jobs`: {said}")


def gpus(device: str) -> list[str]:
    """The devices that workers share: all GPUs, unless one was named."""
    if device == "cuda":
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [device]


def _question(plan: Plan, spec: RunSpec, device: str) -> Question:
    """The question that `bench speed` measures for a run; runs with equally costly steps share one."""
    channels = plan.dataset.source_channels, plan.dataset.target_channels
    return Question(spec.variant, replace(spec.training, steps=1), channels, device, threads=1)


def _rates(question: Question) -> dict[int, float]:
    """The measurements of one kind of step: processes side by side -> images a second of all."""
    found = {jobs: kept_rate(replace(question, jobs=jobs)) for jobs in range(1, MOST + 1)}
    return {jobs: rate for jobs, rate in found.items() if rate is not None}


def _fitting(jobs: int) -> int:
    """`jobs`, reduced to the workers that fit into memory if that is known; at least one."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return max(1, jobs)
    return max(1, min(jobs, free // _BYTES_A_WORKER))

"""Where the runs of a grid execute: options, and the launcher that they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bench.commands.options import Command, apply

if TYPE_CHECKING:
    from bench.launch import Launcher
    from bench.team import Team

_BYTES_A_WORKER = 2 << 30  # torch, a judge, a pix2pix in training; for --jobs auto


def _jobs(context: click.Context, parameter: click.Parameter, value: str) -> int | str:
    """A number above 0, or "auto"."""
    if value == "auto":
        return value
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 1024:
        raise click.BadParameter(f"expected a number of workers, or auto, found '{value}'")
    return int(value)


def launcher_options(command: Command) -> Command:
    """Where runs execute."""
    return apply(
        command,
        click.option(
            "--jobs",
            callback=_jobs,
            default="1",
            show_default=True,
            metavar="N|auto",
            help="Runs at once, each in a worker process with its share of the cores; auto: one a GPU, or "
            "one a core.",
        ),
    )


def launcher_of(options: dict[str, Any], device: str, runs: int, team: Team | None = None) -> Launcher | None:
    """The launcher asked for; None: this process. Sets this process's threads to those of a worker.

    Args:
        device: as `choose_device` gives it.
        runs: how many there are.
        team: the processes that work on each run together, if there are several.
    """
    if team is not None:
        from bench.launch.together import Together

        return Together(team)
    if options["jobs"] == 1:
        return None
    import torch

    from bench.launch.local import Workers, cores

    devices = _devices(device)
    jobs, threads = options["jobs"], options["threads"]
    if jobs == "auto":
        jobs = len(devices) if devices[0] != "cpu" else _fitting(cores() // (threads or 1))
    jobs = max(1, min(jobs, runs))
    threads = threads or max(1, cores() // jobs)
    torch.set_num_threads(threads)  # what is shared is computed as a worker would
    return Workers(jobs, threads, devices)


def _devices(device: str) -> list[str]:
    """The GPUs that the workers share: all, unless one was named."""
    import torch

    if device == "cuda":
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [device]


def _fitting(jobs: int) -> int:
    """As many workers as there is memory for, where that can be told."""
    import os

    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return jobs
    return min(jobs, max(1, free // _BYTES_A_WORKER))

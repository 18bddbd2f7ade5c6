"""Where the runs of a grid execute: the options, and the launcher that they choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from bench.cli.options import Command, apply
from bench.core.errors import UsageError

if TYPE_CHECKING:
    from bench.launch.run_job import Launcher
    from bench.launch.train_together import Team
    from bench.spec.grid import Plan


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
            help="Runs at once, each in a worker process with its share of the cores; auto: as many as speed "
            "up a GPU (docs/scaling.md), or one for each core.",
        ),
        click.option(
            "--launcher",
            type=click.Choice(["local", "ray", "slurm"]),
            default="local",
            show_default=True,
            help="This machine, a Ray cluster or Slurm (docs/scaling.md).",
        ),
        click.option(
            "--ray-address", metavar="HOST:PORT", help="The Ray cluster; this machine's by default."
        ),
        click.option(
            "--ray-cpus", type=click.FloatRange(0.1), default=1.0, show_default=True, help="CPUs of a run."
        ),
        click.option(
            "--ray-gpus",
            type=click.FloatRange(0),
            default=0.0,
            show_default=True,
            help="GPUs of a run, such as 0.5.",
        ),
        click.option(
            "--slurm",
            "slurm_options",
            multiple=True,
            metavar="KEY=VALUE",
            help="partition, time, gpus, cpus, mem_gb, account, or any option of sbatch (repeatable).",
        ),
    )


def grid_out_option(command: Command) -> Command:
    """Where results go."""
    return click.option(
        "--out",
        default="out",
        show_default=True,
        metavar="DIR|URL",
        help="Output folder, or a URL such as s3://bucket/folder; finished work there is skipped.",
    )(command)


def local_data(roots: tuple[str, ...]) -> tuple[str, ...]:
    """`--data-root` values as paths; data at a URL is copied into the cache."""
    from bench.launch.url_store import is_url, local_data_root

    if not any(is_url(value.partition("=")[2]) or is_url(value) for value in roots):
        return roots
    from bench.core.progress import Reporter

    with Reporter() as reporter:
        return tuple(local_data_root(value, reporter.counter) for value in roots)


def device_of_driver(options: dict[str, Any]) -> str:
    """The device of this process. Runs elsewhere find a device on their own machine."""
    return "auto" if options["launcher"] != "local" else str(options["device"])


def device_of_runs(options: dict[str, Any], device: str) -> str:
    """The kind of device that runs will use: `device`, or for runs elsewhere what the options ask for.

    A run that should be captured but finds no GPU trains eagerly, and says so.
    """
    if options["launcher"] == "local":
        return device
    gpus = any(value.partition("=")[0].strip().startswith("gpu") for value in options["slurm_options"])
    return "cuda" if options["device"].startswith("cuda") or options["ray_gpus"] or gpus else "cpu"


def launcher_of(options: dict[str, Any], device: str, runs: int, team: Team | None = None) -> Launcher | None:
    """The chosen launcher; None: this process. Sets this process's threads to those of a worker.

    Args:
        options: of the command.
        device: from `choose_device`.
        runs: number of runs.
        team: the processes that train each run together; None: one process.

    Raises:
        UsageError: for options that do not go together, or a launcher that is not installed.
    """
    launcher, jobs, threads = options["launcher"], options["jobs"], options["threads"]
    if options["slurm_options"] and launcher != "slurm":
        raise UsageError("expected --launcher slurm with --slurm, found none: add it")
    if options["ray_address"] and launcher != "ray":
        raise UsageError("expected --launcher ray with --ray-address, found none: add it")
    if team is not None:
        from bench.launch.train_together import TrainTogether

        if launcher != "local":
            raise UsageError(f"expected torchrun or srun, or --launcher {launcher}, found both: use one")
        return TrainTogether(team)
    if launcher == "slurm":
        from bench.launch.on_slurm import OnSlurm

        at_once = jobs if isinstance(jobs, int) and jobs > 1 else None
        return OnSlurm(_pairs(options["slurm_options"]), options["device"], threads, at_once)
    if launcher == "ray":
        from bench.launch.on_ray import OnRay

        cpus, gpus = options["ray_cpus"], options["ray_gpus"]
        return OnRay(options["ray_address"], cpus, gpus, options["device"], threads)
    return None if jobs == 1 else _workers(jobs, threads, device, runs)


def _workers(jobs: int, threads: int | None, device: str, runs: int) -> Launcher:
    import torch

    from bench.launch.jobs_at_once import gpus
    from bench.launch.local import Workers

    jobs, threads = shares(jobs, threads, runs)
    torch.set_num_threads(threads)  # shared work is computed as in a worker
    return Workers(jobs, threads, gpus(device))


def shares(jobs: int, threads: int | None, runs: int) -> tuple[int, int]:
    """The number of worker processes for `runs` runs, and the CPU threads of each."""
    from bench.core.cores import cores

    jobs = max(1, min(jobs, runs))
    return jobs, threads or max(1, cores() // jobs)


def jobs_of(options: dict[str, Any], plans: list[Plan], device: str) -> int | str:
    """`--jobs`, with `auto` replaced by a number if runs execute on this machine; prints the choice."""
    if options["jobs"] != "auto" or options["launcher"] != "local":
        return cast("int | str", options["jobs"])
    from bench.launch.jobs_at_once import choose_jobs

    choice = choose_jobs(plans, device, options["threads"])
    click.echo(f"--jobs auto: {choice.why}", err=True)
    return choice.jobs


def _pairs(assignments: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"expected --slurm KEY=VALUE, found '{assignment}'")
        pairs[key.strip()] = value.strip()
    return pairs

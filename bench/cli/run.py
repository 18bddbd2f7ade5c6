"""`bench run` and `bench train`: a grid of runs from flags to report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.dry_run import lanes_of, memory_of, room_of, show_plans
from bench.cli.grid_request import check_starts, grid_options, request_of, start_of
from bench.cli.launching import (
    device_of_driver,
    device_of_runs,
    grid_out_option,
    jobs_of,
    launcher_of,
    launcher_options,
    local_data,
)
from bench.cli.options import (
    allow_void_option,
    choose_device,
    choose_engine,
    command_line,
    device_options,
    policy_of,
    policy_options,
    scoring_choice,
    scoring_options,
    threads_of,
)
from bench.cli.outcome import check_outcomes, finish_or_say, live_report
from bench.cli.sizes_in_words import aspect_lines
from bench.core.errors import UsageError
from bench.scoring.metrics.feature_choice import in_words
from bench.scoring.metrics.named_keys import metric_keys
from bench.stages.ranks import place

if TYPE_CHECKING:
    from bench.launch.jobs import Event, Observer, Until
    from bench.launch.train_together import Team
    from bench.spec.grid import Plan


@click.command()
@grid_options
@scoring_options
@device_options
@launcher_options
@policy_options
@grid_out_option
@click.option(
    "--both-directions",
    is_flag=True,
    help="Also score the other direction of unpaired trainings (cyclegan, discogan), as rows of their own.",
)
@click.option("--dry-run", is_flag=True, help="Show the runs, their parameters and the time; write nothing.")
@click.pass_obj
def run(obj: dict[str, Any], /, **options: Any) -> int:
    """Train, generate, score and report a grid of variants; finished work is skipped."""
    return _execute(options, "score", obj)


@click.command()
@grid_options
@allow_void_option
@device_options
@launcher_options
@policy_options
@grid_out_option
@click.option("--dry-run", is_flag=True, help="Show the runs, their parameters and the time; write nothing.")
@click.pass_obj
def train(obj: dict[str, Any], /, **options: Any) -> int:
    """Only train; `bench generate` and `bench score` continue from there."""
    no_scoring = {
        "metrics": None,
        "judge": "none",
        "inception_weights": None,
        "fid_protocol": "torch-fidelity",
        "features": None,
    }
    return _execute({**options, **no_scoring}, "train", obj)


def _execute(options: dict[str, Any], until: Until, obj: dict[str, Any]) -> int:
    """Run alone, or as one of several processes; returns the exit code."""
    here = place()
    if here is None:
        _run_grid(options, until, obj, None)
        return 0
    from bench.launch.train_together import follow, joined, own_device

    options["device"] = own_device(options["device"], here)
    device = choose_device(options["device"], options["threads"])
    with joined(here, device) as team:
        if here.rank > 0:
            return follow(team, device)
        _run_grid(options, until, obj, team)
    return 0


def _run_grid(options: dict[str, Any], until: Until, obj: dict[str, Any], team: Team | None) -> None:
    device = choose_device(device_of_driver(options), options["threads"])
    wanted = "eager" if options["size_px"] == "native" and options["engine"] == "auto" else options["engine"]
    engine = choose_engine(wanted, device_of_runs(options, device))
    roots = local_data(options["data_roots"])
    if until == "train" and options["models"]:
        raise UsageError(
            "expected --model with bench run, found it with bench train: such a model is trained"
        )
    start = start_of(options)
    request = request_of(
        {**options, "data_roots": roots, "engine": engine, "init_from": start and start.init_from}
    )
    from bench.launch.url_output import output_folder
    from bench.launch.url_store import is_url
    from bench.records.output_folder import check_room
    from bench.spec.grid import lengths_of, resolve
    from bench.spec.step_choice import check_eval_metrics

    choice = scoring_choice(options)
    check_eval_metrics(request.choose, metric_keys(options["eval_metrics"]), choice.judge)
    plans = resolve(request)
    policy = policy_of(options, lengths_of(plans, request))
    if options["launcher"] == "local":
        _check_precision(plans, device)
    from bench.launch.cost.estimate import check_parts

    check_parts(plans)
    _try_models(plans, device)
    check_starts(start, plans)
    if team is not None:
        from bench.launch.train_together import check_shares

        check_shares(team.ranks, plans, options["jobs"])
    options = {**options, "jobs": jobs_of(options, plans, device)}
    here = team is None and options["launcher"] == "local" and device == "cpu" and not is_url(options["out"])
    if here:
        runs = sum(len(plan.runs) for plan in plans)
        options = {
            **options,
            "threads": threads_of(options, Path(options["out"]), min(options["jobs"], runs)),
        }
    room = room_of(plans, options, policy.lengths)
    need = memory_of(plans, options, device)
    if options["dry_run"]:
        from bench.launch.cost.judging import judge_costs

        lanes = lanes_of(options, device, sum(len(plan.runs) for plan in plans))
        if choice.features is not None:
            click.echo(f"features: {in_words(choice.features)}")
        judges = judge_costs(plans, choice, device) if until == "score" else ()
        shared = bool(policy.lengths) and options["launcher"] == "local"
        show_plans(plans, device, room, lanes, request.eval_every, judges, shared=shared)
        return
    from bench.core.progress import Reporter
    from bench.launch.driver import run_grid
    from bench.launch.jobs import Launch

    launcher = launcher_of(options, device, sum(len(plan.runs) for plan in plans), team)
    with output_folder(options["out"]) as (out, observers):
        _check_output(out, plans)
        if options["space_check"]:
            check_room(out, room.total)
        if start is not None:
            from bench.stages.start_from import keep_start

            keep_start(out, start)
        told = {"policy": policy, "plugins": obj["plugins"]}
        launch = Launch(out, device, choice, command_line(), until, obj["debug"], **told)
        with Reporter() as reporter:
            if room.total:
                reporter.say(f"disk: {room}")
            for line in [*([f"memory: {need}"] if need else []), *aspect_lines(plans)]:
                reporter.say(line)
            kept = [_keeping_threads(out)] if here else []
            live = live_report(out, plans, reporter) if until == "score" else []
            outcomes = run_grid(plans, launch, reporter, launcher, [*observers, *live, *kept])
        if until == "score":
            finish_or_say(out, outcomes)
    check_outcomes(outcomes)


def _keeping_threads(out: Path) -> Observer:
    """An observer that has the output keep its number of threads, once a run has begun."""
    import torch

    from bench.launch.threads import keep_threads

    todo = [torch.get_num_threads()]

    def observe(_: Event) -> None:
        while todo:
            keep_threads(out, todo.pop())

    return observe


def _try_models(plans: list[Plan], device: str) -> None:
    """Open every model that was trained elsewhere and try it on one image, before anything is written."""
    from bench.stages.models.row import tried

    for plan in plans:
        for row in plan.models:
            tried(row, plan.dataset, device)


def _check_precision(plans: list[Plan], device: str) -> None:
    from baselines.engine import resolve_device, set_precision

    try:
        for precision in {spec.training.precision for plan in plans for spec in plan.runs}:
            set_precision(precision, resolve_device(device))
    except ValueError as error:
        raise UsageError(str(error)) from None
    for engine in {spec.training.engine for plan in plans for spec in plan.runs}:
        choose_engine(engine, device)  # one that was given by --set


def _check_output(out: Path, plans: list[Plan]) -> None:
    from bench.records.output_folder import check_writable
    from bench.records.record import read_record, record_path

    check_writable(out)
    for spec in (spec for plan in plans for spec in (*plan.runs, *plan.ways_back)):
        if record_path(out, spec.id).is_file():
            read_record(record_path(out, spec.id))  # refused now, not after hours of training

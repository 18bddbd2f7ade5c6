"""`bench run` and `bench train`: a grid of runs from flags to report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.dry_run import lanes_of, memory_of, room_of, show_plans
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
    SIZE,
    Command,
    allow_void_option,
    apply,
    choose_device,
    choose_engine,
    command_line,
    data_options,
    device_options,
    engine_option,
    names,
    policy_of,
    policy_options,
    scoring_choice,
    scoring_options,
    threads_of,
    validation_options,
)
from bench.cli.sizes_in_words import aspect_lines
from bench.core.errors import RunFailedError, UsageError
from bench.scoring.metrics.feature_choice import in_words
from bench.scoring.metrics.named_keys import metric_keys
from bench.stages.ranks import place

if TYPE_CHECKING:
    from bench.core.progress import Reporter
    from bench.launch.jobs import Ended, Event, Observer, Until
    from bench.launch.train_together import Team
    from bench.records.record import RunRecord
    from bench.spec.grid import GridRequest, Plan


def grid_options(command: Command) -> Command:
    """What is trained, on what, for how long."""
    return apply(
        command,
        click.option("--variants", metavar="NAMES", help="Comma-separated, such as l1,cgan,l1+cgan."),
        click.option(
            "--model",
            "models",
            multiple=True,
            metavar="NAME=KIND:WHERE",
            help="A generator trained elsewhere as a row (repeatable): released:FILE, torchscript:FILE, "
            "onnx:FILE or python:MODULE:CALLABLE, with options after commas.",
        ),
        click.option("--suite", metavar="NAME", help="A table of the paper (`bench list suites`)."),
        click.option(
            "--dataset", "datasets", metavar="NAMES", help="Comma-separated; `bench list datasets`."
        ),
        data_options,
        click.option("--seeds", default="0", show_default=True, metavar="LIST", help="0,1,2 or 0-2."),
        click.option(
            "--epochs", type=float, help="Passes over the training pairs; the data set's card by default."
        ),
        click.option("--steps", type=click.IntRange(1), help="Optimisation steps, instead of epochs."),
        click.option(
            "--keep-at",
            metavar="LIST",
            help="Also score shorter lengths, such as 2,8,25: a row each, all from one training.",
        ),
        click.option(
            "--size",
            "size_px",
            type=SIZE,
            metavar="SIZE",
            help="256 (a square), 512x256 (WIDTHxHEIGHT), or native: each image its own size.",
        ),
        click.option("--batch-size", type=click.IntRange(1), help="Pairs a step (the paper: 1)."),
        click.option(
            "--base-filters", type=click.IntRange(1), help="Width of the first layers (the paper: 64)."
        ),
        click.option(
            "--precision", type=click.Choice(["default", "fp32", "tf32", "bf16"]), help="Arithmetic."
        ),
        engine_option,
        click.option(
            "--set", "sets", multiple=True, metavar="FIELD=V,...", help="Sweep a field (`bench list fields`)."
        ),
        click.option(
            "--variant-file", type=click.Path(path_type=Path), help="TOML with [variants.NAME] tables."
        ),
        click.option(
            "--recipe",
            "recipes",
            metavar="NAMES",
            help="paper, released, modern: named sets of fields and settings (`bench list recipes`).",
        ),
        click.option(
            "--train-limit", type=click.IntRange(1), help="Use this many training pairs, evenly spaced."
        ),
        click.option("--test-limit", type=click.IntRange(1), help="Use this many test pairs, evenly spaced."),
        validation_options,
        click.option(
            "--test-dropout/--no-test-dropout",
            default=True,
            show_default=True,
            help="Dropout at test time (the paper: on).",
        ),
        click.option(
            "--test-norm",
            type=click.Choice(["batch", "running"]),
            default="batch",
            show_default=True,
            help="Test-time statistics: the image's (the paper) or training's.",
        ),
    )


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
    request = _request({**options, "data_roots": roots, "engine": engine})
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
    room = room_of(plans, options)
    need = memory_of(plans, options, device)
    if options["dry_run"]:
        from bench.launch.cost.judging import judge_costs

        lanes = lanes_of(options, device, sum(len(plan.runs) for plan in plans))
        if choice.features is not None:
            click.echo(f"features: {in_words(choice.features)}")
        judges = judge_costs(plans, choice, device) if until == "score" else ()
        show_plans(plans, device, room, lanes, request.eval_every, judges)
        return
    from bench.core.progress import Reporter
    from bench.launch.driver import run_grid
    from bench.launch.jobs import Launch

    launcher = launcher_of(options, device, sum(len(plan.runs) for plan in plans), team)
    with output_folder(options["out"]) as (out, observers):
        _check_output(out, plans)
        if options["space_check"]:
            check_room(out, room.total)
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
            _finish_or_say(out, outcomes)
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


def _finish_or_say(out: Path, outcomes: list[Ended]) -> None:
    try:
        finish(out, records_of(out, outcomes))
    except OSError as error:
        raise RunFailedError(f"cannot write the report ({error}): free some room, run again") from None


def live_report(out: Path, plans: list[Plan], reporter: Reporter) -> list[Observer]:
    """An observer that refreshes the report while a grid runs."""
    from bench.launch.jobs import Ended
    from bench.report.live import LiveReport

    report = LiveReport(out, sum(len(plan.runs) for plan in plans), reporter.say)
    ended: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Ended):
            ended.append(event.job)
            report.run_ended(len(ended))

    return [observe]


def records_of(out: Path, outcomes: list[Ended]) -> list[RunRecord]:
    """The records of a grid, read from its output."""
    from bench.records.record import read_record, record_path

    paths = [record_path(out, outcome.job) for outcome in outcomes]
    return [read_record(path) for path in paths if path.is_file()]


def check_outcomes(outcomes: list[Ended]) -> None:
    """Raise RunFailedError if a row has failed."""
    failed = [outcome for outcome in outcomes if not outcome.is_done]
    if failed:
        diverged = all(outcome.status == "diverged" for outcome in failed)
        again = "--retry tries them again" if diverged else "the same command tries them again"
        raise RunFailedError(
            f"{len(failed)} of {len(outcomes)} rows failed, the first: {failed[0].job}: {failed[0].note}; "
            + again
        )


def finish(out: Path, records: list[RunRecord]) -> None:
    """Write the report, and show on the terminal what to know, the short table and the findings."""
    from rich.console import Console

    from bench.report.render import write_report
    from bench.report.terminal import terminal_findings, terminal_notes, terminal_table

    console = Console(highlight=False)
    for note in terminal_notes(records, out=out):
        console.print(note, markup=False, soft_wrap=True)
    console.print(terminal_table(records, out=out))
    for finding in terminal_findings(records, out=out):
        console.print(finding, markup=False, soft_wrap=True)
    files = write_report([out], out / "report")
    console.print(f"report: {files.html}", markup=False, soft_wrap=True)


def _request(options: dict[str, Any]) -> GridRequest:
    from baselines.settings import TestSettings
    from bench.spec.grid import GridRequest, parse_lengths, parse_seeds
    from bench.spec.models import parse_models

    return GridRequest(
        variants=names(options["variants"]),
        suite=options["suite"],
        recipes=names(options["recipes"]),
        datasets=names(options["datasets"]),
        seeds=parse_seeds(options["seeds"]),
        keep_at=parse_lengths(options["keep_at"]),
        test=TestSettings(options["test_dropout"], options["test_norm"]),
        models=parse_models(options.get("models", ())),
        both_directions=options.get("both_directions", False),
        **{key: options[key] for key in _REQUESTED},
    )


_REQUESTED = (
    "data_roots", "direction", "source", "layout", "train_limit", "test_limit", "epochs", "steps", "size_px",
    "batch_size", "base_filters", "precision", "engine", "sets", "variant_file",
    "val_share", "eval_every", "choose",
)  # fmt: skip


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

"""`bench generate`, `bench score`, `bench report`: single stages, on what an output folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.commands.options import (
    choose_device,
    command_line,
    data_root_option,
    device_options,
    names,
    scoring_options,
)
from bench.errors import RunFailedError, UsageError

if TYPE_CHECKING:
    from bench.launch import Until
    from bench.records import RunRecord
    from bench.workbench import ScoringChoice


@click.command()
@click.argument("output", required=False, type=click.Path(path_type=Path), metavar="[OUT]")
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="Translate new pictures with this checkpoint."
)
@click.option("--images", type=click.Path(path_type=Path), help="Folder of pictures to translate.")
@click.option("--to", "destination", type=click.Path(path_type=Path), help="New folder for the translations.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of test-time dropout, with --images.",
)
@data_root_option
@device_options
@click.pass_obj
def generate(
    obj: dict[str, Any],
    output: Path | None,
    checkpoint: Path | None,
    images: Path | None,
    destination: Path | None,
    seed: int,
    data_roots: tuple[str, ...],
    device: str,
    threads: int | None,
) -> None:
    """Predict the test split for the trained runs in OUT, or translate a folder of new pictures:

    \b
    bench generate OUT [--data-root DIR]
    bench generate --checkpoint FILE --images DIR --to DIR
    """
    where = choose_device(device, threads)
    if output is not None and checkpoint is None and images is None and destination is None:
        from bench.workbench import ScoringChoice

        _again(output, data_roots, where, ScoringChoice(scorer="none"), "generate", debug=obj["debug"])
    elif output is None and checkpoint is not None and images is not None and destination is not None:
        _translate(checkpoint, images, destination, seed, where)
    else:
        raise UsageError("expected either OUT, or --checkpoint FILE --images DIR --to DIR")


def _translate(path: Path, images: Path, destination: Path, seed: int, device: str) -> None:
    import torch

    from baselines.settings import TestSettings
    from baselines.translate import load_checkpoint
    from bench.generate import translate_folder
    from bench.output import check_writable
    from bench.progress import Reporter

    try:
        checkpoint = load_checkpoint(path, torch.device(device))
    except ValueError as error:
        raise UsageError(str(error)) from None
    check_writable(destination)
    with Reporter() as reporter:
        count = translate_folder(
            checkpoint, images, destination, TestSettings(), seed, reporter.counter("translating")
        )
    click.echo(f"{count} pictures in {destination}")


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@data_root_option
@scoring_options
@device_options
@click.pass_obj
def score(obj: dict[str, Any], /, output: Path, **options: Any) -> None:
    """Score the predictions in OUT again, and write records and report."""
    from bench.commands.grid import finish
    from bench.workbench import ScoringChoice, check_judge

    device = choose_device(options["device"], options["threads"])
    choice = ScoringChoice(names(options["metrics"]), options["scorer"], options["inception_weights"])
    check_judge(choice)
    records = _again(output, options["data_roots"], device, choice, "score", debug=obj["debug"])
    finish(output, records)


def _again(
    output: Path,
    data_roots: tuple[str, ...],
    device: str,
    choice: ScoringChoice,
    until: Until,
    *,
    debug: bool,
) -> list[RunRecord]:
    """Take the runs in `output` through their stages up to `until`, without training any."""
    from bench.grid import plans_of
    from bench.launch import Launch, run_grid
    from bench.output import check_writable
    from bench.progress import Reporter

    check_writable(output)
    plans = plans_of(output, data_roots)
    with Reporter() as reporter:
        launch = Launch(output, device, choice, command_line(), until, debug, again=True)
        records = run_grid(plans, launch, reporter)
    failed = [record for record in records if record.status != "finished"]
    if failed:
        raise RunFailedError(f"{len(failed)} runs failed ({failed[0].id}: {failed[0].error})")
    return records


@click.command()
@click.argument("outputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="OUT...")
@click.option(
    "--to",
    "destination",
    type=click.Path(path_type=Path),
    help="Folder; OUT/report of the first OUT by default.",
)
def report(outputs: tuple[Path, ...], destination: Path | None) -> None:
    """Write index.html, report.md and results.csv from the records of one output or several."""
    from bench.output import check_writable
    from bench.report.render import write_report

    destination = destination or outputs[0] / "report"
    check_writable(destination)
    files = write_report(outputs, destination)
    click.echo(f"report: {files.html}")

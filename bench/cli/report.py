"""`bench report`: the page, tables and figures of one output or several."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import names
from bench.core.errors import UsageError
from bench.scoring.metrics.named_keys import metric_keys


@click.command()
@click.argument("outputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="OUT...")
@click.option(
    "--to",
    "destination",
    type=click.Path(path_type=Path),
    help="Folder; OUT/report of the first OUT by default.",
)
@click.option(
    "--format",
    "formats",
    default="html,md,csv",
    show_default=True,
    metavar="NAMES",
    help="Some of html, md, latex, csv, parquet, comma-separated.",
)
@click.option(
    "--ablate",
    metavar="FIELDS",
    help="Also draw metrics against fields that vary between the runs, such as lambda_l1,steps.",
)
@click.option("--metrics", metavar="KEYS", help="With --ablate: metrics to draw; the usual ones by default.")
@click.option(
    "--picks",
    metavar="KEYS",
    help="Metrics by which the page shows best, median and worst images, such as ssim,lpips.",
)
@click.option(
    "--claims",
    "claims_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own claims, checked beside the paper's (repeatable); format: docs/claims.md.",
)
def report(
    outputs: tuple[Path, ...],
    destination: Path | None,
    formats: str,
    ablate: str | None,
    metrics: str | None,
    picks: str | None,
    claims_files: tuple[Path, ...],
) -> None:
    """Write index.html, report.md and results.csv from the records of one output or several.

    \b
    bench report OUT1 OUT2 --to DIR
    bench report OUT --ablate lambda_l1 --metrics fcn_class_iou,ssim
    bench report OUT --picks ssim,lpips --claims mine.toml
    bench report OUT --format latex,parquet
    """
    from bench.records.output_folder import check_writable
    from bench.report.formats import Wanted
    from bench.report.render import write_report

    if metrics and not ablate:
        raise UsageError("expected --ablate FIELD with --metrics, found none: it draws these metrics")
    wanted = Wanted(names(formats), names(ablate), metric_keys(metrics), names(picks), claims_files)
    if not wanted.formats:
        raise UsageError("expected --format with one format or more, found none")
    destination = destination or outputs[0] / "report"
    check_writable(destination)
    files = write_report(outputs, destination, wanted)
    click.echo(f"report: {files.written[0]}")

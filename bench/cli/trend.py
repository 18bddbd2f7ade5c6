"""`bench trend`: the same rows over several outputs."""

from __future__ import annotations

from pathlib import Path

import click

from bench.scoring.metrics.named_keys import metric_keys


@click.command()
@click.argument("outputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="OUT...")
@click.option(
    "--to",
    "destination",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write.",
)
@click.option(
    "--baseline",
    "file",
    type=click.Path(path_type=Path),
    help="What the verdicts compare with, as `bench baseline` wrote it; the first output by default.",
)
@click.option("--metrics", metavar="KEYS", help="These metrics only, comma-separated; all by default.")
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="FIELD",
    help="Protocol field that may differ, such as judge_hash (repeatable).",
)
def trend(
    outputs: tuple[Path, ...],
    destination: Path,
    file: Path | None,
    metrics: str | None,
    ignored: tuple[str, ...],
) -> None:
    """Show the metrics of the same rows over several outputs, such as those of a nightly gate: with their
    intervals and the gate's verdicts, from records alone.

    \b
    bench trend nightly/2026-11-* --to trend
    bench trend OUT1 OUT2 OUT3 --baseline gate.json --metrics fcn_class_iou,fd_lite0 --to trend

    Writes DIR/index.html, trend.md and trend.csv. Its exit code says nothing of regressions: `bench check`
    does.
    """
    from bench.gate.tolerances import read_settings
    from bench.gate.trend import trend as over_time
    from bench.records.output_folder import check_writable
    from bench.report.trend import answer, write_trend

    settings = read_settings(Path.cwd()).given(metric_keys(metrics), ())
    check_writable(destination)
    found = over_time(outputs, baseline=file, settings=settings, ignore=ignored)
    written = write_trend(found, destination)
    click.echo(answer(found))
    click.echo(f"trend: {written[0]}")

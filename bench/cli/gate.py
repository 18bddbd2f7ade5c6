"""`bench baseline` and `bench check`: compare records with a committed baseline."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import table_console
from bench.core.errors import UsageError
from bench.scoring.metrics.named_keys import metric_keys


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--update", is_flag=True, help="Replace FILE, but keep its tolerances and other edits.")
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="FIELD",
    help="Protocol field that may differ, such as judge_hash.",
)
@click.option(
    "--images", is_flag=True, help="Keep a few predictions of each row beside FILE, to show what got worse."
)
def baseline(output: Path, file: Path, update: bool, ignored: tuple[str, ...], images: bool) -> None:
    """Write the records of OUT as a baseline to commit: FILE (JSON), values by image beside it (Parquet)."""
    from bench.gate.baseline import Baseline, read_baseline, save_baseline
    from bench.gate.images import keep_images, naming_images
    from bench.records.record import read_records

    if file.exists() and not update:
        raise UsageError(f"expected no file at {file}, found one: give --update to replace it")
    made = Baseline.from_records(read_records(output), output, ignore=ignored)
    older = read_baseline(file) if file.exists() else None
    dropped: list[str] = []
    if older is not None:
        made = made.keeping(older)
        images = images or any(row.images for row in older.rows.values())
        dropped = sorted(set(older.rows) - set(made.rows))
    if images:
        made = naming_images(made, output, file, older)
    save_baseline(made, file)
    try:
        keep_images(made, output, file, older)
    except OSError as error:
        raise UsageError(
            f"expected to write images beside {file}: {error.strerror or error}; free some room or "
            "leave out --images"
        ) from error
    for row in dropped:
        click.echo(f"dropped, not among the records: {row}")
    click.echo(f"baseline: {file}")


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--baseline", "file", required=True, type=click.Path(path_type=Path), help="As `bench baseline` wrote it."
)
@click.option("--metrics", metavar="KEYS", help="Check these only, comma-separated; all by default.")
@click.option(
    "--allow",
    multiple=True,
    type=click.Choice(["missing", "incomparable", "empty"]),
    help="Let this undecided state pass (repeatable).",
)
@click.option("--json", "json_file", metavar="FILE|-", help="Verdicts as JSON; - prints them alone.")
@click.option("--junit", type=click.Path(path_type=Path), help="Verdicts as JUnit XML.")
@click.option(
    "--markdown",
    type=click.Path(path_type=Path),
    help="Verdicts as Markdown; also appended to $GITHUB_STEP_SUMMARY if it is set.",
)
def check(
    output: Path, file: Path, metrics: str | None, allow: tuple[str, ...],
    json_file: str | None, junit: Path | None, markdown: Path | None,
) -> int:  # fmt: skip
    """Compare the records of OUT with a baseline.

    \b
    Exit codes: 0 nothing got worse; 1 a metric regressed; 3 undecided: a metric or row is missing, was scored
    in another way, or nothing is in common (--allow lets these pass).

    [tool.pix2pix-bench.gate] in the nearest pyproject.toml sets tolerances and more: docs/gates.md.
    """
    from bench.gate.check import check as checked
    from bench.gate.outputs import to_json, verdict_table, write_outputs
    from bench.gate.tolerances import read_settings

    settings = read_settings(Path.cwd()).given(metric_keys(metrics), allow)
    outcome, worst = checked(output, file, settings)
    if json_file == "-":
        click.echo(to_json(outcome, worst), nl=False)
    else:
        table_console().print(verdict_table(outcome))
    write_outputs(
        outcome,
        worst,
        json_file=None if json_file in (None, "-") else Path(str(json_file)),
        junit=junit,
        markdown=markdown,
    )
    return outcome.exit_code

"""`bench baseline` and `bench check`: hold records against a committed baseline."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="FIELD",
    help="Protocol field that may differ, such as scorer_hash.",
)
def baseline(output: Path, file: Path, force: bool, ignored: tuple[str, ...]) -> None:
    """Write the records of OUT as a baseline to commit."""
    from bench.errors import UsageError
    from bench.records import read_records
    from bench.regress import write_baseline

    if file.exists() and not force:
        raise UsageError(f"expected no file at {file}, found one: give --force to replace it")
    write_baseline(read_records(output), file, ignore_protocol=ignored)
    click.echo(f"baseline: {file}")


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--baseline", "file", required=True, type=click.Path(path_type=Path), help="As `bench baseline` wrote it."
)
def check(output: Path, file: Path) -> int:
    """Compare the records of OUT with a baseline; exit code 0, 1 (regression) or 3 (not comparable)."""
    from rich.console import Console

    from bench.records import read_records
    from bench.regress import check as compare
    from bench.regress import exit_code, verdict_table

    verdicts = compare(read_records(output), file)
    Console(highlight=False).print(verdict_table(verdicts))
    return exit_code(verdicts)

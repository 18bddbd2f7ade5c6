"""`bench board`: published studies on one page."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FOLDER...")
@click.option(
    "--to",
    "destination",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write.",
)
@click.option(
    "--base-url", metavar="URL", help="Where the folders are published; links are relative by default."
)
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="FIELD",
    help="Protocol field that may differ within a table, such as judge_hash (repeatable).",
)
def board(
    folders: tuple[Path, ...], destination: Path, base_url: str | None, ignored: tuple[str, ...]
) -> None:
    """Merge studies that `bench publish` wrote, of anyone, into one static page: rows by protocol, each with
    a link to its report. A folder whose records were changed after publishing is refused.

    \b
    bench board reports/reference/* --to board
    bench board studies/* --to site/board --base-url https://example.org/studies
    """
    from bench.records.output_folder import check_writable
    from bench.report.board import write_board

    check_writable(destination)
    written = write_board(folders, destination, base_url=base_url, ignore=ignored)
    click.echo(f"board: {written[0]}")

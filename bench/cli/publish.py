"""`bench publish`: what others need to check a study."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option("--update", is_flag=True, help="Replace FOLDER.")
def publish(output: Path, folder: Path, update: bool) -> int:
    """Write the publishable part of OUT into FOLDER: records and values by image, report, verdicts,
    and generated images; no image of the data set, and no path of this machine. `bench baseline FOLDER FILE`
    makes a baseline of it.

    \b
    Exit code 1 if a check before publication fails (`bench claims OUT --sanity`): FOLDER is written, and its
    claims.json says so.
    """
    from bench.report.publish import publish as write

    checks, notes = write(output, folder, update)
    for check in checks:
        if check.passed is False:
            click.echo(f"FAIL  {check.section}: {check.name}: {check.words}")
    for note in notes:
        click.echo(note)
    click.echo(f"published: {folder / 'report.md'}")
    return int(any(check.passed is False for check in checks))

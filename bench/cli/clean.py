"""`bench clean`: remove what can be made again."""

from __future__ import annotations

from pathlib import Path

import click

from bench.core.errors import UsageError


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--predictions", is_flag=True, help="Also test images of finished runs, except the gallery's.")
@click.option("--unfinished", is_flag=True, help="Also the training states of runs that are not finished.")
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
def clean(output: Path, predictions: bool, unfinished: bool, dry_run: bool) -> None:
    """Remove what can be made again: generators of finished runs, damaged files, leftovers.

    Records, histories, samples and the gallery always stay; runs in progress are left alone.
    """
    from bench.records.clean import Wish
    from bench.records.clean import clean as remove

    if not (output / "runs").is_dir():
        raise UsageError(f"expected an output of `bench run` at {output}, found none: check the path")
    freed = remove(output, Wish(predictions, unfinished), dry_run)
    for kind, size in sorted(freed.items()):
        click.echo(f"{kind}: {size / 1e6:,.1f} MB")
    click.echo(f"{sum(freed.values()):,} bytes {'would be ' if dry_run else ''}freed")

"""`bench reproduce`: one run again, to see that the same comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.cli.options import (
    choose_device,
    command_line,
    data_root_option,
    device_options,
    scoring_choice,
    scoring_options,
)


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--run", "run_id", metavar="ID", help="Which run; by default the one that trained shortest.")
@data_root_option
@scoring_options
@device_options
def reproduce(output: Path, run_id: str | None, **options: Any) -> int:
    """Train, generate and score a finished run of OUT again, and compare: on a CPU generator, test images
    and values must be the same bit for bit, on a GPU values must lie within the seeds' spread.

    \b
    What is made lies in OUT/reproduced, what came of it in OUT/reproduced.json; `bench claims OUT --sanity`
    and `bench publish` tell it. Threads are those of the run. Exit code 1 if it is not the same.
    """
    from bench.core.progress import Reporter
    from bench.core.resources import cache_dir
    from bench.records.layout import check_writable
    from bench.records.record import read_records
    from bench.run.reproduce import chosen
    from bench.run.reproduce import reproduce as make

    before = chosen(read_records(output), run_id)
    check_writable(output)
    device = choose_device(options["device"], options["threads"] or before.environment.get("threads"))
    choice = scoring_choice(options)
    with Reporter() as reporter:
        found = make(
            output, before, options["data_roots"], device, choice, command_line(), cache_dir(), reporter
        )
    click.echo(found.words)
    return int(not found.passed)

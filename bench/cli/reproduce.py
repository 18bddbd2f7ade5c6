"""`bench reproduce`: repeat one run, and check that the result is the same."""

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
    """Train, generate and score a finished run of OUT again, and compare. On a CPU the generator, test
    images and values must be equal bit for bit; on a GPU values must be within the seeds' spread.

    \b
    The new run is in OUT/reproduced, the verdict in OUT/reproduced.json; `bench claims OUT --sanity` and
    `bench publish` show it. Threads are those of the run. Exit code 1 if the results differ.
    """
    from bench.core.progress import Reporter
    from bench.core.resources import cache_dir
    from bench.records.output_folder import check_writable
    from bench.records.record import read_records
    from bench.stages.reproduce import chosen, judge_of
    from bench.stages.reproduce import reproduce as make

    before = chosen(read_records(output), run_id)
    check_writable(output)
    device = choose_device(options["device"], options["threads"] or before.environment.get("threads"))
    choice = scoring_choice(options | {"judge": judge_of(before, options["judge"])})
    with Reporter() as reporter:
        found = make(
            output, before, options["data_roots"], device, choice, command_line(), cache_dir(), reporter
        )
    click.echo(found.words)
    return int(not found.passed)

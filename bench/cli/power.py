"""`bench power`: how many seeds and test images a difference needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.core.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from rich.table import Table

    from bench.analysis.power_plan import Plan

SEEDS, IMAGES = (2, 3, 5, 10, 20), (0.5, 1, 2, 4)  # of the grid; images as multiples of the current number

_HEADS = (
    "sd of\nseeds", "sd of\nimages", "seeds\nnow", "N\nnow", "found\nfrom", "best -\nnext", "seeds\nneeded",
    "N\nneeded",
)  # fmt: skip


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--metric", metavar="KEY", help="One metric in full: power by seeds and images.")
@click.option(
    "--difference",
    type=click.FloatRange(min=0, min_open=True),
    metavar="D",
    help="Difference to find, in the metric's unit; the measured one of the two best by default.",
)
@click.option(
    "--comparisons",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="K",
    help="Number of differences in the planned table, to correct for.",
)
def power(output: Path, metric: str | None, difference: float | None, comparisons: int) -> None:
    """Say from the records in OUT how many seeds and test images a difference between two variants needs.

    \b
    bench power OUT
    bench power OUT --metric fcn_class_iou --difference 0.01

    Power is 80 % at 5 %, under the report's own rule: test images and seeds must both tell the two apart.
    """
    from rich.console import Console

    from bench.analysis.power_plan import plans

    if difference is not None and metric is None:
        raise UsageError("expected --metric KEY with --difference, found none: its unit is the metric's")
    found = plans(output, comparisons)
    if metric is not None:
        known = sorted({plan.column.info.key for plan in found})
        if metric not in known:
            raise unknown_name(
                "metric with two variants and values by image", metric, known, "bench power OUT"
            )
        found = [plan for plan in found if plan.column.info.key == metric]
    console = Console(highlight=False)
    for title in dict.fromkeys(plan.section.title for plan in found):
        held = [plan for plan in found if plan.section.title == title]
        console.print(title, style="bold", markup=False)
        if metric is None:
            console.print(_overview(held))
        for plan in held if metric is not None else ():
            console.print(_grid(plan, difference))
            console.print(plan.sentence(difference), markup=False, soft_wrap=True)
    for note in dict.fromkeys(note for plan in found for note in plan.notes):
        console.print(note, markup=False, soft_wrap=True)


def _overview(held: list[Plan]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("metric", no_wrap=True)
    for head in _HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for plan in held:
        table.add_row(plan.column.title, *plan.overview())
    return table


def _grid(plan: Plan, difference: float | None) -> Table:
    from rich.table import Table

    wanted = plan.gap if difference is None else difference
    counts = sorted({max(2, round(plan.images * times)) for times in IMAGES})
    title = f"{plan.column.title}: chance to find a difference of {wanted:.3g}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("seeds", justify="right")
    for images in counts:
        table.add_column(f"N = {images}", justify="right")
    for seeds in SEEDS if plan.found.seeds is not None else (1,):
        table.add_row(str(seeds), *(f"{plan.power(wanted, seeds, images):.0%}" for images in counts))
    return table

"""`bench scorer`: the segmentation network behind the FCN score."""

from __future__ import annotations

from typing import Any

import click

from bench.commands.options import choose_device, data_options, device_options
from bench.errors import UsageError


@click.group()
def scorer() -> None:
    """Train the judge behind the FCN score."""


@scorer.command()
@click.option("--dataset", required=True, metavar="NAME", help="`bench list datasets`.")
@data_options
@click.option(
    "--scorer",
    "name",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="`bench list scorers`, or auto.",
)
@click.option(
    "--size", "size_px", type=int, metavar="PX", help="Side at which it will judge; the card's by default."
)
@click.option("--train-limit", type=click.IntRange(1), help="Use so many training pairs, evenly spaced.")
@device_options
def train(
    dataset: str,
    data_roots: tuple[str, ...],
    direction: str | None,
    source: str,
    name: str,
    size_px: int | None,
    train_limit: int | None,
    device: str,
    threads: int | None,
) -> None:
    """Train the judge on real training photos (`bench run` does so itself); say how well it sees."""
    where = choose_device(device, threads)
    from bench.data.datasets import open_dataset
    from bench.grid import data_roots as roots_of
    from bench.progress import Reporter
    from bench.resources import cache_dir
    from bench.workbench import ScoringChoice, Workbench, check_judge, data_spec

    choice = ScoringChoice(scorer=name)
    check_judge(choice)
    opened = open_dataset(
        dataset, root=roots_of(data_roots, [dataset]).get(dataset), direction=direction, source=source
    )
    spec = data_spec(opened, train_limit, None)
    with Reporter() as reporter:
        bench = Workbench(opened, spec, cache_dir(), where, choice, reporter)
        context = bench.context(size_px or opened.card.size_px, "run")
    if context.scorer is None:
        raise UsageError(f"there is no judge to train: {context.scorer_reason}")
    _show(context.scorer.protocol, context.scorer.hash)


def _show(protocol: dict[str, Any], digest: str) -> None:
    for key, value in protocol.items():
        click.echo(f"{key}: {value}")
    click.echo(f"hash: {digest}")

"""`bench data`: show, check, prepare and download data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import SIZE, data_options
from bench.core.errors import UsageError

if TYPE_CHECKING:
    from baselines.sizes import Size


@click.group()
def data() -> None:
    """Show, check, prepare and download data sets."""


@data.command()
@click.argument("name")
@data_options
def info(name: str, data_roots: tuple[str, ...], **asked: Any) -> None:
    """Describe the data set NAME, and what was found of it on disk."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bench.data.acquire.prepare import info as describe
    from bench.data.open_dataset import open_dataset
    from bench.spec.given import data_roots as roots_of

    root = roots_of(data_roots, [name]).get(name)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    dataset = open_dataset(name, root=root, **asked)
    for label, value in describe(dataset):
        table.add_row(Text(label, style="bold"), Text(value, overflow="fold"))
    Console(highlight=False).print(table)


@data.command()
@click.argument("name")
@data_options
def verify(name: str, data_roots: tuple[str, ...], **asked: Any) -> None:
    """Check that every image of NAME is there and can be read (against its manifest, if it has one)."""
    from bench.core.progress import Reporter
    from bench.data.acquire.verify import verify as check
    from bench.spec.given import data_roots as roots_of

    root = roots_of(data_roots, [name]).get(name)
    with Reporter() as reporter:
        counter = reporter.counter(f"checking {name}")
        report = check(name, root, progress=counter, **asked)
    for line in report.lines:
        click.echo(line)
    if not report.ok:
        raise UsageError(f"data set {name} in {root} is not whole: {report.summary}")
    for note in report.notes:
        click.echo(note)
    click.echo(report.summary)


@data.command()
@click.argument("name")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--size",
    "size_px",
    type=SIZE,
    default=256,
    show_default=True,
    metavar="SIZE",
    help="256, or 512x256 (WIDTHxHEIGHT), which keeps the aspect of Cityscapes.",
)
def prepare(name: str, source: Path, out: Path, size_px: Size) -> None:
    """Resize the official tree of NAME in SOURCE once, into the new folder OUT."""
    from baselines.geometry import check_sides
    from baselines.sizes import image_size
    from bench.core.progress import Reporter
    from bench.data.acquire.prepare import prepare as build
    from bench.data.cards import load_card
    from bench.records.output_folder import check_writable

    try:
        check_sides(image_size(size_px))
    except ValueError as error:
        raise UsageError(str(error)) from None
    check_writable(out)
    with Reporter() as reporter:
        made = build(load_card(name), source, out, size_px=size_px, progress=reporter.counter("preparing"))
    click.echo(f"prepared: {made}")


@data.command()
@click.argument("name", metavar="NAME|inception")
@click.option(
    "--to", "root", type=click.Path(path_type=Path), help="Folder for data sets; ./data by default."
)
def fetch(name: str, root: Path | None) -> None:
    """Download the data set NAME, or the Inception weights that FID and KID need.

    A data set's own archives are tried first, then its mirrors; the answer says which was taken.
    """
    from bench.core.progress import Reporter
    from bench.data.acquire.fetch import fetch as download
    from bench.data.acquire.weights import fetch_inception
    from bench.data.cards import load_card

    with Reporter() as reporter:
        counter = reporter.counter(f"downloading {name}")
        if name == "inception":
            click.echo(f"fetched: {fetch_inception(progress=counter)}")
            return
        got = download(load_card(name), root or Path("data"), progress=counter)
    for note in got.notes:
        click.echo(note)
    click.echo(f"fetched: {got.folder}, from {got.took}")
    for address, digest in got.hashes.items():
        click.echo(f"sha256 {digest}  {address}")

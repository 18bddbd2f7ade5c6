"""`bench people`: a page for raters, and what their answers say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.cli.options import data_root_option, names
from bench.core.errors import UsageError


@click.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--to", "destination", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the page."
)
@click.option(
    "--task",
    type=click.Choice(["fooled", "better"]),
    default="fooled",
    show_default=True,
    help="Which was generated (the paper, section 4.1), or which of two variants is better.",
)
@click.option("--variants", metavar="NAMES", help="These only, comma-separated; all by default.")
@click.option(
    "--raters",
    type=click.IntRange(1, 10_000),
    default=60,
    show_default=True,
    help="How many the page is for.",
)
@click.option("--trials", type=click.IntRange(1), default=40, show_default=True, help="Test trials a rater.")
@click.option(
    "--practice",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Practice trials, with feedback.",
)
@click.option(
    "--catch",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Catch trials: easy ones, our addition.",
)
@click.option(
    "--images",
    type=click.IntRange(1),
    metavar="N",
    help="Test images on the page; a quarter more than a rater sees.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of images, order and sides.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["page", "mturk"]),
    default="page",
    show_default=True,
    help="One page that works from disk, or layout and CSV for a crowd-work platform.",
)
@click.option("--image-url", metavar="URL", help="With mturk: where the files in DIR/images will be.")
@data_root_option
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Merge the raters' files in this folder.",
)
@click.option(
    "--catch-share",
    type=click.FloatRange(0, 1),
    default=0.75,
    show_default=True,
    help="With --answers: raters with fewer catch trials right are set aside.",
)
def people(output: Path, destination: Path | None, answers: Path | None, **options: Any) -> None:
    """Let people judge: make a page that shows images of OUT to raters, or merge what they answered.

    \b
    bench people OUT --to DIR                    # DIR/index.html: send it to raters, with a number each
    bench people OUT --answers DIR               # their files -> % fooled, in the records of OUT
    bench people OUT --task better --to DIR      # which of two variants is better?
    bench people OUT --format mturk --image-url https://example.org/images --to DIR
    """
    if (destination is None) == (answers is None):
        raise UsageError(
            "expected either --to DIR, to make a page, or --answers DIR, to merge what came back"
        )
    if answers is not None:
        _merge(output, answers, options["catch_share"])
    elif destination is not None:
        _make(output, destination, options)


def _make(output: Path, destination: Path, options: dict[str, Any]) -> None:
    from bench.core.resources import cache_dir
    from bench.people.page import write_crowd, write_page
    from bench.people.plan import Length
    from bench.people.study import Asked, make
    from bench.records.output_folder import check_writable

    if (options["form"] == "mturk") != (options["image_url"] is not None):
        raise UsageError(
            "expected --image-url URL with --format mturk, and only there: where the images will be"
        )
    check_writable(destination)
    check_writable(output)
    length = Length(options["practice"], options["trials"], options["catch"])
    asked = Asked(
        options["task"],
        names(options["variants"]),
        options["raters"],
        length,
        options["images"],
        options["seed"],
    )
    plan, images = make(output, asked, options["data_roots"], cache_dir())
    if options["form"] == "page":
        path = write_page(plan, images, destination)
        click.echo(
            f"page: {path} ({path.stat().st_size / 2**20:.1f} MiB): {len(images)} images, "
            f"for {len(plan.sessions)} raters"
        )
        click.echo(
            "send it to raters with a number each, such as index.html#7; put their files into one folder"
        )
    else:
        layout, listed = write_crowd(plan, images, destination, options["image_url"])
        click.echo(f"layout: {layout}; one line a rater: {listed}; images: {destination / 'images'}")


def _merge(output: Path, folder: Path, catch_share: float) -> None:
    from bench.people.answers import merge
    from bench.people.results import replaced, write_results
    from bench.people.study import read_plans

    for merged in merge(read_plans(output), folder, catch_share):
        before = replaced(output, merged)
        results = write_results(output, merged, catch_share)
        if before is not None:
            click.echo(f"replaced: the values of page {before}")
        click.echo(
            f"page {merged.plan.page}: {len(merged.raters)} raters; set aside: {len(merged.failed)} for the "
            f"catch trials, {len(merged.unfinished)} unfinished; {merged.off} trials for their timing"
        )
        for variant, result in results:
            ends = result.interval
            interval = f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else ""
            click.echo(f"  {variant}  {result.name}  {100 * (result.value or 0):.1f} %{interval}")
    click.echo(f"the values are in the records: bench report {output}")

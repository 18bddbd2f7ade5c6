"""`bench judge`: the segmentation network behind the FCN score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import (
    SIZE,
    allow_void_option,
    apply,
    choose_device,
    data_options,
    device_options,
    threads_of,
)
from bench.core.errors import UsageError

if TYPE_CHECKING:
    from bench.core.progress import Reporter
    from bench.run.data_in_use import Workbench


@click.group()
def judge() -> None:
    """Train the judge behind the FCN score, or check whether a judge is fit for use."""


def _which(command: Any) -> Any:
    """Options that name a data set, a judge and its use."""
    return apply(
        command,
        click.option("--dataset", required=True, metavar="NAME", help="`bench list datasets`."),
        data_options,
        click.option(
            "--judge",
            "name",
            default="auto",
            show_default=True,
            metavar="NAME",
            help="`bench list judges`, KIND:FILE such as caffe:FILE, or auto. "
            "NAME,judge_px=N gives it a size of its own.",
        ),
        click.option(
            "--size",
            "size_px",
            type=SIZE,
            metavar="SIZE",
            help="Size of the images that it scores, 256 or 512x256; the card's by default.",
        ),
        click.option(
            "--train-limit", type=click.IntRange(1), help="Use this many training pairs, evenly spaced."
        ),
        allow_void_option,
    )


@judge.command()
@_which
@device_options
def train(**options: Any) -> None:
    """Train the judge on real training photos and print its accuracy. `bench run` does this by itself."""
    from bench.core.progress import Reporter

    with Reporter() as reporter:
        bench = _workbench({**options, "test_limit": None}, reporter)
        judge, reason = bench.judge(options["size_px"] or bench.dataset.card.size_px)
    if judge is None:
        raise UsageError(f"there is no judge to train: {reason}")
    _show(judge.protocol, judge.hash)


@judge.command()
@_which
@click.option("--test-limit", type=click.IntRange(1), help="Use this many test photos, evenly spaced.")
@device_options
def check(**options: Any) -> int:
    """Run real test photos through a judge. Exit code 0: it is fit for use; 1: it is not.

    A judge is fit if, on real photos, it beats the constant answer "most frequent class": it closes a quarter
    of the gap to 1 in pixel accuracy and a tenth in class IoU (lower ends of the 95 % intervals). If its
    scores are published (caffe:FILE on Cityscapes at 256 px: 0.80 / 0.26 / 0.21), each must be within 0.05.
    """
    from baselines.sizes import words_of_size
    from bench.core.progress import Reporter
    from bench.scoring.judges.on_real_photos import check_on_real_photos, statements

    with Reporter() as reporter:
        bench = _workbench(options, reporter)
        card = bench.dataset.card
        size = options["size_px"] or card.size_px
        context = bench.context(size, "run")  # "real" would decode the training photos, for other metrics
        known = getattr(context.judge, "published", lambda card, size: None)(card, size)
        with reporter.task(f"checking {options['name']}", len(context.test)) as advance:
            found = check_on_real_photos(context, advance, known)
    if isinstance(found, str):
        raise UsageError(f"there is no judge to check: {found}")
    _show(context.judge.protocol, context.judge.hash)
    click.echo(f"{len(context.test)} real test photos of {card.name} at {words_of_size(size)}")
    for line in statements(found):
        click.echo(line)
    return 0 if found.fit else 1


def _workbench(options: dict[str, Any], reporter: Reporter) -> Workbench:
    device = choose_device(options["device"], options["threads"])
    if device == "cpu":
        threads_of(options, None)
    from bench.core.resources import cache_dir
    from bench.data.datasets import open_dataset
    from bench.run.data_in_use import Workbench
    from bench.spec.grid import data_roots
    from bench.spec.pairs_used import data_spec
    from bench.spec.scoring_choice import ScoringChoice, check_judge_choice

    choice, name = ScoringChoice(judge=options["name"], allow_void=options["allow_void"]), options["dataset"]
    check_judge_choice(choice)
    root = data_roots(options["data_roots"], [name]).get(name)
    asked = {key: options[key] for key in ("direction", "source", "layout")}
    dataset = open_dataset(name, root=root, **asked)
    spec = data_spec(dataset, options["train_limit"], options["test_limit"])
    return Workbench(dataset, spec, cache_dir(), device, choice, reporter)


def _show(protocol: dict[str, Any], digest: str) -> None:
    for key, value in protocol.items():
        click.echo(f"{key}: {value}")
    click.echo(f"hash: {digest}")

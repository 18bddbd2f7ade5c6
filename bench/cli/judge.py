"""`bench judge`: the segmentation network behind the FCN score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import (
    SIZE,
    allow_void_option,
    apply,
    choose_device,
    data_options,
    device_options,
    table_console,
    threads_of,
)
from bench.core.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from bench.core.progress import Reporter
    from bench.records.judge_card import JudgeCard
    from bench.stages.data_in_use import Workbench


@click.group()
def judge() -> None:
    """Train the judge behind the FCN score, check whether a judge is fit for use, or see what it punishes."""


_JUDGE_HELP = (
    "`bench list judges`, KIND:FILE such as caffe:FILE, or auto; NAME,judge_px=N|WxH|size at another size "
    "than the card's."
)


def _where(command: Any) -> Any:
    """Options that name a data set and how a judge uses it."""
    return apply(
        command,
        click.option("--dataset", required=True, metavar="NAME", help="`bench list datasets`."),
        data_options,
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


def _which(command: Any) -> Any:
    """The same, and which judge."""
    named = click.option(
        "--judge", "name", default="auto", show_default=True, metavar="NAME", help=_JUDGE_HELP
    )
    return apply(command, _where, named)


@judge.command()
@_which
@device_options
def train(**options: Any) -> None:
    """Train the judge on real training photos and print its accuracy. `bench run` does this by itself."""
    from bench.core.progress import Reporter

    with Reporter() as reporter:
        bench = _workbench({**options, "test_limit": None}, reporter)
        judge, reason = bench.judges.open(options["size_px"] or bench.dataset.card.size_px)[0]
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


@judge.command()
@click.argument("name", default="auto", metavar="[NAME]")
@_where
@click.option("--test-limit", type=click.IntRange(1), help="Use this many test photos, evenly spaced.")
@click.option(
    "--photos", type=click.IntRange(1), help="Test photos to spoil, evenly spaced; at most 100 by default."
)
@click.option(
    "--write", "file", type=click.Path(path_type=Path), metavar="FILE", help="Also write the card as JSON."
)
@device_options
def card(**options: Any) -> None:
    """Show what a judge makes of real test photos that are blurred, sub-sampled, recoloured and so on:

    \b
    bench judge card fcn-small --dataset toycity
    bench judge card caffe:FILE --dataset cityscapes --data-root DIR --photos 10

    It is measured once for a judge, data set and size, and kept beside the judges in the cache.
    """
    from bench.core.files import write_text
    from bench.core.progress import Reporter
    from bench.scoring.judges.card import PHOTOS, as_text
    from bench.stages.cards import judge_cards

    with Reporter() as reporter:
        bench = _workbench(options, reporter)
        size = options["size_px"] or bench.dataset.card.size_px
        context = bench.context(size, "run")
        if context.judge is None:
            raise UsageError(f"there is no judge to measure: {context.judge_reason}")
        photos = min(options["photos"] or PHOTOS, len(context.test))
        cards = judge_cards(context, bench.judges.identities(size), reporter, photos)
    for one in cards:
        table_console().print(_card_table(one))
    if options["file"] is not None:
        write_text(options["file"], "".join(map(as_text, cards)))


def _card_table(card: JudgeCard) -> Table:
    from rich.table import Table

    title = f"{card.title}: {card.n} real test photos, hash {card.judge_hash[:8]}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for head in ("photos", "", "pixel acc.", "lost", "class acc.", "class IoU", "HF ratio"):
        table.add_column(head, justify="left" if head in ("photos", "") else "right")
    for one in card.grades:
        kind = "as they are" if one is card.real else one.kind
        lost = "" if one is card.real else f"{card.lost(one.pixel_acc):.1%}"
        scores = (f"{value:.3f}" for value in (one.class_acc, one.class_iou))
        sharp = "–" if one.hf_ratio is None else f"{one.hf_ratio:.3f}"
        grade = "" if one is card.real else one.grade
        table.add_row(kind, grade, f"{one.pixel_acc:.3f}", lost, *scores, sharp)
    return table


def _workbench(options: dict[str, Any], reporter: Reporter) -> Workbench:
    device = choose_device(options["device"], options["threads"])
    if device == "cpu":
        threads_of(options, None)
    from bench.core.resources import cache_dir
    from bench.data.open_dataset import open_dataset
    from bench.spec.given import data_roots
    from bench.spec.pairs_used import data_spec
    from bench.spec.scoring_choice import ScoringChoice, check_judge_choice
    from bench.stages.data_in_use import Workbench

    choice, name = ScoringChoice(judge=options["name"], allow_void=options["allow_void"]), options["dataset"]
    check_judge_choice(choice)
    root = data_roots(options["data_roots"], [name]).get(name)
    asked = {key: options[key] for key in ("direction", "source", "layout", "label_values", "ranges")}
    dataset = open_dataset(name, root=root, **asked)
    spec = data_spec(dataset, options["train_limit"], options["test_limit"])
    return Workbench(dataset, spec, cache_dir(), device, choice, reporter)


def _show(protocol: dict[str, Any], digest: str) -> None:
    for key, value in protocol.items():
        click.echo(f"{key}: {value}")
    click.echo(f"hash: {digest}")

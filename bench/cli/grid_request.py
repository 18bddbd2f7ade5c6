"""The grid that `bench run` and `bench train` are asked for: its options, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import SIZE, Command, apply, data_options, engine_option, names, validation_options
from bench.core.errors import UsageError

if TYPE_CHECKING:
    from bench.spec.grid import GridRequest, Plan
    from bench.stages.start_from import Start


def grid_options(command: Command) -> Command:
    """What is trained, on what, for how long."""
    return apply(
        command,
        click.option("--variants", metavar="NAMES", help="Comma-separated, such as l1,cgan,l1+cgan."),
        click.option(
            "--model",
            "models",
            multiple=True,
            metavar="NAME=KIND:WHERE",
            help="A generator trained elsewhere as a row (repeatable): released:FILE, torchscript:FILE, "
            "onnx:FILE or python:MODULE:CALLABLE, with options after commas.",
        ),
        click.option("--suite", metavar="NAME", help="A table of the paper (`bench list suites`)."),
        click.option(
            "--dataset", "datasets", metavar="NAMES", help="Comma-separated; `bench list datasets`."
        ),
        data_options,
        click.option("--seeds", default="0", show_default=True, metavar="LIST", help="0,1,2 or 0-2."),
        click.option(
            "--epochs", type=float, help="Passes over the training pairs; the data set's card by default."
        ),
        click.option("--steps", type=click.IntRange(1), help="Optimisation steps, instead of epochs."),
        click.option(
            "--keep-at",
            metavar="LIST",
            help="Also score shorter lengths, such as 2,8,25: a row each, all from one training.",
        ),
        click.option(
            "--size",
            "size_px",
            type=SIZE,
            metavar="SIZE",
            help="256 (a square), 512x256 (WIDTHxHEIGHT), or native: each image its own size.",
        ),
        click.option("--batch-size", type=click.IntRange(1), help="Pairs a step (the paper: 1)."),
        click.option(
            "--base-filters", type=click.IntRange(1), help="Width of the first layers (the paper: 64)."
        ),
        click.option(
            "--precision", type=click.Choice(["default", "fp32", "tf32", "bf16"]), help="Arithmetic."
        ),
        engine_option,
        click.option(
            "--set", "sets", multiple=True, metavar="FIELD=V,...", help="Sweep a field (`bench list fields`)."
        ),
        click.option(
            "--variant-file", type=click.Path(path_type=Path), help="TOML with [variants.NAME] tables."
        ),
        click.option(
            "--recipe",
            "recipes",
            metavar="NAMES",
            help="paper, released, modern: named sets of fields and settings (`bench list recipes`).",
        ),
        click.option(
            "--init-from",
            metavar="FILE",
            help="Start generators from a checkpoint, or released:FILE of the released code (fine-tuning).",
        ),
        click.option(
            "--train-limit", type=click.IntRange(1), help="Use this many training pairs, evenly spaced."
        ),
        click.option("--test-limit", type=click.IntRange(1), help="Use this many test pairs, evenly spaced."),
        validation_options,
        click.option(
            "--test-dropout/--no-test-dropout",
            default=True,
            show_default=True,
            help="Dropout at test time (the paper: on).",
        ),
        click.option(
            "--test-norm",
            type=click.Choice(["batch", "running"]),
            default="batch",
            show_default=True,
            help="Test-time statistics: the image's (the paper) or training's.",
        ),
    )


def request_of(options: dict[str, Any]) -> GridRequest:
    """The `GridRequest` given by `grid_options`."""
    from baselines.settings import TestSettings
    from bench.spec.given import parse_lengths, parse_seeds
    from bench.spec.grid import GridRequest
    from bench.spec.models import parse_models

    return GridRequest(
        variants=names(options["variants"]),
        suite=options["suite"],
        recipes=names(options["recipes"]),
        datasets=names(options["datasets"]),
        seeds=parse_seeds(options["seeds"]),
        keep_at=parse_lengths(options["keep_at"]),
        test=TestSettings(options["test_dropout"], options["test_norm"]),
        models=parse_models(options.get("models", ())),
        both_directions=options.get("both_directions", False),
        **{key: options[key] for key in _REQUESTED},
    )


_REQUESTED = (
    "data_roots", "direction", "source", "layout", "label_values", "ranges", "train_limit", "test_limit",
    "epochs",
    "steps", "size_px", "batch_size", "base_filters", "precision", "engine", "sets", "variant_file",
    "val_limit", "val_share", "eval_every", "choose", "init_from",
)  # fmt: skip


def start_of(options: dict[str, Any]) -> Start | None:
    """What `--init-from` names; None without it."""
    if not options["init_from"]:
        return None
    from bench.stages.start_from import open_start

    if options["launcher"] == "ray":
        raise UsageError(
            "expected --launcher local or slurm with --init-from, found ray, whose nodes may share no files"
        )
    return open_start(options["init_from"])


def check_starts(start: Start | None, plans: list[Plan]) -> None:
    """Refuse a start that does not fit a run, before anything is written."""
    if start is None:
        return
    from bench.stages.start_from import check_start

    check_start(
        start,
        (
            (spec.variant, spec.training, (plan.dataset.source_channels, plan.dataset.target_channels))
            for plan in plans
            for spec in plan.runs
        ),
    )

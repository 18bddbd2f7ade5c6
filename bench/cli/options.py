"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.core.errors import UsageError
from bench.scoring.metrics.catalogue import FID_PROTOCOLS
from bench.scoring.metrics.feature_choice import with_features
from bench.scoring.metrics.named_keys import metric_keys
from bench.spec.policy import CHEAP_METRICS, LAST, TRACKERS

if TYPE_CHECKING:
    from rich.console import Console

    from baselines.settings import EngineName
    from baselines.sizes import Size
    from bench.spec.policy import Policy
    from bench.spec.scoring_choice import ScoringChoice

Command = Callable[..., Any]


class SizeType(click.ParamType):  # type: ignore[type-arg]
    """A size in the form of documents (`baselines.sizes`)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        from baselines.sizes import parse_size

        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


SIZE = SizeType()
_LOG_WIDTH = 120


def names(text: str | None) -> tuple[str, ...]:
    """The names in a comma-separated list, in order, each once; commas in brackets belong to a name."""
    parts = re.split(r",(?![^\[\]]*\])", text or "")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def table_console() -> Console:
    """A console for wide tables; outside a terminal (in the log of a CI job) it does not wrap names."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _LOG_WIDTH)
    return console


def apply(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add `options` to `command`; `--help` shows them in that order."""
    for option in reversed(options):
        command = option(command)
    return command


def data_root_option(command: Command) -> Command:
    """Where the data is."""
    return click.option(
        "--data-root",
        "data_roots",
        multiple=True,
        metavar="DIR",
        help="Folder of the data set (or archive, list of pairs, parquet file), or one that holds data "
        "sets by name; NAME=DIR for several.",
    )(command)


def layout_option(command: Command) -> Command:
    """How the files are arranged."""
    return click.option(
        "--layout", metavar="NAME", help="Layout of the files, where several fit; see `bench data info`."
    )(command)


def label_values_option(command: Command) -> Command:
    """What gray label files hold."""
    return click.option(
        "--label-values",
        type=click.Choice(["ids", "trainids", "colours"]),
        help="What gray label files hold; found out by default (colours: gray levels of the card's colours).",
    )(command)


def _parsed_ranges(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> Any:
    """Domain -> (lowest, highest)."""
    from bench.data.measured import parse_ranges

    return parse_ranges(given) if given else {}


def data_options(command: Command) -> Command:
    """Where the data is, how it is arranged, and which side is the source."""
    return apply(
        command,
        data_root_option,
        click.option(
            "--direction",
            metavar="A2B",
            help="Such as photo2labels, or AtoB (left to right) and BtoA; the data set's own by default.",
        ),
        click.option(
            "--source",
            type=click.Choice(["paired", "gray", "edges"]),
            default="paired",
            show_default=True,
            help="Derive the source from the target (for a folder of plain photos).",
        ),
        layout_option,
        label_values_option,
        click.option(
            "--data-range",
            "ranges",
            multiple=True,
            callback=_parsed_ranges,
            metavar="DOMAIN=LOW,HIGH",
            help="Range of 16-bit or float images, as depth=0,80; by default floats have that of training.",
        ),
    )


def device_options(command: Command) -> Command:
    """Where the work is done."""
    return apply(
        command,
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
        click.option(
            "--threads",
            type=click.IntRange(1, 1024),
            help="CPU threads; by default the cores that other work leaves free, and as an output began.",
        ),
    )


def scoring_options(command: Command) -> Command:
    """What is scored, and by which judge."""
    return apply(
        command,
        click.option(
            "--metrics",
            metavar="KEYS",
            help="Metric keys, comma-separated; all by default (`all,KEY` adds some).",
        ),
        click.option(
            "--judge",
            default="auto",
            show_default=True,
            metavar="NAME",
            help="Judge behind the FCN score: auto, none, a name of `bench list judges`, or KIND:FILE; "
            "NAME,judge_px=N|WxH|size at another size than the card's; NAME,NAME: several.",
        ),
        click.option(
            "--inception-weights",
            type=click.Path(path_type=Path),
            envvar="PIX2PIX_BENCH_INCEPTION",
            metavar="FILE",
            help="Weights for FID and KID; also $PIX2PIX_BENCH_INCEPTION, or `bench data fetch inception`.",
        ),
        click.option(
            "--fid-protocol",
            type=click.Choice(FID_PROTOCOLS),
            default=FID_PROTOCOLS[0],
            show_default=True,
            help="Resize and normalisation before Inception, as that implementation does them.",
        ),
        click.option(
            "--features",
            metavar="NAME",
            help="Adds precision, recall, density, coverage and the Fréchet distance in these features: "
            "lite0, inception or FILE[,input=KIND][,size=PX], a TorchScript network.",
        ),
        allow_void_option,
    )


def allow_void_option(command: Command) -> Command:
    """Whether label maps may be mostly void."""
    return click.option(
        "--allow-void", is_flag=True, help="Go on with label maps that are more than half void."
    )(command)


def scoring_choice(options: dict[str, Any]) -> ScoringChoice:
    """The `ScoringChoice` given by `scoring_options`.

    Raises:
        UsageError: for a judge that cannot be used.
    """
    from bench.spec.scoring_choice import ScoringChoice, check_judge_choice

    features = options["features"]
    metrics = with_features(metric_keys(options["metrics"]), features)
    choice = ScoringChoice(
        metrics,
        options["judge"],
        options["inception_weights"],
        options["fid_protocol"],
        options["allow_void"],
        features,
    )
    check_judge_choice(choice)
    return choice


def policy_options(command: Command) -> Command:
    """What is kept of runs, and what is tried again."""
    return apply(
        command,
        click.option(
            "--keep",
            type=click.Choice(["none", "last", "all"]),
            default="last",
            show_default=True,
            help="Generators of scored runs: none, the last, or those of all sample points.",
        ),
        click.option("--retry", is_flag=True, help="Train runs that have diverged again."),
        click.option(
            "--space-check/--no-space-check",
            default=True,
            help="Refuse to start if the disk has too little room (the default), or start anyway.",
        ),
        click.option("--checkpoint-every", type=click.FloatRange(0), default=60.0, hidden=True),
        click.option(
            "--log",
            multiple=True,
            type=click.Choice(TRACKERS),
            help="Also log losses, samples and scores there (repeatable); files go to OUT/logs.",
        ),
    )


def policy_of(options: dict[str, Any], lengths: tuple[int, ...] = ()) -> Policy:
    """The `Policy` given by `policy_options`; `lengths` are those of `--keep-at`."""
    from bench.spec.policy import Policy
    from bench.stages.trackers import check_trackers

    log = tuple(dict.fromkeys(options["log"]))
    check_trackers(log)
    return Policy(
        keep=options["keep"],
        checkpoint_every=options["checkpoint_every"],
        retry=options["retry"],
        log=log,
        lengths=lengths,
        eval_every=options["eval_every"] or 0,
        eval_metrics=metric_keys(options["eval_metrics"]) or CHEAP_METRICS,
        both_directions=options.get("both_directions", False),
    )


def validation_options(command: Command) -> Command:
    """Validation images, what is scored on them during training, and which step is taken."""
    return apply(
        command,
        click.option(
            "--val-share",
            type=click.FloatRange(0, 1, max_open=True),
            default=0.0,
            metavar="SHARE",
            help="Hold this share of the training pairs out for validation (0.1); none by default.",
        ),
        click.option(
            "--val-limit",
            type=click.IntRange(1),
            help="Use this many pairs of the data set's own split val, evenly spaced.",
        ),
        click.option(
            "--eval-every",
            type=click.IntRange(1),
            metavar="STEPS",
            help="Score on the validation images every so many steps; never by default.",
        ),
        click.option(
            "--eval-metrics",
            metavar="KEYS",
            help=f"What --eval-every scores; {','.join(CHEAP_METRICS)} by default.",
        ),
        click.option(
            "--choose",
            default=LAST,
            show_default=True,
            metavar="WHICH",
            help="Step whose generator is taken: last (the paper), or best:METRIC on the validation images.",
        ),
    )


def engine_option(command: Command) -> Command:
    """How training steps are executed."""
    return click.option(
        "--engine",
        type=click.Choice(["auto", "captured", "eager"]),
        default="auto",
        show_default=True,
        help="Steps as one CUDA graph, or operation by operation; auto: captured on a GPU.",
    )(command)


def choose_engine(name: str, device: str) -> EngineName:
    """ "captured" or "eager", for a device from `choose_device`.

    Raises:
        UsageError: if a captured step is wanted without a GPU.
    """
    on_gpu = device.startswith("cuda")
    if name == "captured" and not on_gpu:
        raise UsageError("expected a CUDA device for --engine captured, found none: use --engine auto")
    return "captured" if on_gpu and name != "eager" else "eager"


def choose_device(name: str, threads: int | None) -> str:
    """The device as torch names it; also sets the number of CPU threads.

    Raises:
        UsageError: if it does not exist.
    """
    import torch

    from baselines.engine import resolve_device

    try:
        device = resolve_device(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if threads:
        torch.set_num_threads(threads)
    return str(device)


def threads_of(options: dict[str, Any], out: Path | None, jobs: int = 1) -> int | None:
    """The CPU threads of a run: `--threads`, or what `default_threads` finds; sets and says them.

    Args:
        options: of the command.
        out: where the output is kept; None: the work is new.
        jobs: runs at once.
    """
    import torch

    from bench.launch.threads import default_threads

    if options["threads"]:
        return int(options["threads"])
    found = default_threads(out, jobs)
    if found.said:
        click.echo(found.said, err=True)
    if found.count:
        torch.set_num_threads(found.count)
    return found.count


def command_line() -> str:
    """The command as typed, for records."""
    return str(click.get_current_context().find_root().obj.get("command", "bench"))

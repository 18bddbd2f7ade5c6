"""`bench speed`: how fast training steps are, and how fast they could be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import SIZE, choose_device, choose_engine, device_options, engine_option, names
from bench.core.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from bench.launch.cost.measure import Question

FORMAT = 1


@click.command()
@click.option("--variants", default="l1+cgan", show_default=True, metavar="NAMES", help="Comma-separated.")
@click.option(
    "--size",
    "size_px",
    type=SIZE,
    default=256,
    show_default=True,
    metavar="SIZE",
    help="256 (a square) or 512x256 (WIDTHxHEIGHT).",
)
@click.option("--batch-size", type=click.IntRange(1), default=1, show_default=True, help="Pairs a step.")
@click.option(
    "--base-filters", type=click.IntRange(1), default=64, show_default=True, help="Width of the first layers."
)
@click.option(
    "--precision",
    type=click.Choice(["default", "fp32", "tf32", "bf16"]),
    default="default",
    show_default=True,
    help="Arithmetic.",
)
@engine_option
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Processes side by side on one device.",
)
@click.option(
    "--steps",
    type=click.IntRange(2),
    default=20,
    show_default=True,
    help="Timed steps of each; on a GPU at least 200.",
)
@device_options
@click.option("--json", "json_file", metavar="FILE", help="Also write the numbers to FILE; - is stdout.")
def speed(json_file: str | None, **options: Any) -> None:
    """Measure training steps, and count the least work that they do. Needs no data.

    \b
    bench speed --variants l1,l1+cgan --size 128
    bench speed --jobs 4 --json -

    The floor is the time for the counted operations or for the counted bytes, the longer of both. Operations
    run at the speed of a large matrix product (on a CPU, of a convolution if that is faster), bytes at the
    speed of a large copy. `bench run --dry-run` uses the measured times.
    """
    import json
    import sys

    from rich.console import Console

    from baselines.engine import describe_device, resolve_device
    from bench.core.environment import environment
    from bench.core.files import write_text
    from bench.launch.cost.kept_times import keep
    from bench.launch.cost.measure import measure

    questions = _questions(options)
    results = []
    for question in questions:
        results.append(measure(question))
        keep(question, results[-1])
    device = describe_device(resolve_device(questions[0].device))
    console = Console(highlight=False, stderr=json_file == "-")
    console.print(_table(results, device))
    for line in _notes(results):
        console.print(line, markup=False, soft_wrap=True)
    if json_file is not None:
        content = {"format": FORMAT, "environment": environment(device), "results": results}
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        if json_file == "-":
            sys.stdout.write(text)
        else:
            write_text(Path(json_file), text)


def _questions(options: dict[str, Any]) -> list[Question]:
    import torch

    from baselines.engine import resolve_device, set_precision
    from baselines.geometry import fitting
    from baselines.objectives.scheme import check_fits
    from baselines.settings import TrainingSettings
    from baselines.sizes import NATIVE
    from bench.core.cores import cores
    from bench.launch.cost.measure import Question
    from bench.spec.named_files import with_content
    from bench.spec.recipes import get_recipe
    from bench.spec.variants import by_recipes

    device = choose_device(options["device"], options["threads"])
    threads = options["threads"] or max(1, min(cores(), torch.get_num_threads()) // options["jobs"])
    if options["size_px"] == NATIVE:
        raise UsageError("expected one size for all images, found native: give --size 256 or 512x256")
    fields = ("steps", "size_px", "batch_size", "base_filters", "precision")
    try:
        engine = choose_engine(options["engine"], device)
        settings = TrainingSettings(**{name: options[name] for name in fields}, engine=engine)
        set_precision(settings.precision, resolve_device(device))
    except ValueError as error:
        raise UsageError(str(error)) from None
    questions = []
    for name in names(options["variants"]):
        ((chosen, recipe),) = by_recipes(name, ())
        variant = with_content(chosen).at_size(settings.size_px)
        of_recipe = {} if recipe is None else get_recipe(recipe).training
        cooked = replace(settings, **variant.training, **of_recipe)
        if variant.receptive_field not in (None, *fitting(settings.size_px)):
            raise UsageError(
                f"variant '{name}': a {variant.receptive_field} px receptive field cannot be built at "
                f"{settings.size_px} px: use a larger --size"
            )
        try:
            check_fits(variant, cooked, (3, 3))
        except ValueError as error:
            raise UsageError(f"variant '{name}': {error}") from None
        questions.append(Question(variant, cooked, (3, 3), device, threads, options["jobs"]))
    if not questions:
        raise UsageError("expected variant names in --variants, found none: `bench list variants`")
    return questions


_HEADS = (
    "variant", "ms a\nstep", "quartiles", "images\n/s", "GFLOP", "MB", "floor\nms", "share of\nfloor", "wait",
    "memory\nMB",
)  # fmt: skip


def _table(results: list[dict[str, Any]], device: str) -> Table:
    from rich.table import Table

    first = results[0]
    title = (
        f"{first['size_px']} px, batch size {first['batch_size']}, {first['base_filters']} filters, "
        f"{first['precision']} precision, {first['engine']}, {first['steps']} steps on {device}, "
        f"threads {first['threads']}" + (f", {first['jobs']} processes" if first["jobs"] > 1 else "")
    )
    table = Table(title=title, box=None, title_justify="left", padding=(0, 1, 0, 0))
    for head in _HEADS:
        table.add_column(head, justify="left" if head == "variant" else "right", no_wrap=True)
    for result in results:
        low, high = result["ms_per_step_quartiles"]
        memory = result["peak_memory_bytes"]
        table.add_row(
            result["variant"],
            f"{result['ms_per_step']:.4g}",
            f"{low:.4g}–{high:.4g}",
            f"{result['images_per_second']:.4g}",
            f"{result['flops_per_step'] / 1e9:.4g}",
            f"{result['bytes_per_step'] / 1e6:,.0f}",
            f"{result['floor_ms']:.3g}",
            f"{result['share_of_floor']:.0%}",
            f"{result['data_wait_share']:.1%}",
            "–" if memory is None else f"{memory / 1e6:,.0f}",
        )
    return table


def _notes(results: list[dict[str, Any]]) -> list[str]:
    first = results[0]
    lines = [
        f"floor: at {first['peak_flops_per_second'] / 1e9:,.0f} GFLOP/s (product or convolution) and "
        f"{first['peak_bytes_per_second'] / 1e9:,.1f} GB/s (copy), measured; the longer of both. GFLOP, MB: "
        "counted; MB of weights, gradients and Adam",
        "wait: share of the time spent waiting for data; memory: the largest amount used",
    ]
    for result in results:
        if result["engine_reason"]:
            lines.append(f"{result['variant']}: {result['engine_used']}: {result['engine_reason']}")
    if first["jobs"] > 1:
        lines.append("ms a step is that of each process; images/s and share are those of all together")
    return lines

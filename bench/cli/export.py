"""`bench export`: a trained generator as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_FORMATS = ("released", "torchscript", "onnx")


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    required=True,
    help="State dict for the released PyTorch code (U-Nets of 128, 256 px), or a program of uint8 images.",
)
@click.option("--to", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The new file.")
@click.option(
    "--deterministic",
    is_flag=True,
    help="No dropout, and batch statistics of training; by default both as at test time.",
)
def export(checkpoint: Path, form: Any, to: Path, deterministic: bool) -> None:
    """Write the generator of CHECKPOINT (OUT/runs/ID/checkpoint.safetensors) for other programs.

    \b
    bench export CHECKPOINT --format onnx --to generator.onnx
    """
    from bench.stages.models.export import export as write

    for line in write(checkpoint, to, form, deterministic=deterministic):
        click.echo(line)

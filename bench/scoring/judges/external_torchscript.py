"""`--judge torchscript:FILE`: a network saved with `torch.jit.save`.

Such a file is a program, and it is run: see `bench.scoring.outside_networks`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bench.core.files import sha256_file
from bench.data.types import DatasetCard
from bench.scoring.judges.external_base import (
    ForeignJudge,
    file_and_options,
    make_judge,
    preparation,
)
from bench.scoring.outside_networks import load_script, standard


def check(rest: str) -> None:
    """Refuse a missing file and unusable options.

    Raises:
        UsageError: saying what is wrong.
    """
    file_and_options(rest, "a TorchScript file")


def open_judge(rest: str, card: DatasetCard, device: str) -> ForeignJudge:
    """The network of `FILE[,classes=MAP][,input=unit][,size=own]` as a judge.

    It takes (N, 3, H, W) float32 and returns scores (N, C, h, w), alone, first of a tuple, or under "out".

    Raises:
        UsageError: if the file is not TorchScript, or the network does not fit.
    """
    path, options = file_and_options(rest, "a TorchScript file")
    network = load_script(path, device)
    prepare = preparation(options, standard("unit"))
    return make_judge(
        "torchscript",
        sha256_file(path),
        lambda images: scores_of(network(images)),
        prepare,
        card,
        options=options,
        device=device,
    )


def scores_of(output: Any) -> Tensor:
    """The scores in what a segmentation network returns: a tensor, the first of several, or "out"."""
    if isinstance(output, dict):
        output = output.get("out", next(iter(output.values()), None))
    elif isinstance(output, tuple | list) and output:
        output = output[0]
    found: Tensor = output
    return found

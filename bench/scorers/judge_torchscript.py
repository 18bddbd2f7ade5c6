"""`--scorer torchscript:FILE`: a network saved with `torch.jit.save`. Such a file is code: it is run."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from bench.data.types import DatasetCard
from bench.errors import UsageError
from bench.files import sha256_file
from bench.scorers.adapters import split_options
from bench.scorers.judge_base import (
    OPTIONS,
    ForeignJudge,
    check_options,
    existing_file,
    judge,
    preparation,
    standard,
)


def check(rest: str) -> None:
    """Refuse a missing file and options that cannot be used.

    Raises:
        UsageError: saying what is wrong.
    """
    file, options = split_options(rest, OPTIONS)
    existing_file(file, "a TorchScript file")
    check_options(options)


def open_scorer(rest: str, card: DatasetCard, device: str) -> ForeignJudge:
    """The network of `FILE[,classes=MAP][,input=unit][,size=own]` as a judge.

    It takes (N, 3, H, W) float32 and returns scores (N, C, h, w), alone, first of a tuple, or under "out".

    Raises:
        UsageError: if the file is no TorchScript, or the network does not fit.
    """
    file, options = split_options(rest, OPTIONS)
    path = existing_file(file, "a TorchScript file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch recommends other formats for new files
            network = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        said = str(error).strip().partition("\n")[0]
        raise UsageError(f"expected a TorchScript file at {path}: {said}") from None
    prepare = preparation(options, standard("unit"))
    return judge(
        "torchscript",
        sha256_file(path),
        lambda pictures: scores_of(network(pictures)),
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

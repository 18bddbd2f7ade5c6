"""`--judge torchscript:FILE`: a network saved with `torch.jit.save`.

Such a file is a TorchScript program, and it is run. It has no access to Python, but some tensor operations
read or write files. A program that names them, or operations of other libraries, is refused before it is
loaded. A program may still run forever or fill the memory: only name files of people you trust.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.core.torchscript import check_code
from bench.data.types import DatasetCard
from bench.scoring.judges.external_base import (
    ForeignJudge,
    file_and_options,
    make_judge,
    preparation,
    standard,
)


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
    check_code(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch recommends other formats for new files
            network = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except Exception as error:  # torch's archive reader raises many kinds of errors
        said = str(error).strip().partition("\n")[0][:200]
        raise UsageError(f"expected a TorchScript file at {path}: {said}") from None
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

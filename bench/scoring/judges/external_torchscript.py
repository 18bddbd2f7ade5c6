"""`--judge torchscript:FILE`: a network saved with `torch.jit.save`.

Such a file is a TorchScript program, and it is run. It has no access to Python, but some tensor operations
read or write files. A program that names them, or operations of other libraries, is refused before it is
loaded. A program may still run forever or fill the memory: only name files of people you trust.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.data.types import DatasetCard
from bench.scoring.judges.external_base import (
    ForeignJudge,
    file_and_options,
    make_judge,
    preparation,
    standard,
)

_REACHES_OUT = re.compile(
    rb"\b(?:save|from_file|read_file|write_file)\b|\bops\s*\.\s*(?!(?:prim|aten|quantized|torchvision)\b)\w+"
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


def load_script(path: Path, device: str) -> Any:
    """The program of a TorchScript file, checked before it is loaded.

    Raises:
        UsageError: if the file is not TorchScript, or its program reaches out of it.
    """
    _check_code(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch recommends other formats for new files
            return torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except Exception as error:  # torch's archive reader raises many kinds of errors
        said = str(error).strip().partition("\n")[0][:200]
        raise UsageError(f"expected a TorchScript file at {path}: {said}") from None


def _check_code(path: Path) -> None:
    """Refuse a program that reaches files, and an archive that unpacks to much more than its size."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 100 * path.stat().st_size:
                raise ValueError("its content is a hundred times as large as the file")
            for entry in archive.infolist():
                if "/code/" in f"/{entry.filename}" and (found := _REACHES_OUT.search(archive.read(entry))):
                    raise ValueError(f"its program names '{found[0].decode()}', which reaches out of it")
    except Exception as error:  # zipfile raises nearly anything on damaged files
        raise UsageError(f"expected a TorchScript file at {path}: {error}") from None


def scores_of(output: Any) -> Tensor:
    """The scores in what a segmentation network returns: a tensor, the first of several, or "out"."""
    if isinstance(output, dict):
        output = output.get("out", next(iter(output.values()), None))
    elif isinstance(output, tuple | list) and output:
        output = output[0]
    found: Tensor = output
    return found

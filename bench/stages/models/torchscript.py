"""`--model NAME=torchscript:FILE`: a generator saved with `torch.jit.save`, a program that is run."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.settings import TestSettings
from bench.core.errors import UsageError
from bench.core.torchscript import check_code
from bench.spec.models import Model
from bench.stages.models.opened import Asked, Images, Opened, bytes_of, scaled_in, value_range

METADATA = "bench.json"
"""The extra file in an archive of `bench export`, with what is known of the generator."""


def open_torchscript(model: Model, images: Images, test: TestSettings, device: str) -> Opened:
    """The program of `FILE[,range=LO..HI][,in=LO..HI][,out=LO..HI]`.

    It takes (N, C, H, W) and returns (N, C', H, W): floats in the stated ranges, or uint8 in and out in
    files of `bench export`. What is random in it is seeded for each image.

    Raises:
        UsageError: if the file is not TorchScript, or its ranges are not stated.
    """
    path, extra = Path(model.where), {METADATA: ""}
    try:
        check_code(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch recommends other formats for new files
            network = torch.jit.load(str(path), map_location=device, _extra_files=extra)  # type: ignore[no-untyped-call]
        about = json.loads(extra[METADATA]) if extra[METADATA] else {}
    except Exception as error:  # torch's archive reader raises many kinds of errors
        said = str(error).strip().partition("\n")[0][:200]
        raise UsageError(f"expected a TorchScript file at {path} for --model: {said}") from None
    limits = None if about.get("bytes") else (value_range(model, "in"), value_range(model, "out"))

    def translate(asked: Asked) -> Iterator[NDArray[Any]]:
        for source, seed in asked:
            shape = (1, images.target_channels, *source.shape[:2])
            planes = source.transpose(2, 0, 1)[None]
            given = np.ascontiguousarray(planes) if limits is None else scaled_in(planes, limits[0])
            with torch.random.fork_rng(), torch.inference_mode():
                torch.manual_seed(seed)
                made = _run(model, network, torch.from_numpy(given).to(device))
            yield bytes_of(model, made, shape, None if limits is None else limits[1])[0].transpose(1, 2, 0)

    count = sum(parameter.numel() for parameter in network.parameters())
    return Opened(translate, {"parameters": count, **({"stated": about} if about else {})})


def _run(model: Model, network: Any, given: torch.Tensor) -> Any:
    try:
        made = network(given)
    except Exception as error:  # whatever the program raises
        said = " ".join(str(error).split())[-200:]
        raise UsageError(f"model {model.name}: its program fails on {tuple(given.shape)}: {said}") from None
    return made.cpu().numpy() if isinstance(made, torch.Tensor) else made

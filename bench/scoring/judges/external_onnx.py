"""`--judge onnx:FILE`: a network in ONNX, run by onnxruntime (the extra `onnx`)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.data.types import DatasetCard
from bench.scoring.judges.external_base import (
    ForeignJudge,
    file_and_options,
    make_judge,
    needed_package,
    preparation,
)
from bench.scoring.outside_networks import standard


def check(rest: str) -> None:
    """Refuse a missing file or package, and unusable options.

    Raises:
        UsageError: saying what is wrong.
    """
    file_and_options(rest, "an ONNX file")
    needed_package("onnxruntime", "onnx", "onnx")


def open_judge(rest: str, card: DatasetCard, device: str) -> ForeignJudge:
    """The network of `FILE[,classes=MAP][,input=unit][,size=own]` as a judge.

    Its one input is (N, 3, H, W) float32, its first output is scores (N, C, h, w). H and W may be fixed, and
    N may be fixed to 1.

    Raises:
        UsageError: if the file cannot be read, or the network does not fit.
    """
    path, options = file_and_options(rest, "an ONNX file")
    session = _session(path, device)
    fixed = _fixed_size(session, path)
    prepare = preparation(options, standard("unit", fixed))
    if fixed is not None and prepare.size != fixed:
        raise UsageError(
            f"expected size={fixed[0]} for {path}, which takes no other size: leave the option out"
        )
    # onnxruntime uses its own device, so images and scores pass through the CPU.
    return make_judge(
        "onnx", sha256_file(path), _Network(session), prepare, card, options=options, device="cpu"
    )


class _Network:
    """An onnxruntime session as a function of torch tensors."""

    def __init__(self, session: Any) -> None:
        self._session = session
        first = session.get_inputs()[0]
        self._input: str = first.name
        self._one_by_one = isinstance(first.shape[0], int)

    def __call__(self, images: Tensor) -> Tensor:
        parts = torch.split(images, 1) if self._one_by_one else [images]
        found = [self._session.run(None, {self._input: part.numpy()})[0] for part in parts]
        return torch.from_numpy(np.concatenate(found))


def _session(path: Path, device: str) -> Any:
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    providers = [name for name in wanted if name in runtime.get_available_providers()]
    try:
        return runtime.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has its own errors
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"expected an ONNX file at {path}: {said}") from None


def _fixed_size(session: Any, path: Path) -> tuple[int, int] | None:
    """The input size that the file fixes, or None; refuses inputs that are not RGB images."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    fits = len(shape) == 4 and (shape[0] in (1, None) or isinstance(shape[0], str))
    if not fits or shape[1] != 3 or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in inputs)
        raise UsageError(f"expected one float input (N, 3, H, W) in {path}, found {found}: export it so")
    height, width = shape[2:]
    if isinstance(height, int) and isinstance(width, int):
        if not (8 <= height <= 8192 and 8 <= width <= 8192):
            raise UsageError(f"expected images of 8 to 8192 px in {path}, found {height}x{width}")
        return height, width
    return None

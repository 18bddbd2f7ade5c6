"""`--model NAME=onnx:FILE`: a generator in ONNX, run by onnxruntime (the extra `onnx`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.settings import TestSettings
from bench.core.errors import UsageError
from bench.spec.models import Model
from bench.stages.models.opened import Asked, Images, Opened, bytes_of, scaled_in, value_range

_FLOAT, _BYTES = "tensor(float)", "tensor(uint8)"
METADATA = "bench"
"""The entry of the metadata of `bench export`."""


def open_onnx(model: Model, images: Images, test: TestSettings, device: str) -> Opened:
    """The graph of `FILE[,range=LO..HI][,in=LO..HI][,out=LO..HI]`.

    Its one input is (N, C, H, W) float32 in the stated range or uint8, its first output (N, C', H, W) float32
    in the stated range or uint8. Random operations in a graph have no seed for each image.

    Raises:
        UsageError: if it is no such graph, onnxruntime is missing, or its ranges are not stated.
    """
    path = Path(model.where)
    session = _session(model, path, device)
    given, made = session.get_inputs()[0], session.get_outputs()[0]
    _check_inputs(model, session, images)
    limits_in = None if given.type == _BYTES else value_range(model, "in")
    limits_out = None if made.type == _BYTES else value_range(model, "out")

    def translate(asked: Asked) -> Iterator[NDArray[Any]]:
        for source, _ in asked:
            planes = np.ascontiguousarray(source.transpose(2, 0, 1)[None])
            entry = planes if limits_in is None else scaled_in(planes, limits_in)
            try:
                found = session.run([made.name], {given.name: entry})[0]
            except Exception as error:  # onnxruntime has its own errors
                said = " ".join(str(error).split())[:200]
                raise UsageError(f"model {model.name}: its graph fails on {entry.shape}: {said}") from None
            shape = (1, images.target_channels, *source.shape[:2])
            yield bytes_of(model, found, shape, limits_out)[0].transpose(1, 2, 0)

    stated = session.get_modelmeta().custom_metadata_map.get(METADATA)
    return Opened(translate, {"stated": json.loads(stated)} if stated else {})


def _session(model: Model, path: Path, device: str) -> Any:
    try:
        runtime: Any = import_module("onnxruntime")
    except ImportError:
        raise UsageError(
            f"model {model.name}: expected the package onnxruntime, found none: "
            "pip install 'pix2pix-bench[onnx]'"
        ) from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # its errors are raised too
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    providers = [name for name in wanted if name in runtime.get_available_providers()]
    try:
        return runtime.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has its own errors
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"expected an ONNX file at {path} for --model: {said}") from None


def _check_inputs(model: Model, session: Any, images: Images) -> None:
    """Refuse a graph whose input or output is no image of the data's channels."""
    inputs, output = session.get_inputs(), session.get_outputs()[0]
    for one, channels, what in (
        (inputs[0], images.source_channels, "input"),
        (output, images.target_channels, "output"),
    ):
        shape = list(one.shape)
        fits = len(shape) == 4 and (shape[1] == channels or not isinstance(shape[1], int))
        if (what == "input" and len(inputs) != 1) or not fits or one.type not in (_FLOAT, _BYTES):
            raise UsageError(
                f"model {model.name}: expected one {what} (N, {channels}, H, W) of float32 or uint8, found "
                f"{', '.join(f'{i.name} {i.type} {i.shape}' for i in (inputs if what == 'input' else [one]))}"
            )

"""Opens a model of `--model` by its kind, and tries it on one image."""

from __future__ import annotations

import numpy as np

from baselines.settings import TestSettings
from baselines.sizes import image_size
from bench.spec.models import Model
from bench.stages.models.opened import Images, Opened


def open_model(model: Model, images: Images, test: TestSettings, device: str) -> Opened:
    """Open a model and try it on one image.

    Raises:
        UsageError: if it cannot be opened, or does not make images of this size and kind.
    """
    if model.kind == "released":
        from bench.stages.models.released import open_released as opening
    elif model.kind == "torchscript":
        from bench.stages.models.torchscript import open_torchscript as opening
    elif model.kind == "onnx":
        from bench.stages.models.onnx import open_onnx as opening
    else:
        from bench.stages.models.python import open_python as opening
    opened = opening(model, images, test, device)
    side = image_size(images.size_px)
    shape = (side.height, side.width, images.source_channels)
    trial = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for _ in opened.translate([(trial, 0)]):
        pass
    return opened

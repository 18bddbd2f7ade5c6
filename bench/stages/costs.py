"""What a generator costs to use: parameters, operations, time and memory of one image. It ranks nothing.

Operations are counted by torch as the network is called, convolutions and matrix products alone (norms and
activations are below 1 %): one multiply-add is two floating-point operations. Time is the median over single
images, with reading them into floats and back into bytes, on the device of the run and beside whatever else
runs there. So it describes; only numbers of one machine may be compared.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from baselines.layers import parameter_count
from baselines.settings import TestSettings
from baselines.translate import Checkpoint, test_mode, translations
from bench.stages.generate import Translate

_WARM_UP, _TIMED = 2, 5


def checkpoint_cost(checkpoint: Checkpoint, source: NDArray[Any], test: TestSettings) -> dict[str, Any]:
    """The cost of a generator of ours, on the device where it is (JSON only).

    Args:
        source: (H, W, C), one of its sources.

    Returns: "parameters"; "gflop" an image; and what `measured_cost` gives.
    """
    network = checkpoint.generator

    def translate(asked: Any) -> Any:
        return translations(checkpoint, asked, test)

    device = next(network.parameters()).device
    return {
        "parameters": parameter_count(network),
        "gflop": multiply_adds(checkpoint, source.shape, test) * 2 / 1e9,
        **measured_cost(translate, source, device),
    }


def multiply_adds(checkpoint: Checkpoint, shape: tuple[int, ...], test: TestSettings) -> int:
    """Multiplications with an addition in one translation of an image of `shape` (H, W, C)."""
    device = next(checkpoint.generator.parameters()).device
    height, width, channels = shape
    image = torch.zeros(1, channels, height, width, device=device)
    streams = [torch.Generator(device).manual_seed(0)]
    counter = FlopCounterMode(display=False)
    with test_mode(checkpoint.generator, test, streams), torch.no_grad(), counter:
        checkpoint.generator(image)
    return int(counter.get_total_flops()) // 2


def measured_cost(translate: Translate, source: NDArray[Any], device: torch.device) -> dict[str, Any]:
    """Time and memory of one image (JSON only).

    Returns: "ms_per_image"; "peak_memory_mb": the most that torch held on a GPU meanwhile, weights included;
        None on a CPU, where it does not tell. "size": "WIDTHxHEIGHT"; "device": "cpu" or the GPU's name.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for turn in range(_WARM_UP + _TIMED):
        began = time.perf_counter()
        for image in translate([(source, turn)]):
            np.asarray(image)  # bytes on the host: the device has done its work
        seconds.append(time.perf_counter() - began)
    height, width = source.shape[:2]
    return {
        "ms_per_image": 1e3 * median(seconds[_WARM_UP:]),
        "peak_memory_mb": torch.cuda.max_memory_allocated(device) / 1e6 if on_gpu else None,
        "size": f"{width}x{height}",
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
    }

"""The measured peaks of a device: a large matrix product or convolution, and a large copy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from baselines.engine import set_precision

_SECONDS = 0.5  # of repetitions; the best one counts
_LEAST_TRIES = 3


@dataclass(frozen=True)
class Peaks:
    """The best speeds measured on a device, in one precision.

    Attributes:
        flops_per_second: of a square matrix product; on a CPU of a convolution if that is faster.
        bytes_per_second: of a copy, read and written bytes both counted.
    """

    flops_per_second: float
    bytes_per_second: float

    def floor_ms(self, flops: int, moved: int) -> float:
        """Least milliseconds of a step with these operations and bytes, if both overlap."""
        return 1e3 * max(flops / self.flops_per_second, moved / self.bytes_per_second)

    def serial_floor_ms(self, flops: int, moved: int) -> float:
        """The same, if they do not overlap."""
        return 1e3 * (flops / self.flops_per_second + moved / self.bytes_per_second)


def measure_peaks(device: torch.device, precision: str) -> Peaks:
    """Measure `device` with the arithmetic that convolutions use in `precision`.

    The copy is larger than any cache; on a GPU it takes 2 GiB. On a CPU, products and convolutions come from
    two libraries, and either can be slower: on an AMD EPYC, products reached half of the speed.
    """
    set_precision(precision, device)
    on_gpu = device.type == "cuda"
    side, count = (8192, 1 << 28) if on_gpu else (1536, 1 << 25)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    kept = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(one)
        product = _best_seconds(lambda: torch.mm(one, other, out=out), device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = kept
    flops = 2 * side**3 / product
    if not on_gpu:
        flops = max(flops, _convolved_flops_per_second(dtype))
    source, target = (torch.zeros(count, device=device) for _ in range(2))
    copied = _best_seconds(lambda: target.copy_(source), device)
    return Peaks(flops, 2 * source.nbytes / copied)


def _convolved_flops_per_second(dtype: torch.dtype) -> float:
    """Speed of a 3 x 3 convolution over many channels, on the CPU."""
    channels, side, kernel = 256, 64, 3
    image = torch.randn(1, channels, side, side).to(dtype)
    weight = torch.randn(channels, channels, kernel, kernel).to(dtype)
    with torch.no_grad():
        seconds = _best_seconds(
            lambda: torch.nn.functional.conv2d(image, weight, padding=1), torch.device("cpu")
        )
    return 2 * (channels * kernel * side) ** 2 / seconds


def _best_seconds(work: Callable[[], object], device: torch.device) -> float:
    """The shortest of repeated executions, without the first."""
    work()
    wait_for(device)
    best, began, tries = float("inf"), time.perf_counter(), 0
    while tries < _LEAST_TRIES or time.perf_counter() - began < _SECONDS:
        started = time.perf_counter()
        work()
        wait_for(device)
        best, tries = min(best, time.perf_counter() - started), tries + 1
    return best


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

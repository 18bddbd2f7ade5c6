"""The device and the precision of a step. `baselines.execution` executes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

_FRAMEWORK_TF32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def resolve_device(name: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ValueError: for an unknown or missing device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"expected a device of auto, cpu, cuda or cuda:N, found '{name}'") from None
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"expected a device of auto, cpu, cuda or cuda:N, found '{name}'")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"expected the GPU '{name}', but torch {torch.__version__} does not find it: use --device cpu"
        )
    return device


def make_current(device: torch.device) -> None:
    """Make `device` torch's default GPU, if it is one of several."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def default_generator(device: torch.device) -> torch.Generator:
    """Torch's default random generator on `device`: the CPU, or a GPU that is already in use."""
    if device.type != "cuda":
        return torch.default_generator
    return torch.cuda.default_generators[
        torch.cuda.current_device() if device.index is None else device.index
    ]


def set_precision(precision: str, device: torch.device) -> None:
    """Set how `device` computes float32 arithmetic, for this process.

    Raises:
        ValueError: for TF32 on a CPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ValueError("precision tf32 needs a CUDA device: use fp32 or bf16 on the CPU")
    _allow_tf32(precision)


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Run the block in `precision`, then restore the settings; does nothing on a CPU."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    _allow_tf32(precision)
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _allow_tf32(precision: str) -> None:
    if precision in ("fp32", "tf32"):
        convolutions = products = precision == "tf32"
    else:  # also undoes the settings of an earlier run in this process
        convolutions, products = _FRAMEWORK_TF32
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Context of the forward passes: bfloat16 autocast for "bf16", else none."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def describe_device(device: torch.device) -> str:
    """The device's name, for records."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "cpu"

"""On which device and in which precision a step is executed. How: `baselines.execution`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

_FRAMEWORK_TF32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def resolve_device(name: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ValueError: if the device is not there; the message says what is.
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
            f"device '{name}' was asked for, but torch {torch.__version__} finds no such GPU: "
            "use --device cpu"
        )
    return device


def make_current(device: torch.device) -> None:
    """Have torch take `device`, where it is one of several GPUs, for everything that names no device."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def default_generator(device: torch.device) -> torch.Generator:
    """Torch's own random numbers on `device`, a GPU that has been used before or the CPU."""
    if device.type != "cuda":
        return torch.default_generator
    return torch.cuda.default_generators[
        torch.cuda.current_device() if device.index is None else device.index
    ]


def set_precision(precision: str, device: torch.device) -> None:
    """Set what float32 arithmetic may be replaced by on `device`, for this process.

    Raises:
        ValueError: for TF32 on a CPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ValueError("precision tf32 needs a CUDA device: use fp32 or bf16 on the CPU")
    _allow_tf32(precision)


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """A piece of work in `precision`, and then again what was set before; nothing to a CPU."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    _allow_tf32(precision)
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _allow_tf32(precision: str) -> None:
    if precision in ("fp32", "tf32"):
        convolutions = products = precision == "tf32"
    else:  # also undoes what an earlier run of this process asked for
        convolutions, products = _FRAMEWORK_TF32
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Context of the forward passes: bfloat16 autocast for "bf16", nothing else otherwise."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def describe_device(device: torch.device) -> str:
    """What the device calls itself, for records."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "cpu"

"""Networks of others: how images are prepared for them, and how TorchScript files are loaded.

A TorchScript file is a program, and it is run. It has no access to Python, but some tensor operations read or
write files. A program that names them, or operations of other libraries, is refused before it is loaded. A
program may still run forever or fill the memory: only name files of people you trust.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bench.core.errors import UsageError
from bench.core.torchscript import check_code

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# The network's input from an image's bytes: (x * scale - mean) / std.
INPUTS = {
    "bytes": (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "unit": (1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "half": (1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": (1 / 255, *_IMAGENET),
}


@dataclass(frozen=True)
class Preparation:
    """How an image is prepared for a network.

    Attributes:
        scale: factor on the bytes.
        mean, std: of each RGB channel: (x * scale - mean) / std.
        size: (height, width) in pixels after a bilinear, antialiased resize; None: its own size.
    """

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int] | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB -> (N, 3, H', W') float32."""
        pixels = images.float()
        if self.size is not None and tuple(pixels.shape[-2:]) != self.size:
            pixels = functional.interpolate(
                pixels, self.size, mode="bilinear", align_corners=False, antialias=True
            )
        mean, std = (pixels.new_tensor(values).reshape(1, 3, 1, 1) for values in (self.mean, self.std))
        return (pixels * self.scale - mean) / std

    def describe(self) -> str:
        """The preparation as text, for the protocol."""
        size = "own size" if self.size is None else f"{self.size[0]}x{self.size[1]}, bilinear, antialias"
        mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return f"{size}; (x * {self.scale:.4g} - [{mean}]) / [{std}]"


def standard(name: str, size: tuple[int, int] | None = None) -> Preparation:
    """One of the usual inputs: "bytes", "unit" ([0, 1]), "half" ([-1, 1]) or "imagenet"."""
    return Preparation(*INPUTS[name], size)


def load_script(path: Path, device: str) -> Any:
    """The program of a TorchScript file, checked before it is loaded.

    Raises:
        UsageError: if the file is not TorchScript, or its program reaches out of it.
    """
    check_code(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch recommends other formats for new files
            return torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except Exception as error:  # torch's archive reader raises many kinds of errors
        said = str(error).strip().partition("\n")[0][:200]
        raise UsageError(f"expected a TorchScript file at {path}: {said}") from None

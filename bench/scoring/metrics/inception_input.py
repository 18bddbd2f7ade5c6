"""How images are prepared for Inception: the difference between published FID implementations.

Network, weights and formula are the same in all of them. The resize to 299 and the normalisation differ, and
that alone changes an FID by 0.6 to 0.9 %. So each is a protocol with a name. `torch-fidelity` and
`pytorch-fid` resize without antialiasing ("legacy" in Parmar et al.); `clean` resizes with antialiasing.

Source: Parmar, Zhang, Zhu, "On aliased resizing and surprising subtleties in GAN evaluation", 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

INPUT_PX = 299


@dataclass(frozen=True)
class Preparation:
    """A resize and a normalisation.

    Attributes:
        name: of the protocol.
        resize: value of the protocol field.
        normalisation: value of the protocol field.
        apply: (N, 3, H, W) uint8 RGB -> (N, 3, 299, 299) float32 in [-1, 1], on the same device.
    """

    name: str
    resize: str
    normalisation: str
    apply: Callable[[Tensor], Tensor]


def _as_torch_fidelity(images: Tensor) -> Tensor:
    return (resize_tf1(images.to(torch.float32), INPUT_PX) - 128) / 128


def _as_pytorch_fid(images: Tensor) -> Tensor:
    scaled = images.to(torch.float32) / 255
    return 2 * functional.interpolate(scaled, (INPUT_PX, INPUT_PX), mode="bilinear", align_corners=False) - 1


def _as_clean_fid(images: Tensor) -> Tensor:
    resized = [resize_clean(image) for image in images.cpu().numpy()]
    return (torch.from_numpy(np.stack(resized)).to(images.device) - 128) / 128


def resize_clean(image: np.ndarray) -> np.ndarray:
    """Bicubic with antialiasing, channel by channel as 32-bit float, clipped to [0, 255], not rounded.

    Args:
        image: (C, H, W) uint8.

    Returns:
        (C, 299, 299) float32.
    """
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in image]
    resized = [np.asarray(plane.resize((INPUT_PX, INPUT_PX), Image.Resampling.BICUBIC)) for plane in planes]
    return np.stack(resized).clip(0, 255)


def resize_tf1(images: Tensor, size: int) -> Tensor:
    """Bilinear resize of TensorFlow 1.x: corners not aligned, pixel centres at whole numbers, no antialias.

    Args:
        images: (N, C, H, W) float32.
        size: side length of the result.

    Returns:
        (N, C, size, size) float32.
    """
    rows, next_row, down = _taps(images.shape[2], size, images.device)
    columns, next_column, across = _taps(images.shape[3], size, images.device)
    top, bottom = images[:, :, rows], images[:, :, next_row]
    upper = top[..., columns] + (top[..., next_column] - top[..., columns]) * across
    lower = bottom[..., columns] + (bottom[..., next_column] - bottom[..., columns]) * across
    return upper + (lower - upper) * down[:, None]


def _taps(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each output place: the input index below it, the one above, and the fraction between them."""
    place = torch.arange(size, dtype=torch.float32, device=device) * (length / size)
    below = place.long()
    return below, (below + 1).clamp_max(length - 1), place - below


PREPARATIONS = {
    made.name: made
    for made in (
        Preparation("torch-fidelity", "tf1-bilinear-299", "(x - 128) / 128", _as_torch_fidelity),
        Preparation("pytorch-fid", "bilinear-299, no antialias", "2 x / 255 - 1", _as_pytorch_fid),
        Preparation("clean", "pil-bicubic-299, antialias, float", "(x - 128) / 128", _as_clean_fid),
    )
}

"""The judge behind the FCN score: a segmentation network trained on real photos only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

NO_CLASS = 254  # a prediction outside the data set's classes
_PIXELS_AT_ONCE, _IMAGES_AT_ONCE = 1 << 18, 16  # 16 images of 128 px


def in_batches(images: Tensor, size: Sequence[int]) -> list[Tensor]:
    """Split (N, C, H, W) into batches for a network that sees images at `size`, (height, width)."""
    step = min(max(1, _PIXELS_AT_ONCE // (size[0] * size[1])), _IMAGES_AT_ONCE)
    return [images[start : start + step] for start in range(0, len(images), step)]


class Judge(Protocol):
    """A segmentation network on its device, in eval mode.

    Attributes:
        name: "fcn-small", "fcn8s", "fcn-lite0", or the name that the user gave.
        hash: hexadecimal digest over its weights and preprocessing; part of every result's protocol.
        num_classes: K; predictions are train ids 0..K-1.
        protocol: JSON-able: name, hash, size, how it was trained.

    A judge with other classes than the data set's also has `no_class = True`: its `segment` may then give
    ids outside 0..K-1 (`NO_CLASS`), which always count as wrong.
    """

    name: str
    hash: str
    num_classes: int
    protocol: dict[str, Any]

    def segment(self, images: Tensor) -> Tensor:
        """Train ids (N, H, W) int64 for images (N, 3, H, W) uint8 RGB, at the images' own size."""


class JudgeNetwork(Protocol):
    """The type of a `pix2pix_bench.judges` entry point: a trainable `torch.nn.Module` class.

    The class is called with the number of classes; `forward` takes (N, 3, H, W) float32 in [0, 1] and
    returns logits (N, K, H, W) at the same size.
    """

    def __init__(self, num_classes: int) -> None: ...

    def forward(self, images: Tensor) -> Tensor: ...

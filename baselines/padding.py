"""Padding by reflection to the sides that a generator can halve, and the crop back."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

Window = tuple[int, int, int, int]
"""Top, left, height and width of the image inside its padding."""


def padded(images: Tensor, multiple: int) -> tuple[Tensor, Window | None]:
    """(N, C, H, W) with both sides rounded up to a multiple, and where the images lie in it.

    The missing rows and columns are split between both ends (the odd one goes below and right) and mirror the
    image without repeating its edge. Images that fit stay the same tensor, with no window.
    """
    height, width = images.shape[-2:]
    down, across = -height % multiple, -width % multiple
    if not down and not across:
        return images, None
    if min(height, width) < 2:
        raise ValueError(f"expected images of 2 px or more on each side to mirror, found {width}x{height}")
    out = images
    while out.shape[-2] < height + down or out.shape[-1] < width + across:  # once, but for tiny images
        ends = _ends(width + across - out.shape[-1], out.shape[-1]) + _ends(
            height + down - out.shape[-2], out.shape[-2]
        )
        out = functional.pad(out, ends, mode="reflect")
    return out, _window(height, width, down, across)


def cropped(images: Tensor, window: Window | None) -> Tensor:
    """The part of (N, C, H', W') that lies in `window`."""
    if window is None:
        return images
    top, left, height, width = window
    return images[..., top : top + height, left : left + width]


def _ends(missing: int, side: int) -> tuple[int, int]:
    """What to add before and after; a reflection is shorter than the side."""
    before = missing // 2
    return min(before, side - 1), min(missing - before, side - 1)


def _window(height: int, width: int, down: int, across: int) -> Window:
    return down // 2, across // 2, height, width

"""Strided convolutions that are fast at the bottom of the networks, where an image is a few pixels wide.

There a layer is almost all weights: 256 x 256 x 4 x 4 of them for one output pixel. On the CPU oneDNN
reorders these weights in each forward and backward pass, which costs several times the arithmetic. A matrix
product reads them once, in memory order. See docs/performance.md for the times.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW_POSITIONS = 64
"""Up to this many pixels (of the smaller side, over the batch) the matrix product is faster."""


PRODUCTS_ON = {"cpu"}
"""Device types that use these layers. Whether they are faster on "cuda" is not measured."""


class Window(NamedTuple):
    """How a square kernel moves over an image, in pixels."""

    kernel: int
    stride: int
    padding: int

    def positions(self, side: int) -> int:
        """Number of positions along a side of this many pixels."""
        return (side + 2 * self.padding - self.kernel) // self.stride + 1

    def covered(self, positions: int) -> int:
        """The side that this many positions cover, without padding."""
        return (positions - 1) * self.stride - 2 * self.padding + self.kernel


class Conv(nn.Conv2d):
    """`nn.Conv2d` with a square kernel: the same function, except for summation order."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W')."""
        window = _window(self)
        if not _few(features, window.positions(features.shape[2])):
            return super().forward(features)
        return _with_bias(_Product.apply(features, self.weight, window), self.bias)


class ConvTranspose(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` with a square kernel: the same function, except for summation order."""

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W')."""
        if output_size is not None or any(self.output_padding) or not _few(features, features.shape[2]):
            return super().forward(features, output_size)
        return _with_bias(_TransposedProduct.apply(features, self.weight, _window(self)), self.bias)


def _window(layer: nn.Conv2d | nn.ConvTranspose2d) -> Window:
    return Window(layer.kernel_size[0], layer.stride[0], int(layer.padding[0]))


def _few(features: Tensor, positions: int) -> bool:
    square = features.shape[2] == features.shape[3]
    kind = features.device.type
    plain = kind in PRODUCTS_ON and not torch.is_autocast_enabled(kind)
    return plain and square and len(features) * positions**2 <= FEW_POSITIONS


def _with_bias(out: Tensor, bias: Tensor | None) -> Tensor:
    return out if bias is None else out + bias[:, None, None]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, window: Window) -> Tensor:
        patches = _patches(features, window)
        ctx.save_for_backward(features, patches, weight)
        ctx.window, ctx.side = window, features.shape[2]
        return _image(patches @ weight.flatten(1).t(), len(features), window.positions(features.shape[2]))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, patches, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable(ctx, grad, features, weight, transposed=False)
        rows, wanted = _rows(grad), ctx.needs_input_grad
        features_grad = (
            _overlay(rows @ weight.flatten(1), len(grad), ctx.side, ctx.window) if wanted[0] else None
        )
        return features_grad, (rows.t() @ patches).view_as(weight) if wanted[1] else None, None


class _TransposedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, window: Window) -> Tensor:
        rows = _rows(features)
        ctx.save_for_backward(features, rows, weight)
        ctx.window, ctx.side = window, features.shape[2]
        return _overlay(rows @ weight.flatten(1), len(features), window.covered(features.shape[2]), window)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, rows, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable(ctx, grad, features, weight, transposed=True)
        patches, wanted = _patches(grad, ctx.window), ctx.needs_input_grad
        features_grad = _image(patches @ weight.flatten(1).t(), len(grad), ctx.side) if wanted[0] else None
        return features_grad, (rows.t() @ patches).view_as(weight) if wanted[1] else None, None


def _differentiable(
    ctx: Any, grad: Tensor, features: Tensor, weight: Tensor, *, transposed: bool
) -> tuple[Tensor | None, Tensor | None, None]:
    """The gradients by torch's own operation, which can be differentiated again (a gradient penalty does)."""
    _, stride, padding = ctx.window
    pair, wanted = [0, 0], ctx.needs_input_grad
    of_features, of_weight, _ = torch.ops.aten.convolution_backward(
        grad, features, weight, None, [stride] * 2, [padding] * 2, [1, 1], transposed, pair, 1,
        [wanted[0], wanted[1], False],
    )  # fmt: skip
    return of_features, of_weight, None


def _patches(image: Tensor, window: Window) -> Tensor:
    """(N, C, H, W) -> (N * positions, C * kernel * kernel): the window's content, one row a position."""
    seen = functional.unfold(image, window.kernel, padding=window.padding, stride=window.stride)
    return seen[0].t() if len(seen) == 1 else seen.transpose(1, 2).flatten(0, 1)


def _overlay(patches: Tensor, images: int, side: int, window: Window) -> Tensor:
    """The transpose of `_patches`: (N * positions, C * kernel * kernel) -> (N, C, side, side), summed."""
    columns = patches.view(images, -1, patches.shape[1]).transpose(1, 2)
    return functional.fold(columns, side, window.kernel, padding=window.padding, stride=window.stride)


def _rows(image: Tensor) -> Tensor:
    """(N, C, H, W) -> (N * H * W, C)."""
    return image.permute(0, 2, 3, 1).flatten(0, 2)


def _image(rows: Tensor, images: int, side: int) -> Tensor:
    """(N * side * side, C) -> (N, C, side, side)."""
    return rows.view(images, side, side, -1).permute(0, 3, 1, 2).contiguous()

"""The layers of both networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.convolutions import Conv, ConvTranspose
from baselines.parallel import ALONE, Ranks, normalised


class BatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` with other batches: over the batch of all ranks if `ranks` has several (torch's own
    `SyncBatchNorm` does not work on a CPU), over each sample alone while `each` is set.
    """

    ranks: Ranks = ALONE
    each = False
    uncounted: int | None = None  # batches not yet added to `num_batches_tracked`; None: all are added

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        if self.each and self.training:
            return self._normalised_each(features)
        if not self.training or (self.ranks.world == 1 and self.uncounted is None):
            return super().forward(features)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        if self.uncounted is None:
            self.num_batches_tracked.add_(1)
        else:
            self.uncounted += 1
        if self.ranks.world == 1:
            means, weights = (self.running_mean, self.running_var), (self.weight, self.bias)
            return functional.batch_norm(features, *means, *weights, True, self.momentum, self.eps)
        out, mean, var = normalised(features, self.weight, self.bias, self.eps, self.ranks)
        count = features.numel() // features.shape[1] * self.ranks.world
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        return out

    def _normalised_each(self, features: Tensor) -> Tensor:
        """Normalise each sample alone, as further channels of one; the running statistics do not change."""
        count = len(features)
        weight, bias = self.weight.repeat(count), self.bias.repeat(count)
        apart = features.flatten(0, 1)[None]
        out = functional.batch_norm(apart, None, None, weight, bias, training=True, eps=self.eps)
        return out.view_as(features)


class Dropout(nn.Dropout):
    """`nn.Dropout`; while `streams` are given, the mask of sample i is drawn from stream i.

    Then a sample's masks do not depend on its batch or on how the batch is split.
    """

    streams: Sequence[torch.Generator] | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, ...) -> the same shape."""
        if self.streams is None or not self.training:
            return super().forward(features)
        keep = 1.0 - self.p
        mask = torch.empty_like(features)
        for sample, stream in zip(mask, self.streams, strict=True):
            sample.bernoulli_(keep, generator=stream)
        return features * mask.div_(keep)


@contextmanager
def one_batch(
    networks: Iterable[nn.Module], ranks: Ranks, streams: Sequence[torch.Generator] | None
) -> Iterator[None]:
    """In this context, networks treat their input as a part of one batch that is spread over `ranks`.

    Outside it, ranks do not wait for each other, for example when one rank translates an image. Batches are
    counted once at the end: on a GPU each count is an operation of its own.
    """
    layers = [layer for network in networks for layer in network.modules()]
    norms = [layer for layer in layers if isinstance(layer, BatchNorm)]
    dropouts = [layer for layer in layers if isinstance(layer, Dropout)]
    try:
        for norm in norms:
            norm.ranks, norm.uncounted = ranks, 0
        for dropout in dropouts:
            dropout.streams = streams
        yield
        _count(norms)
    finally:
        for norm in norms:
            norm.ranks, norm.uncounted = ALONE, None
        for dropout in dropouts:
            dropout.streams = None


def _count(norms: Iterable[BatchNorm]) -> None:
    seen = [
        (norm.num_batches_tracked, norm.uncounted)
        for norm in norms
        if norm.uncounted and norm.num_batches_tracked is not None
    ]
    if seen:
        torch._foreach_add_([tracked for tracked, _ in seen], [count for _, count in seen])


@dataclass(frozen=True)
class Norm:
    """A normalisation.

    Attributes:
        layer: makes the layer for a number of channels.
        biased: whether the convolution before it has a bias: not where the layer shifts anyway.
        is_none: it changes nothing.
    """

    layer: Callable[[int], nn.Module]
    biased: bool = True
    is_none: bool = False


def _instance(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


def _nothing(channels: int) -> nn.Module:
    return nn.Identity()


NORMS: dict[str, Norm] = {
    "batch": Norm(BatchNorm, biased=False),
    "instance": Norm(_instance),
    "instance-plain": Norm(nn.InstanceNorm2d),
    "none": Norm(_nothing, is_none=True),
}
"""The built-in normalisations. "instance-plain" has no scale and shift, as in the released code."""


def transposed(inputs: int, outputs: int, kernel: int, *, bias: bool) -> nn.Module:
    """A transposed convolution that doubles the sides; `kernel`: 3 or 4."""
    if kernel == 4:
        return ConvTranspose(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=bias)


def resized(inputs: int, outputs: int, kernel: int, *, bias: bool) -> nn.Module:
    """Doubles the sides by nearest neighbour, then a 3x3 convolution (whatever `kernel` is)."""
    return nn.Sequential(nn.Upsample(scale_factor=2), Conv(inputs, outputs, 3, padding=1, bias=bias))


INITS = ("normal", "xavier", "orthogonal")
_GAIN = 0.02


def init_weights(module: nn.Module, kind: str = "normal") -> None:
    """Convolutions ~ N(0, 0.02), biases 0 (Isola et al. 2017, appendix 6.2); normalisation scales
    ~ N(1, 0.02), shifts 0, as the released PyTorch code starts them.

    `kind`: "xavier" (Glorot and Bengio 2010) and "orthogonal" (Saxe et al. 2014) start the convolutions'
    weights otherwise, both with gain 0.02, as `--init_type` of the released code does. "torch" leaves all
    layers as torch has started them.
    """
    if kind == "torch":
        return
    starts = {"normal": _normal, "xavier": _xavier, "orthogonal": _orthogonal}
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            starts[kind](layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, 0.02)
            nn.init.zeros_(layer.bias)


def _normal(weight: Tensor) -> None:
    nn.init.normal_(weight, 0.0, _GAIN)


def _xavier(weight: Tensor) -> None:
    nn.init.xavier_normal_(weight, gain=_GAIN)


def _orthogonal(weight: Tensor) -> None:
    nn.init.orthogonal_(weight, gain=_GAIN)


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)

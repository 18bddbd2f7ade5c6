"""The layers of both networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

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


def norm_layer(kind: str, channels: int) -> nn.Module:
    """The normalisation `kind` ("batch", "instance" or "none") for `channels` channels."""
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.Identity()


def init_weights(module: nn.Module) -> None:
    """Convolutions ~ N(0, 0.02), biases 0 (Isola et al. 2017, appendix 6.2); normalisation scales
    ~ N(1, 0.02), shifts 0, as the released PyTorch code starts them."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, 0.02)
            nn.init.zeros_(layer.bias)


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)

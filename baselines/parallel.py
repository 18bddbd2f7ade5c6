"""One training over several processes ("ranks"), each with an equal part of every batch.

The ranks compute together what one process computes over a batch: the statistics of normalisation, the
gradients, the losses. So the result is that of one process with the same batch, except for summation order.
Each rank holds all weights. All ranks receive the same sums, so their weights are bit-identical.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class RanksApartError(BaseException):
    """The ranks are no longer at the same step: one is gone, or failed alone.

    It is not an error of a single run, after which the next one could start: like a signal, it ends the
    process.
    """


@dataclass(frozen=True)
class Ranks:
    """This process's rank and the number of ranks. Several ranks are joined by torch's default process group.

    The group needs a backend for CPU tensors too. All ranks must call every method except `share` together,
    in the same order.

    Attributes:
        rank: from 0.
        world: number of ranks.
        backend: what moves tensors between them; None for one process.
    """

    rank: int = 0
    world: int = 1
    backend: str | None = None

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.world}"

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes files and messages."""
        return self.rank == 0

    def share(self, batch_size: int) -> range:
        """This rank's places in the batch.

        Raises:
            ValueError: if the batch cannot be split evenly.
        """
        if batch_size % self.world:
            raise ValueError(f"expected a batch size divisible by {self.world} ranks, found {batch_size}")
        part = batch_size // self.world
        return range(self.rank * part, (self.rank + 1) * part)

    def highest(self, number: int) -> int:
        """The highest of the ranks' numbers; exchanged on the CPU, without waiting for a GPU."""
        if self.world == 1:
            return number
        found = torch.tensor(number)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found.item())

    @contextmanager
    def together(self, but: type[Exception]) -> Iterator[None]:
        """Work that all ranks do together. All ranks raise errors of type `but` alike, so these pass.

        Raises:
            RanksApartError: instead of any other error, if there are several ranks.
        """
        try:
            yield
        except Exception as error:
            if self.world == 1 or isinstance(error, but):
                raise
            said = str(error).partition("\n")[0] or type(error).__name__
            lost = any(word in said for word in ("gloo", "Gloo", "NCCL", "nccl"))
            what = "lost another rank, which died or hangs" if lost else f"failed: {said}"
            raise RanksApartError(f"{self} {what}") from error

    def mean(self, values: Tensor) -> Tensor:
        """The mean over ranks of equally shaped tensors."""
        if self.world == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.world

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each gradient by its mean over ranks: the gradient of the mean loss over the whole batch.

        It is one message, which a CUDA graph can capture. It does not overlap with the backward pass.
        """
        if self.world == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def from_first(self, tensors: dict[str, Tensor], about: Any, device: torch.device) -> Any:
        """The first rank's tensors, on `device`, and its description of them (plain data)."""
        if self.world == 1:
            return tensors, about
        kinds = {name: (value.shape, value.dtype, value.device.type) for name, value in tensors.items()}
        told = [(kinds, about)]
        dist.broadcast_object_list(told, device=torch.device("cpu"))
        kinds, about = told[0]
        received = {}
        for name, (shape, dtype, kind) in kinds.items():
            where = device if kind == device.type else torch.device(kind)
            value = (
                tensors[name].contiguous() if self.first else torch.empty(shape, dtype=dtype, device=where)
            )
            dist.broadcast(value, src=0)
            received[name] = value
        return received, about


ALONE = Ranks()


def normalised(
    features: Tensor, weight: Tensor, bias: Tensor, eps: float, ranks: Ranks
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation over the parts of all ranks, which have equal shapes.

    Args:
        features: (N, C, ...) this rank's part of the batch.
        weight, bias: (C,).
        eps: added to the variance.
        ranks: all of them.

    Returns:
        (N, C, ...) with the type of `features`; mean and population variance (C,) over the whole batch,
        without gradient.
    """
    out: tuple[Tensor, Tensor, Tensor] = _Normalise.apply(features, weight, bias, eps, ranks)
    return out


class _Normalise(torch.autograd.Function):
    """One gather forward, one sum backward; both in float32 at least, also under autocast."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, eps: float, ranks: Ranks
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = _wide(features)
        own = torch.stack(torch.var_mean(wide, _reduced(features), correction=0))
        every = own.new_empty(ranks.world * len(own), *own.shape[1:])
        dist.all_gather_into_tensor(every, own)
        # equal parts: the variance is the sum of those within and between them (Chan et al. 1979)
        within, means = every.view(ranks.world, *own.shape).unbind(1)
        var = within.mean(0) + means.var(0, correction=0)
        mean, scale = means.mean(0), torch.rsqrt(var + eps)
        ctx.save_for_backward(features, weight, mean, scale)
        ctx.ranks = ranks
        ctx.mark_non_differentiable(mean, var)
        shape = _broadcast(features)
        unit = (wide - mean.view(shape)) * scale.view(shape)
        out = unit * weight.view(shape) + bias.view(shape)
        return out.to(features.dtype), mean, var

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        features, weight, mean, scale = ctx.saved_tensors
        shape, reduced = _broadcast(features), _reduced(features)
        wide = _wide(gradient)
        unit = (_wide(features) - mean.view(shape)) * scale.view(shape)
        sums = torch.stack([wide.sum(reduced), (wide * unit).sum(reduced)])
        own_bias, own_weight = sums.unbind()
        pull, stretch = (ctx.ranks.mean(sums) / (features.numel() // features.shape[1])).unbind()
        inner = wide - pull.view(shape) - unit * stretch.view(shape)
        back = (inner * (weight * scale).view(shape)).to(features.dtype)
        return back, own_weight.to(weight.dtype), own_bias.to(weight.dtype), None, None


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _reduced(features: Tensor) -> list[int]:
    return [dim for dim in range(features.ndim) if dim != 1]


def _broadcast(features: Tensor) -> list[int]:
    return [-1 if dim == 1 else 1 for dim in range(features.ndim)]

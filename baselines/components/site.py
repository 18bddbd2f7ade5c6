"""What a part is built for, and what the parts of each kind are.

| kind | `build` | returns |
|---|---|---|
| generators | `(fields, site)` | a module: (N, C, H, W) -> (N, C', H, W), both in [-1, 1] |
| discriminators | `(fields, site)` | a module with the `forward` and `features` of `Discriminator` |
| gan_losses | `(fields, site)` | a `GanLoss` |
| loss_terms | `(fields, site)` | a `Term`: a function of what a step has made, for G to minimise |
| upsamplings | `(fields)` | an `Upsampling`: makes a layer that doubles the sides |
| norms | `(fields)` | a `baselines.layers.Norm` |
| objectives | `(fields)` | a `baselines.objectives.scheme.Scheme` |
| features | `(fields, file)` | a module: (N, 3, H, W) in [0, 1] -> maps; `file`: weights, or "" |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from baselines.layers import Norm
from baselines.sizes import Size


class Upsampling(Protocol):
    """Makes a layer that doubles the sides of its input."""

    def __call__(self, inputs: int, outputs: int, kernel: int, *, bias: bool) -> nn.Module:
        """(N, inputs, H, W) -> (N, outputs, 2 H, 2 W); `kernel`: 4 in the U-Net, 3 in the ResNet."""
        ...


@dataclass(frozen=True)
class Site:
    """What a part is built for.

    Attributes:
        source_channels, target_channels: of the images.
        size_px: their size, as `TrainingSettings.size_px`.
        least_size: the smallest of them.
        levels: halvings down to the bottleneck (`TrainingSettings.generator_levels`).
        base_filters: width of the first layer of both networks.
        dropout: probability in the generator.
        receptive_field: of the discriminator, in px; None without one.
        conditional: whether the discriminator sees the source too.
        norm: normalisation of both networks.
        norm_name: its name.
        upsample: how the generator doubles the sides.
        start: gives a network the fresh weights of `init`.
        device: of the training.
    """

    source_channels: int
    target_channels: int
    size_px: Size
    least_size: Size
    levels: int
    base_filters: int
    dropout: float
    receptive_field: int | None
    conditional: bool
    norm: Norm
    norm_name: str
    upsample: Upsampling
    start: Callable[[nn.Module], None]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


@dataclass(frozen=True)
class Judged:
    """What D's loss is computed from.

    Attributes:
        real, generated: logits (N, 1, h, w) of targets and of predictions, which have no gradient to G.
        target, prediction: the images, (N, C, H, W) in [-1, 1].
        logits: D's logits of other images, given the sources of this batch.
    """

    real: Tensor
    generated: Tensor
    target: Tensor
    prediction: Tensor
    logits: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class GanLoss:
    """An adversarial loss.

    Attributes:
        discriminator: what D minimises: a scalar.
        generator: what G minimises, of D's logits for its images: a scalar.
    """

    discriminator: Callable[[Judged], Tensor]
    generator: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Seen:
    """What a step has made, for the additional loss terms of G.

    Attributes:
        source, target, prediction: (N, C, H, W) float32 in [-1, 1]; the prediction has G's gradient.
        features: D's features of the prediction, layer by layer, the logits last; () without D.
        real_features: computes those of the target, without gradient.
    """

    source: Tensor
    target: Tensor
    prediction: Tensor
    features: Sequence[Tensor]
    real_features: Callable[[], Sequence[Tensor]]


Term = Callable[[Seen], Tensor]
"""An additional loss term: a scalar, without its weight."""

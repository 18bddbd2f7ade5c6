"""A variant's objective before it is started: what it makes and needs; whether its parts fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from baselines.build import build_gan_loss, build_terms, site_of
from baselines.objectives.objective import Objective
from baselines.parallel import Ranks
from baselines.settings import TrainingSettings
from baselines.variants import Variant

Networks = Callable[[Variant, TrainingSettings, tuple[int, int]], dict[str, nn.Module]]
"""Makes an objective's networks from variant, settings, and channels of source and target."""
Start = Callable[[Variant, TrainingSettings, tuple[int, int], torch.device, Ranks, int], Objective]
"""Makes the objective from variant, settings, channels, device, ranks and seed."""


@dataclass(frozen=True)
class Scheme:
    """What a part of the kind "objectives" builds.

    Attributes:
        networks: those that are updated, by name, with fresh weights from torch's global random state. The
            one called "generator" translates sources. Raises ValueError for a variant, a size or channels
            that do not fit.
        start: the objective; it updates these networks.
        paired: whether a step's targets belong to its sources; if not, each side is drawn by itself.
        passes: how often a generator's and a discriminator's forward pass is kept at once for backward.
        images: generated images of each side that a training state holds.
        shared: whether several processes may train it together.
        both_ways: whether the objective has `back`, a second generator from targets to sources.
        caution: what to say of a training with such settings: a fact, in words; None: nothing.
        period: after how many steps its kinds of steps come again (`Objective.prepare`).
    """

    networks: Networks
    start: Start
    paired: bool = True
    passes: tuple[int, int] = (1, 2)
    images: int = 0
    shared: bool = True
    period: int = 1
    both_ways: bool = False
    caution: Callable[[TrainingSettings], str | None] = lambda settings: None


def build_networks(
    variant: Variant, settings: TrainingSettings, channels: tuple[int, int]
) -> dict[str, nn.Module]:
    """All networks that the variant's objective updates, by name, without allocating their weights.

    Raises:
        ValueError: if one does not fit.
    """
    with torch.device("meta"):
        networks: dict[str, nn.Module] = scheme_of(variant).networks(variant, settings, channels)
    return networks


def scheme_of(variant: Variant) -> Scheme:
    """The variant's objective, before it is started."""
    scheme: Scheme = variant.build("objectives", variant.objective)
    return scheme


def check_fits(variant: Variant, settings: TrainingSettings, channels: tuple[int, int]) -> None:
    """Build all parts of a variant without allocating its networks.

    Raises:
        ValueError: if one does not fit the size, the channels or the other parts.
    """
    build_networks(variant, settings, channels)
    site = site_of(variant, settings, channels)
    build_gan_loss(variant, site)
    build_terms(variant, site)

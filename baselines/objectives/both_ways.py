"""What the objectives without pairs share: a generator and a discriminator for each direction."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from baselines.build import build_discriminator, build_generator
from baselines.objectives.optimisers import Average
from baselines.settings import TrainingSettings
from baselines.variants import Variant

BACK = "_back"
"""The end of the names of what belongs to the direction that was not asked for: from target to source."""


def networks(variant: Variant, settings: TrainingSettings, channels: tuple[int, int]) -> dict[str, nn.Module]:
    """A generator and a discriminator for each direction, with fresh weights.

    "generator" translates sources and "discriminator" judges targets; those of the way back end in `BACK`.

    Raises:
        ValueError: if the variant, the size or the channels do not fit.
    """
    _check(variant)
    ways = ("", channels), (BACK, (channels[1], channels[0]))
    made: dict[str, nn.Module] = {
        f"generator{end}": build_generator(variant, settings, *way) for end, way in ways
    }
    for end, way in ways:
        discriminator = build_discriminator(variant, settings, *way)
        assert discriminator is not None
        made[f"discriminator{end}"] = discriminator
    return made


def _check(variant: Variant) -> None:
    objective = variant.objective
    if variant.adversarial != "gan":
        raise ValueError(
            f"objective={objective} expects adversarial=gan, found {variant.adversarial}: "
            "D cannot see the source without pairs"
        )
    if variant.lambda_l1 or variant.terms:
        found = "lambda_l1" if variant.lambda_l1 else ", ".join(variant.terms)
        raise ValueError(f"objective={objective} has no pairs for {found}: leave it out (lambda_l1=0)")


def averages(
    updated: Mapping[str, nn.Module],
    variant: Variant,
    settings: TrainingSettings,
    channels: tuple[int, int],
    device: torch.device,
) -> dict[str, Average]:
    """The moving averages of both generators by the end of their way; {} without `settings.ema`."""
    if not settings.ema:
        return {}
    found = {}
    for end, way in (("", channels), (BACK, (channels[1], channels[0]))):
        alike = build_generator(variant, settings, *way).to(device).train()
        found[end] = Average(settings, updated[f"generator{end}"], alike, device)
    return found

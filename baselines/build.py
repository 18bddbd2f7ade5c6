"""A variant's parts, built."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from baselines.components.site import GanLoss, Site, Term
from baselines.discriminators import Discriminator
from baselines.layers import init_weights
from baselines.settings import TrainingSettings
from baselines.variants import Variant

CPU = torch.device("cpu")


def site_of(
    variant: Variant, settings: TrainingSettings, channels: tuple[int, int], device: torch.device = CPU
) -> Site:
    """What the variant's parts are built for; `channels`: of source and target."""
    return Site(
        source_channels=channels[0],
        target_channels=channels[1],
        size_px=settings.size_px,
        least_size=settings.least_size,
        levels=settings.generator_levels,
        base_filters=settings.base_filters,
        dropout=variant.dropout,
        receptive_field=variant.at_size(settings.size_px).receptive_field,
        conditional=variant.adversarial == "cgan",
        norm=variant.build("norms", variant.norm),
        norm_name=variant.norm,
        upsample=variant.build("upsamplings", variant.upsample),
        start=partial(init_weights, kind=variant.init),
        device=device,
    )


def build_generator(
    variant: Variant, settings: TrainingSettings, source_channels: int, target_channels: int
) -> nn.Module:
    """The variant's generator, with fresh weights from torch's global random state.

    Raises:
        ValueError: if it cannot be built at this size.
    """
    site = site_of(variant, settings, (source_channels, target_channels))
    network: nn.Module = variant.build("generators", variant.generator, site)
    network.target_channels = target_channels  # type: ignore[assignment]
    return network


def build_discriminator(
    variant: Variant, settings: TrainingSettings, source_channels: int, target_channels: int
) -> Discriminator | None:
    """The variant's discriminator, or None for a variant without an adversarial term.

    Raises:
        ValueError: if its receptive field cannot be built at this size.
    """
    if variant.adversarial == "none":
        return None
    site = site_of(variant, settings, (source_channels, target_channels))
    network: Discriminator = variant.build("discriminators", variant.discriminator, site)
    return network


def build_gan_loss(variant: Variant, site: Site) -> GanLoss | None:
    """The variant's adversarial loss; None without a discriminator."""
    if variant.adversarial == "none":
        return None
    loss: GanLoss = variant.build("gan_losses", variant.gan_loss, site)
    return loss


def build_terms(variant: Variant, site: Site) -> dict[str, Term]:
    """The variant's additional loss terms.

    Raises:
        ValueError: if one does not fit, or its weights are missing.
    """
    return {term: variant.build("loss_terms", term, site) for term in variant.terms}

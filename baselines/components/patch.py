"""The paper's discriminators (Isola et al. 2017, section 3.3): pixel, patch and full image."""

from __future__ import annotations

from baselines.components.described import Patch
from baselines.components.registry import Part
from baselines.components.site import Site
from baselines.discriminators import Discriminator, check_fits


def _patch(fields: Patch, site: Site) -> Discriminator:
    if site.receptive_field is None:
        raise ValueError("a discriminator needs a receptive_field")
    check_fits(site.receptive_field, site.least_size)
    channels = site.target_channels + (site.source_channels if site.conditional else 0)
    return Discriminator(
        channels,
        site.receptive_field,
        base_filters=site.base_filters,
        norm=site.norm,
        start=site.start,
        spectral_norm=fields.spectral_norm,
    )


PATCH = Part(Patch, _patch)

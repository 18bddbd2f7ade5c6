"""The paper's discriminators (Isola et al. 2017, section 3.3): pixel, patch and full image."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.components.registry import Part
from baselines.components.site import Site
from baselines.discriminators import Discriminator, check_fits


@dataclass(frozen=True)
class Patch:
    """A map of logits, each of which sees `receptive_field` px (Isola et al. 2017, section 3.3).

    Attributes:
        spectral_norm: divide each convolution's weight in the discriminator by its largest singular value,
            by one power iteration a forward pass (Miyato et al. 2018, arXiv:1802.05957).
    """

    spectral_norm: bool = False


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

"""The paper's generators (Isola et al. 2017, section 3.2): U-Net and encoder-decoder."""

from __future__ import annotations

from baselines.components.described import UNet
from baselines.components.registry import Part
from baselines.components.site import Site
from baselines.generators import Generator


def _generator(fields: UNet, site: Site, *, skips: bool) -> Generator:
    return Generator(
        site.source_channels,
        site.target_channels,
        site.size_px,
        base_filters=site.base_filters,
        skips=skips,
        dropout=site.dropout,
        dropout_at=fields.dropout_at,
        norm=site.norm,
        upsample=site.upsample,
        start=site.start,
        levels=site.levels,
    )


def _unet(fields: UNet, site: Site) -> Generator:
    return _generator(fields, site, skips=True)


def _encoder_decoder(fields: UNet, site: Site) -> Generator:
    return _generator(fields, site, skips=False)


UNET = Part(UNet, _unet, halvings="levels")
ENCDEC = Part(UNet, _encoder_decoder, halvings="levels")

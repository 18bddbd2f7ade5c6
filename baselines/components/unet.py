"""The paper's generators (Isola et al. 2017, section 3.2): U-Net and encoder-decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.components.registry import Part
from baselines.components.site import Site
from baselines.generators import Generator


@dataclass(frozen=True)
class UNet:
    """4x4 convolutions down to 1x1 and up again, with skips (`unet`) or without (`encdec`).

    Attributes:
        dropout_at: which decoder layers have dropout: "paper" (the three innermost, as in the Lua code) or
            "released" (the released PyTorch code: one layer later, log2(size_px) - 5 of them).
    """

    dropout_at: Literal["paper", "released"] = "paper"


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

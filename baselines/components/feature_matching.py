"""Feature matching (Wang et al. 2018, pix2pixHD, arXiv:1711.11585, eq. 4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from baselines.components.described import FeatureMatching
from baselines.components.registry import Part
from baselines.components.site import Seen, Site, Term


def feature_matching(seen: Seen) -> Tensor:
    """Scalar, >= 0; the target's features have no gradient."""
    layers = list(zip(seen.features[:-1], seen.real_features()[:-1], strict=True))
    apart = [functional.l1_loss(made.float(), real.float()) for made, real in layers]
    return 4.0 * torch.stack(apart).mean()


def _feature_matching(fields: FeatureMatching, site: Site) -> Term:
    if site.receptive_field is None:
        raise ValueError("lambda_fm needs a discriminator: its features are compared")
    return feature_matching


FEATURE_MATCHING = Part(FeatureMatching, _feature_matching)

"""Adversarial losses: vanilla (Isola et al. 2017, section 3.1), least squares, hinge."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from baselines.components.described import Hinge, LeastSquares, Vanilla
from baselines.components.registry import Part
from baselines.components.site import GanLoss, Judged, Site


def adversarial_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Mean binary cross-entropy of patch logits against "real" or "generated".

    With `real=True` on generated images this is G's non-saturating loss -log D(x, G(x)).

    Shapes: logits (N, 1, h, w) -> scalar, >= 0, in nats.
    """
    wanted = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return functional.binary_cross_entropy_with_logits(logits, wanted)


def least_squares(logits: Tensor, *, real: bool) -> Tensor:
    """Mean squared distance of patch outputs from 1 ("real") or 0 ("generated"): scalar, >= 0."""
    wanted = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return functional.mse_loss(logits, wanted)


def discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """D's loss, halved, "which slows down the rate at which D learns relative to G" (section 3.3)."""
    return _halved(adversarial_loss, real_logits, generated_logits)


def hinge_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """D's hinge loss, not halved: mean max(0, 1 - real) + mean max(0, 1 + generated)."""
    return functional.relu(1 - real_logits).mean() + functional.relu(1 + generated_logits).mean()


def l1_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error (eq. 3) of images in [-1, 1]: scalar in [0, 2]."""
    return functional.l1_loss(prediction, target)


def _halved(loss: Callable[..., Tensor], real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    return 0.5 * (loss(real_logits, real=True) + loss(generated_logits, real=False))


def _vanilla(fields: Vanilla, site: Site) -> GanLoss:
    def of_discriminator(judged: Judged) -> Tensor:
        return discriminator_loss(judged.real, judged.generated)

    return GanLoss(of_discriminator, lambda logits: adversarial_loss(logits, real=True))


def _least_squares(fields: LeastSquares, site: Site) -> GanLoss:
    def of_discriminator(judged: Judged) -> Tensor:
        return _halved(least_squares, judged.real, judged.generated)

    return GanLoss(of_discriminator, lambda logits: least_squares(logits, real=True))


def _hinge(fields: Hinge, site: Site) -> GanLoss:
    def of_discriminator(judged: Judged) -> Tensor:
        return hinge_loss(judged.real, judged.generated)

    return GanLoss(of_discriminator, lambda logits: -logits.mean())


VANILLA = Part(Vanilla, _vanilla)
LSGAN = Part(LeastSquares, _least_squares)
HINGE = Part(Hinge, _hinge)

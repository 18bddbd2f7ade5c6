"""The objective (Isola et al. 2017, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def adversarial_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Mean binary cross-entropy of patch logits against "real" or "generated".

    With `real=True` on generated images this is G's non-saturating loss -log D(x, G(x)).

    Shapes: logits (N, 1, h, w) -> scalar, >= 0, in nats.
    """
    wanted = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return functional.binary_cross_entropy_with_logits(logits, wanted)


def discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """D's loss, halved, "which slows down the rate at which D learns relative to G" (section 3.3)."""
    return 0.5 * (adversarial_loss(real_logits, real=True) + adversarial_loss(generated_logits, real=False))


def l1_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error (eq. 3) of images in [-1, 1]: scalar in [0, 2]."""
    return functional.l1_loss(prediction, target)

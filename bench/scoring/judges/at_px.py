"""A judge with a resolution of its own, for images of any size.

The paper's judge never saw an enlarged photo, and the released evaluation script enlarges images to its
size. So this judge is trained at `judge_px` without enlargement. Images are enlarged to it bilinearly, and
its labels are compared with the label maps at `judge_px`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from baselines.sizes import Size, image_size
from bench.scoring.judges.trained import TrainedJudge
from bench.scoring.metrics.confusion import confusion_matrix


@dataclass(frozen=True)
class JudgeAtPx:
    """Implements `bench.scoring.judges.base.Judge`, and counts for itself at `judge_px`.

    Attributes:
        inner: trained at `judge_px`.
        meta: of the inner judge.
    """

    inner: TrainedJudge
    meta: dict[str, Any]

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def hash(self) -> str:
        return self.inner.hash

    @property
    def num_classes(self) -> int:
        return self.inner.num_classes

    @property
    def judge_px(self) -> Size:
        size_px: Size = self.meta["size_px"]
        return size_px

    @property
    def protocol(self) -> dict[str, Any]:
        return {**self.inner.protocol, "judge_px": self.judge_px, "judge_input": "enlarged bilinearly"}

    def segment(self, images: Tensor) -> Tensor:
        """Train ids (N, H, W) int64 for (N, 3, H, W) uint8 RGB; found at `judge_px`, then reduced."""
        seen = self._seen(images)[:, None].float()
        shown: Tensor = functional.interpolate(seen, images.shape[-2:], mode="nearest-exact")[:, 0].long()
        return shown

    def confusions(self, images: Tensor, labels: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
        """(N, K, K) counts, rows = truth.

        Args:
            images: (N, 3, H, W) uint8 RGB.
            labels: N label maps of the size `judge_px`, (H, W) uint8 train ids, 255 = void.
        """
        pairs = zip(labels, self._seen(images).numpy(), strict=True)
        return np.stack([confusion_matrix(truth, guess, self.num_classes) for truth, guess in pairs])

    def _seen(self, images: Tensor) -> Tensor:
        return self.inner.segment(enlarged(images, self.judge_px)).cpu()


def enlarged(images: Tensor, size_px: Size) -> Tensor:
    """(N, 3, H, W) uint8 -> as many of `size_px`, bilinear, rounded; images of that size stay as they are."""
    shape = image_size(size_px).shape
    if images.shape[-2:] == shape:
        return images
    large = functional.interpolate(
        images.float(), shape, mode="bilinear", align_corners=False, antialias=True
    )
    return large.round().clamp(0, 255).to(torch.uint8)

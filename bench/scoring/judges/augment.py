"""Random crops, mirroring and lighting to train judges; labels are cropped and mirrored with their photos."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def augment(
    photos: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    max_zoom: float,
    brightness: float,
    generator: torch.Generator,
    crop_px: int | None = None,
    colour: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """One training batch.

    Args:
        photos: (B, H, W, 3) uint8.
        labels: (B, H, W) uint8.
        max_zoom: the batch is enlarged by 1 to `max_zoom` (photos bilinear, labels nearest neighbour),
            then each image is cropped at its own random place.
        brightness: each photo is multiplied by 1 - b to 1 + b, and its contrast likewise.
        generator: the source of all randomness; on the CPU.
        crop_px: side of the crops; None: H and W.
        colour: each channel of a photo is multiplied by 1 - c to 1 + c, and 0.4 times as much is added to it
            or taken away.

    Returns:
        (B, 3, h, w) float32 in [0, 1] and (B, h, w) int64, h and w those of the crops.
    """
    count, height, width = labels.shape
    zoom = 1 + (max_zoom - 1) * float(torch.rand((), generator=generator))
    big = (round(height * zoom), round(width * zoom))
    height, width = (crop_px or height), (crop_px or width)
    images = torch.from_numpy(np.array(photos)).permute(0, 3, 1, 2).float() / 255.0
    truth = torch.from_numpy(np.array(labels))[:, None].float()
    images = functional.interpolate(images, big, mode="bilinear", align_corners=False)
    truth = functional.interpolate(truth, big, mode="nearest-exact")[:, 0].long()
    draws = torch.rand(count, 5, generator=generator)
    crops = []
    for (top, left, mirror, light, contrast), image, target in zip(
        draws.tolist(), images, truth, strict=True
    ):
        y, x = int(top * (big[0] - height + 1)), int(left * (big[1] - width + 1))
        image, target = image[:, y : y + height, x : x + width], target[y : y + height, x : x + width]
        if mirror < 0.5:
            image, target = image.flip(-1), target.flip(-1)
        image = image * (1 + brightness * (2 * light - 1))
        mean = image.mean()
        image = mean + (image - mean) * (1 + brightness * (2 * contrast - 1))
        crops.append((image, target))
    stacked = torch.stack([image for image, _ in crops])
    if colour:
        gain, offset = (colour * (2 * torch.rand(2, count, 3, 1, 1, generator=generator) - 1)).unbind()
        stacked = stacked * (1 + gain) + 0.4 * offset
    return stacked.clamp(0, 1), torch.stack([target for _, target in crops])

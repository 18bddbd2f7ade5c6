"""Image features from a network that needs no download, for Fréchet distances offline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.scoring.metrics.lite0 import (
    FEATURES,
    NORMALISATION,
    WEIGHTS_SHA256,
    folded_lite0,
    pretrained_lite0,
)

_BATCH = 16
_INPUT_PX = 224


def weights_hash(weights: Mapping[str, Tensor], preprocessing: Mapping[str, Any]) -> str:
    """Hexadecimal digest (16 characters) over named tensors and the image preparation."""
    digest = hashlib.sha256(json.dumps(dict(preprocessing), sort_keys=True).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class FeatureNetwork:
    """A fixed network that turns images into feature vectors.

    Attributes:
        protocol: JSON-able: name, hash, weights, layer, resize filter, normalisation.
        network: maps (N, 3, 224, 224) float32 in [0, 1] to (N, D).
        device: torch device string.
    """

    protocol: dict[str, Any]
    network: nn.Module = field(repr=False)
    device: str = "cpu"

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Pooled features (N, D) float32 on the CPU for (N, 3, H, W) uint8 RGB images of any size."""
        rows = [torch.empty(0, FEATURES)]
        for start in range(0, len(images), _BATCH):
            pixels = images[start : start + _BATCH].to(self.device).float() / 255.0
            resized = functional.interpolate(
                pixels, (_INPUT_PX, _INPUT_PX), mode="bilinear", align_corners=False, antialias=True
            )
            resized = resized.contiguous(memory_format=torch.channels_last)
            rows.append(self.network(resized).float().cpu())
        return torch.cat(rows)


def default_feature_network(device: str) -> FeatureNetwork:
    """EfficientNet-Lite0 with ImageNet weights: 1280 pooled features (the classifier's input).

    Raises:
        UsageError: if the package with the weights is missing or damaged.
    """
    network = pretrained_lite0()
    preprocessing: dict[str, Any] = {
        "resize": f"{_INPUT_PX} px, bilinear, antialias",
        "normalisation": NORMALISATION,
        "layer": "pooled 1280",
    }
    protocol = {
        "network": "efficientnet-lite0-imagenet",
        "network_hash": weights_hash(network.state_dict(), preprocessing),
        "weights_sha256": WEIGHTS_SHA256,
        **preprocessing,
    }
    ready = folded_lite0(network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return FeatureNetwork(protocol, ready, device)

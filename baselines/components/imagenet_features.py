"""Features of torchvision's ImageNet classifiers, from a weights file that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models

from baselines.components.described import AlexNet, Vgg16
from baselines.components.registry import Part

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's ImageNet weights
_VGG16_TAPS = (3, 8, 15, 22)  # relu1_2, relu2_2, relu3_3, relu4_3 (Johnson et al. 2016)
_ALEXNET_TAPS = (1, 4, 7, 9, 11)  # relu1 to relu5, as LPIPS takes them


class Taps(nn.Module):
    """What some layers of a stack pass on.

    Shapes: (N, 3, H, W) float32 in [0, 1] -> maps, from fine to coarse.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: nn.Sequential, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.layers, self._taps = layers[: taps[-1] + 1], frozenset(taps)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        passed, features = [], (images - self.mean) / self.std
        for place, layer in enumerate(self.layers):
            features = layer(features)
            if place in self._taps:
                passed.append(features)
        return passed


def classifier_weights(name: str, network: nn.Module, file: str) -> dict[str, Tensor]:
    """The state dict in `file`, if it is one of torchvision's classifier `name`, its last layer included.

    Raises:
        ValueError: for any other file: the weights of a judge would be training on the test.
    """
    if not file:
        raise ValueError(
            f"expected perceptual_file=FILE with torchvision's ImageNet weights of {name}, found none: "
            "name the file, or take perceptual=lite0"
        )
    try:
        found: Any = (
            load_file(file)
            if Path(file).suffix == ".safetensors"
            else torch.load(file, map_location="cpu", weights_only=True)
        )
    except (OSError, RuntimeError, ValueError, SafetensorError, EOFError, KeyError, AttributeError) as error:
        raise ValueError(f"expected weights in {file}: {str(error).partition(chr(10))[0][:120]}") from None
    except Exception as error:  # the unpickler raises many kinds
        raise ValueError(f"expected a plain state dict in {file}: {type(error).__name__}") from None
    wanted = {key: value.shape for key, value in network.state_dict().items()}
    held = found if isinstance(found, dict) else {}
    shapes = {str(key): getattr(value, "shape", None) for key, value in held.items()}
    if shapes != wanted:
        unlike = [key for key in wanted if shapes.get(key) != wanted[key]]
        unlike = unlike or sorted(shapes.keys() - wanted.keys())
        raise ValueError(
            f"expected torchvision's ImageNet weights of {name} in {file}, found others "
            f"(at {unlike[0][:60]}): weights of a judge are refused, they would be training on the test"
        )
    return dict(found)


def _vgg16(fields: Vgg16, file: str) -> Taps:
    with torch.device("meta"):
        network = models.vgg16()
    network.load_state_dict(classifier_weights("vgg16", network, file), assign=True)
    return Taps(network.features, _VGG16_TAPS)


def _alexnet(fields: AlexNet, file: str) -> Taps:
    with torch.device("meta"):
        network = models.alexnet()
    network.load_state_dict(classifier_weights("alexnet", network, file), assign=True)
    return Taps(network.features, _ALEXNET_TAPS)


VGG16 = Part(Vgg16, _vgg16)
ALEXNET = Part(AlexNet, _alexnet)

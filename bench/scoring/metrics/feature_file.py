"""`--features FILE`: a TorchScript network of the user's that turns images into feature vectors.

Such a file is a program, and it is run: see `bench.scoring.outside_networks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.scoring.metrics.feature_choice import FeatureFile
from bench.scoring.outside_networks import load_script, standard

_TRIAL_PX = 64  # side of the images of the trial where the network has no size of its own


@dataclass(frozen=True)
class OpenedFile:
    """A feature network that has been tried.

    Attributes:
        protocol: JSON-able: network, weights' hash, input, length of a vector.
        features: (N, 3, H, W) uint8 RGB on the device -> (N, D) float32.
    """

    protocol: dict[str, Any]
    features: Callable[[Tensor], Tensor]


def open_feature_file(chosen: FeatureFile, device: str) -> OpenedFile:
    """Load the network and try it on two images.

    Raises:
        UsageError: if the file is no TorchScript program, reaches out of it, or does not give one finite
            vector an image.
    """
    network = load_script(chosen.path, device)
    prepare, told = _preparation(chosen)

    @torch.inference_mode()
    def features(images: Tensor) -> Tensor:
        return _vectors(network(prepare(images)), len(images), chosen)

    side = chosen.size or _TRIAL_PX
    trial = torch.arange(2 * 3 * side * side, device=device).reshape(2, 3, side, side) % 251
    dim = _tried(features, trial.to(torch.uint8), chosen)
    protocol = {
        "network": f"torchscript {chosen.name}",
        "weights_sha256": sha256_file(chosen.path),
        "preparation": told,
        "feature_dim": dim,
    }
    return OpenedFile(protocol, features)


def _preparation(chosen: FeatureFile) -> tuple[Callable[[Tensor], Tensor], str]:
    """What makes the network's input of (N, 3, H, W) uint8 images, and that in words."""
    if chosen.input == "uint8":
        return lambda images: images, "own size; uint8"
    prepared = standard(chosen.input, None if chosen.size is None else (chosen.size, chosen.size))
    return prepared, prepared.describe()


def _tried(features: Callable[[Tensor], Tensor], trial: Tensor, chosen: FeatureFile) -> int:
    try:
        return int(features(trial).shape[1])
    except UsageError:
        raise
    except Exception as error:  # a program raises what it likes
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        said = lines[-1].strip()[:200] if lines else type(error).__name__
        raise UsageError(
            f"expected a network that takes images of input={chosen.input}, size={chosen.size or 'own'} in "
            f"{chosen.path}: {said}; input= and size= after the file change that"
        ) from None


def _vectors(output: Any, n: int, chosen: FeatureFile) -> Tensor:
    """(N, D) float32 of what the network returned: (N, D), or (N, D, 1, 1)."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        found = f"a {type(output).__name__}"
    else:
        flat = output.flatten(1) if output.ndim == 4 and output.shape[2:] == (1, 1) else output
        if flat.ndim == 2 and len(flat) == n and flat.shape[1] and flat.is_floating_point():
            if not bool(torch.isfinite(flat).all()):
                raise UsageError(f"expected finite features of {chosen.path}, found NaN or infinite ones")
            return flat.float()
        found = f"{str(output.dtype).removeprefix('torch.')} of shape {tuple(output.shape)}"
    raise UsageError(f"expected one vector of floats an image, ({n}, D), of {chosen.path}, found {found}")

"""LPIPS: distance of each prediction from its target in AlexNet features, weighted by human judgements.

Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", 2018, version
0.1. Network and linear weights are torchmetrics'. AlexNet's weights are torchvision's; this module does not
download them.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.sizes import image_size, is_native
from bench.core.bootstrap import bootstrap_mean
from bench.core.errors import UsageError
from bench.core.state_dict import read_state_dict
from bench.data.acquire.weights import ALEXNET, find_alexnet, weights_digest
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.common import NO_IMAGES, WITH_THEMSELVES, measured
from bench.scoring.metrics.kept_rows import Rows
from bench.scoring.metrics.sample_curve import detail, mean_curve

SMALLEST_PX = 31  # AlexNet's second pooling needs 3 x 3 values
_CHUNK = 16


@lru_cache(maxsize=1)  # all rows of a table use the same
def load_lpips(weights: Path, digest: str, device: str) -> nn.Module:
    """torchmetrics' LPIPS network with AlexNet weights from a file, in eval mode.

    Args:
        weights: torchvision's AlexNet state dict; only `features.*` is used.
        digest: the file's sha256, so that changed content is loaded again.
        device: torch device string.

    Raises:
        UsageError: if the file is not such a state dict.
    """
    from torchmetrics.functional.image.lpips import _NoTrainLpips

    try:
        state = read_state_dict(weights)
        with torch.random.fork_rng(devices=[]):  # building draws random weights, which are then replaced
            network: Any = _NoTrainLpips(net="alex", pnet_rand=True)
        for part in network.net.children():
            for name, layer in part.named_children():
                layer.load_state_dict({key: state[f"features.{name}.{key}"] for key in layer.state_dict()})
    except (RuntimeError, KeyError, ValueError) as error:
        said = str(error).strip().partition("\n")[0][:200]
        raise UsageError(
            f"expected torchvision's AlexNet state dict at {weights}: {type(error).__name__}: {said}; "
            f"get {ALEXNET.url}"
        ) from None
    ready: nn.Module = network.to(device).eval()
    return ready


def linear_weights() -> Path:
    """The file of LPIPS linear weights in torchmetrics."""
    found = find_spec("torchmetrics")  # not imported: that takes seconds
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "functional/image/lpips_models/alex.pth"


@torch.inference_mode()
def lpips(
    network: nn.Module, prediction: NDArray[np.uint8], target: NDArray[np.uint8], device: str
) -> NDArray[np.float64]:
    """LPIPS (N,) of (N, H, W, 3) uint8 RGB pairs, H and W at least 31; 0: equal for the network."""
    rows = [
        network(*(_tensor(side[start : start + _CHUNK], device) for side in (prediction, target)))
        .double()
        .cpu()
        .numpy()
        .reshape(-1)
        for start in range(0, len(prediction), _CHUNK)
    ]
    return np.concatenate([np.empty(0), *rows])


def _tensor(images: NDArray[np.uint8], device: str) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in [-1, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return tensor.to(device).float() / 127.5 - 1


class LpipsMetric:
    """`lpips`: mean over images with a bootstrap interval, and each image's value."""

    keys: ClassVar[tuple[str, ...]] = ("lpips",)

    def __init__(self, context: ScoringContext) -> None:
        self._rows = Rows()
        self._device = context.device
        self._network: nn.Module | None = None
        self._protocol: dict[str, Any] = {
            "version": 1,
            "size_px": context.size_px,
            "reference": "paired test target",
            "network": "LPIPS 0.1, AlexNet",
            "data": "uint8 RGB, x / 127.5 - 1, own size, mean over pictures",
            "weights": None,
            "linear_weights": weights_digest(linear_weights())[:16],
        }
        self._reason = self._prepare(context)

    def _prepare(self, context: ScoringContext) -> str | None:
        """Load the network; returns the reason why there is no value, or None."""
        if context.row == "real":
            return WITH_THEMSELVES
        if not is_native(context.size_px) and image_size(context.size_px).shorter < SMALLEST_PX:
            return f"AlexNet needs images of {SMALLEST_PX} px, these have {context.size_px}"
        path, reason = find_alexnet()
        if path is None:
            return reason
        digest = weights_digest(path)
        self._protocol["weights"] = digest[:16]
        if not digest.startswith(ALEXNET.prefix):
            self._protocol["network"] = "LPIPS 0.1, AlexNet, weights not the released ones"
        self._network = load_lpips(path, digest, context.device)
        return None

    def update(self, batch: Batch) -> None:
        """Score every pair of the batch."""
        rows = {}
        if self._network is not None:
            rows["lpips"] = lpips(self._network, batch.prediction, batch.target, self._device)
        self._rows.add(len(batch.names), rows)

    def compute(self) -> MetricOutput:
        """The mean, its interval and the per-image column."""
        n = self._rows.n
        reason = self._reason or (None if n else NO_IMAGES)
        if reason is not None:
            return MetricOutput(missing(self.keys, reason, self._protocol, n))
        values = self._rows["lpips"]
        result = measured("lpips", float(values.mean()), n, self._protocol, interval=bootstrap_mean(values))
        return MetricOutput([result], {"lpips": values}, detail(lpips=mean_curve(values, result.value)))

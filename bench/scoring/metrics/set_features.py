"""Features of predictions and of their reference, for all distances between sets of features.

The network always sees chunks of the same size, regardless of the batches of the scoring pass. The features
of the reference are cached on disk under the content they were made from. Memory: 4 D bytes an image and side
(0.8 GB for both sides of 50,000 images with D = 2048), and one chunk of images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.sizes import NATIVE
from bench.core.files import atomic_path
from bench.core.images import to_rgb8
from bench.core.lock import locked
from bench.data.cache import release_array
from bench.scoring.metrics.base import Batch, ScoringContext
from bench.scoring.metrics.common import NO_IMAGES, stand_ins
from bench.scoring.metrics.frechet import frechet_distance, gaussian, kernel_distance
from bench.scoring.metrics.sample_curve import Curve, sample_curve

Extract = Callable[[Tensor], Tensor]
Features = NDArray[np.float32]
CHUNK = 16
_CURVE_SUBSETS = 5  # of a kernel distance over more than a thousand images; a subset costs 0.2 s


class FeatureComparison:
    """Collects the features of the predictions and of the reference.

    The reference is the test split's targets. In the `real` row, evenly spaced training targets, as many as
    test targets, replace the predictions.

    Args:
        context: of the scoring pass.
        extract: images (N, 3, H, W) uint8 RGB on the device -> features (N, D).
        identity: JSON-able; names network, weights and preprocessing. Together with the images' key it names
            the file of the reference features.
    """

    def __init__(self, context: ScoringContext, extract: Extract, identity: dict[str, Any]) -> None:
        self._context, self._extract, self._identity = context, extract, identity
        self._pending: list[NDArray[np.uint8]] = []
        self._features: Features | None = None
        self._done = 0
        self._places: NDArray[np.int64] | None = None
        self._reason: str | None = None
        self._last: Batch | None = None
        self._pair: tuple[Features, Features] | None = None
        self.n = 0
        if context.row == "real":
            self._places, self._reason = stand_ins(context)

    def update(self, batch: Batch) -> None:
        """Add the predictions of a batch; a batch that another metric has just added counts once."""
        if batch is self._last:
            return
        self._last = batch
        self.n += len(batch.names)
        if self._is_real:
            return
        self._pending.extend(batch.prediction)
        while len(self._pending) >= CHUNK:
            self._run()

    @property
    def reason(self) -> str | None:
        """The reason why there is nothing to compare, or None."""
        if self._reason is not None:
            return self._reason
        if not self.n:
            return NO_IMAGES
        if min(self.n, len(self._context.test)) < 2:
            return "a covariance needs at least 2 images, found 1"
        return None

    def pair(self) -> tuple[Features, Features]:
        """Features of the predictions (N, D) and of the reference (M, D), float32."""
        if self._pair is None:
            self._pair = self._both()
        return self._pair

    def _both(self) -> tuple[Features, Features]:
        test = self._context.test
        reference = self._kept(test.target, np.arange(len(test)), test.key)
        train = self._context.train_targets
        if self._places is not None and train is not None:
            return self._kept(train, self._places, _content(train, self._places)), reference
        return self._all(), reference

    @property
    def _is_real(self) -> bool:
        return self._context.row == "real"

    def _all(self) -> Features:
        while self._pending:
            self._run()
        assert self._features is not None  # without images `reason` is set
        return self._features[: self._done]

    def _run(self) -> None:
        chunk, self._pending = self._pending[:CHUNK], self._pending[CHUNK:]
        found = self._extracted(chunk)
        if self._features is None:
            self._features = np.empty((len(self._context.test), found.shape[1]), np.float32)
        self._features[self._done : self._done + len(found)] = found
        self._done += len(found)

    def _extracted(self, images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Features:
        """Features (N, D) of one chunk of images (H, W, 3); images of several sizes go one by one."""
        if len({image.shape for image in images}) > 1:
            return np.concatenate([self._extracted([image]) for image in images])
        batch = torch.from_numpy(np.ascontiguousarray(np.stack(list(images)).transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            features = self._extract(batch.to(self._context.device))
        found: Features = features.float().cpu().numpy()
        return found

    def _kept(self, images: NDArray[Any], places: NDArray[np.int64], content: str) -> Features:
        """Features of the images at `places`, from the cache or extracted and stored there."""
        size = [len(places), *(images.shape[1:3] if images.ndim > 1 else [NATIVE]), 3]
        name = json.dumps([content, size, CHUNK, self._identity], sort_keys=True)
        path = self._context.cache / "stats" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npz"
        kept = _read(path, len(places))
        if kept is not None:
            return kept
        with locked(self._context.cache / "locks" / f"{path.stem}.lock"):
            kept = _read(path, len(places))  # another process may have just made them
            return self._made(images, places, path) if kept is None else kept

    def _made(self, images: NDArray[Any], places: NDArray[np.int64], path: Path) -> Features:
        """Extract the features and store them at `path`."""
        parts = []
        for start in range(0, len(places), CHUNK):
            parts.append(self._extracted(to_rgb8(images[places[start : start + CHUNK]])))
            release_array(images)
        made = np.concatenate(parts)
        with atomic_path(path) as temporary:
            np.savez(temporary, features=made)
        return made


def frechet_curve(a: Features, b: Features, value: float) -> Curve | None:
    """The Fréchet distance of (N, D) and (M, D) features at fewer images; None if they are not pairs."""
    if len(a) != len(b):
        return None
    dear = len(a) > a.shape[1]  # then a distance costs D^3 for every subset
    return sample_curve(
        len(a),
        lambda places: frechet_distance(gaussian(a[places]), gaussian(b[places])),
        value,
        subsets=2 if dear else 8,
    )


def kernel_curve(a: Features, b: Features, value: float) -> Curve | None:
    """The kernel distance at fewer images, as `frechet_curve`."""
    if len(a) != len(b):
        return None
    return sample_curve(
        len(a), lambda places: kernel_distance(a[places], b[places], subsets=_CURVE_SUBSETS).value, value
    )


def few_images(n: int, dim: int) -> str | None:
    """A warning about a Fréchet distance of fewer images than features; None if there are enough."""
    if n >= dim:
        return None
    return (
        f"N = {n} is below the {dim} features: the covariances are singular and the distance is biased "
        "upwards; compare at this N only, and with the real row"
    )


def _content(images: NDArray[Any], places: NDArray[np.int64]) -> str:
    """sha256 over the images at `places`, read one at a time."""
    digest = hashlib.sha256()
    for place in places:
        digest.update(to_rgb8(images[place]).tobytes())
    return digest.hexdigest()


def _read(path: Path, n: int) -> Features | None:
    """The features stored at `path`, or None if they are missing or damaged."""
    try:
        with np.load(path) as archive:
            features: Features = archive["features"]
    except Exception:  # numpy and zipfile raise nearly anything on damaged files
        return None
    fits = isinstance(features, np.ndarray) and features.ndim == 2 and features.dtype == np.float32
    return features if fits and len(features) == n else None

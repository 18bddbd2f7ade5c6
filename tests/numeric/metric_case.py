"""What the metric tests share: generated images, a scoring context around them, and a scoring pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from example_card import example_card
from numpy.typing import NDArray
from scipy import ndimage

from bench.data.types import SplitArrays
from bench.records.record import MetricResult
from bench.scoring.metrics.base import Batch, Metric, MetricOutput, ScoringContext

Images = NDArray[np.uint8]
CARD = example_card(
    name="generated",
    domains=("source", "target"),
    roles=("image", "photo"),
    direction="source2target",
    size_px=32,
)


def images(count: int, size: int, seed: int = 0) -> Images:
    """(N, S, S, 3) uint8: coloured blobs with fine noise, all different."""
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.normal(size=(count, size, size, 3)), (0, 4, 4, 0.5), mode="wrap")
    blobs *= 50 / blobs.std()
    level = rng.uniform(80, 170, size=(count, 1, 1, 3))
    noise = rng.normal(scale=8, size=blobs.shape)
    return np.clip(np.rint(level + blobs + noise), 0, 255).astype(np.uint8)


def context_for(targets: NDArray[Any], cache: Path, *, row: str = "run", **more: Any) -> ScoringContext:
    """A scoring pass against (N, S, S, C) test targets."""
    names = tuple(f"p{index}" for index in range(len(targets)))
    test = SplitArrays(names, targets, targets, None, None, "generated-test")
    values: dict[str, Any] = {
        "card": CARD,
        "size_px": targets.shape[1],
        "target_role": "photo",
        "row": row,
        "device": "cpu",
        "cache": cache,
        "test": test,
    }
    return ScoringContext(**{**values, **more})


def pooled_features(n: int, dim: int, seed: int, shift: float = 0.0) -> NDArray[np.float64]:
    """(N, D): correlated and not negative, as pooled activations are."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(dim).normal(size=(dim, dim)) / np.sqrt(dim)
    return np.maximum(rng.normal(size=(n, dim)) @ mixing + 0.4 + shift, 0)


def run(metric: Metric, predictions: Images, targets: Images, *, batch: int = 4) -> MetricOutput:
    """One pass in batches of a size."""
    for start in range(0, len(targets), batch):
        part = slice(start, start + batch)
        names = tuple(f"p{index}" for index in range(len(targets)))[part]
        metric.update(Batch(names, predictions[part], targets[part], None, start))
    return metric.compute()


def by_name(output: MetricOutput) -> dict[str, MetricResult]:
    """Results by key, none twice."""
    found = {result.name: result for result in output.results}
    assert len(found) == len(output.results)
    return found


def value(output: MetricOutput, key: str) -> float:
    """The value of a key, which must be there."""
    found = by_name(output)[key].value
    assert found is not None, by_name(output)[key].reason
    return found

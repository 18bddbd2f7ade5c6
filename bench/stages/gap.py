"""The gap between training and test: one generator on as many training images as test images."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from baselines.sizes import Size
from baselines.translate import Checkpoint
from bench.data.chosen import some_of
from bench.data.types import SplitArrays
from bench.records.output_folder import RunFiles
from bench.scoring.metrics.base import ScoringContext
from bench.spec.pairs_used import even_indices
from bench.spec.policy import CHEAP_METRICS
from bench.spec.run_spec import RunSpec
from bench.stages.data_in_use import Workbench
from bench.stages.quick_values import scored_values, values_on

MOST_IMAGES = 100  # of each side: a mean needs no more, and a large test set would double the time


def train_test_gap(
    checkpoint: Checkpoint, bench: Workbench, spec: RunSpec, files: RunFiles
) -> dict[str, Any]:
    """Values of `CHEAP_METRICS` on equally many training and test images, both evenly spaced.

    Both are loaded and translated as test images are. The test predictions are those of the run.

    Returns:
        {"n": images on each side, "train": {metric: value or None}, "test": {metric: value or None}}.
    """
    n = min(bench.spec.train_n, bench.spec.test_n, MOST_IMAGES)
    sides = {side: _some(bench, side, n, spec.training.size_px) for side in ("train", "test")}
    with tempfile.TemporaryDirectory(prefix=".partial-gap-", dir=files.folder) as name:
        train, _, _ = values_on(
            checkpoint, _context(bench, sides["train"], spec), spec, CHEAP_METRICS, Path(name) / "images"
        )
    test, _, _ = scored_values(_context(bench, sides["test"], spec), CHEAP_METRICS, files.predictions)
    return {"n": n, "train": train, "test": test}


def _some(bench: Workbench, split: str, n: int, size_px: Size) -> SplitArrays:
    used = bench.spec.train_n if split == "train" else bench.spec.test_n
    places = even_indices(bench.dataset.splits[split], used)[even_indices(used, n)]
    return some_of(bench.dataset, split, places.tolist()).load(split, size_px=size_px, cache=bench.cache)


def _context(bench: Workbench, images: SplitArrays, spec: RunSpec) -> ScoringContext:
    """A context for metrics that need no network."""
    return ScoringContext(
        card=bench.dataset.card,
        size_px=spec.training.size_px,
        target_role=bench.dataset.target_role,
        row="run",
        device=bench.device,
        cache=bench.cache,
        test=images,
        data_range=bench.data_range,
    )

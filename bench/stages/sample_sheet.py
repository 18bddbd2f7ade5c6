"""A few pairs to look at during training: of the validation images, else of the training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines.settings import TestSettings
from baselines.sizes import Size
from baselines.translate import Checkpoint, translations
from bench.core.images import captioned, contact_sheet
from bench.data.chosen import some_of
from bench.data.types import SplitArrays
from bench.spec.pairs_used import even_indices
from bench.stages.data_in_use import Workbench
from bench.stages.generate import image_seed

_COUNT = 4


@dataclass(frozen=True)
class Samples:
    """Pairs at the test size, and what they are, in words."""

    pairs: SplitArrays
    words: str

    def sheet(self, checkpoint: Checkpoint, seed: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8: a caption, then source, prediction, target of each pair, a row each."""
        shown = self.pairs
        seeds = [image_seed(seed, name) for name in shown.names]
        made = translations(checkpoint, zip(shown.source, seeds, strict=True), TestSettings())
        rows = [list(row) for row in zip(shown.source, made, shown.target, strict=True)]
        return captioned(contact_sheet(rows), self.words)


def samples_of(bench: Workbench, size_px: Size) -> Samples:
    """Evenly spaced validation images, or training images where there are none; never test images."""
    split = "val" if "val" in bench.dataset.splits else "train"
    there = bench.dataset.splits[split]
    used = bench.spec.train_n if split == "train" else there
    places = even_indices(there, used)[even_indices(used, min(_COUNT, used))]
    some = some_of(bench.dataset, split, places.tolist())
    pairs = some.load(split, size_px=size_px, cache=bench.cache)
    return Samples(pairs, {"val": "validation images", "train": "training images"}[split])

"""Which images of a data set a run sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.data.datasets import Dataset
from bench.spec.run_spec import DataSpec


def even_indices(total: int, wanted: int) -> NDArray[np.int64]:
    """`wanted` evenly spaced indices of 0..total-1, the first included."""
    return np.arange(wanted) * total // wanted


def data_spec(dataset: Dataset, train_limit: int | None, test_limit: int | None) -> DataSpec:
    """Which pairs of `dataset` are used, at most these numbers of each split, with their content hashes."""
    counts = {}
    for split, limit in (("train", train_limit), ("test", test_limit)):
        there = dataset.splits[split]
        counts[split] = there if limit is None else min(limit, there)
    return DataSpec(
        name=dataset.name,
        direction=dataset.direction,
        source=dataset.source,
        train_n=counts["train"],
        test_n=counts["test"],
        train_fingerprint=dataset.fingerprint("train", counts["train"]),
        test_fingerprint=dataset.fingerprint("test", counts["test"]),
    )

"""Which images of a data set a run sees."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.data.chosen import HeldOut, SomeOfVal, hold_out, limit_val
from bench.data.dataset import Dataset
from bench.data.layouts import AmbiguousLayoutError
from bench.data.open_dataset import open_dataset
from bench.spec.run_spec import DataSpec


def even_indices(total: int, wanted: int) -> NDArray[np.int64]:
    """`wanted` evenly spaced indices of 0..total-1, the first included."""
    return np.arange(wanted) * total // wanted


def with_val_share(dataset: Dataset, train_limit: int | None, share: float) -> Dataset:
    """`dataset`, where `share` > 0 with that share of the training images used as its split "val".

    Raises:
        UsageError: if it has such a split, or too few training images.
    """
    if not 0 <= share < 1:
        raise UsageError(f"expected --val-share from 0 to below 1, such as 0.1, found {share:g}")
    if not share:
        return dataset
    used = dataset.splits["train"]
    used = used if train_limit is None else min(train_limit, used)
    return hold_out(dataset, used, max(1, round(share * used)))


def _split_as_in(dataset: Dataset, data: DataSpec) -> Dataset:
    """`dataset` as it was opened, with the validation images that `data` holds out or takes.

    Raises:
        UsageError: if it has too few training images, or no validation images.
    """
    if data.val_limit:
        return limit_val(dataset, data.val_limit)
    return hold_out(dataset, data.train_n + data.val_n, data.val_n) if data.val_n else dataset


def open_again(data: DataSpec, root: Path | None) -> Dataset:
    """The data set of a run; where several layouts fit, the one that holds the run's images.

    Raises:
        UsageError: as `open_dataset`, or if no layout that fits holds them.
    """
    open_as = partial(
        open_dataset,
        data.name,
        root=root,
        direction=data.direction,
        source=data.source,
        label_values=data.label_values or None,  # type: ignore[arg-type]
        ranges={domain: (low, high) for domain, low, high, how in data.ranges if how == "declared"},
    )
    failed: UsageError | None = None
    others: Sequence[str] = () if data.source == "paired" else ("photos", "pairs")
    try:
        found = _split_as_in(open_as(), data)
    except UsageError as error:
        found, failed = None, error
        others = error.layouts if isinstance(error, AmbiguousLayoutError) else others
    if found is not None and (not others or data_spec(found, data.train_n, data.test_n) == data):
        return found
    for layout in others:
        with suppress(UsageError):
            other = _split_as_in(open_as(layout=layout), data)
            if data_spec(other, data.train_n, data.test_n) == data:
                return other
    if failed is not None:
        raise failed
    assert found is not None
    return found


def data_spec(dataset: Dataset, train_limit: int | None, test_limit: int | None) -> DataSpec:
    """Which pairs of `dataset` are used, at most these numbers of each split, with their content hashes."""
    counts = {}
    for split, limit in (("train", train_limit), ("test", test_limit)):
        there = dataset.splits[split]
        counts[split] = there if limit is None else min(limit, there)
    held_out = isinstance(dataset.images, HeldOut)
    return DataSpec(
        name=dataset.name,
        direction=dataset.direction,
        source=dataset.source,
        train_n=counts["train"],
        test_n=counts["test"],
        train_fingerprint=dataset.fingerprint("train", counts["train"]),
        test_fingerprint=dataset.fingerprint("test", counts["test"]),
        val_n=dataset.splits["val"] if held_out else 0,
        val_fingerprint=dataset.fingerprint("val") if held_out else "",
        val_limit=dataset.splits["val"] if isinstance(dataset.images, SomeOfVal) else 0,
        unpaired=dataset.unpaired,
        label_values=dataset.label_values or "",
        ranges=dataset.ranges,
    )

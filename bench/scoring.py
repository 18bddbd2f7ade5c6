"""One pass over a row's predictions: each picture is decoded once and shown to every metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench import plugins
from bench.data.cache import release_pages
from bench.errors import unknown_name
from bench.metrics.base import Batch, Metric, MetricOutput, ScoringContext
from bench.metrics.catalogue import CATALOGUE
from bench.pictures import to_rgb8
from bench.progress import Advance

_BATCH_PIXELS = 16 * 256 * 256


def families_for(keys: Sequence[str]) -> dict[str, set[str]]:
    """Metric families to run, each with the keys asked of it (empty set: all); no keys: every family.

    A key is a built-in metric key or the name of a metric plug-in.

    Raises:
        UsageError: for an unknown key, with the nearest.
    """
    installed = plugins.names("metrics")
    if not keys:
        return {name: set() for name in installed}
    families: dict[str, set[str]] = {}
    for key in keys:
        if key in CATALOGUE:
            families.setdefault(CATALOGUE[key].family, set()).add(key)
        elif key in installed:
            families[key] = set()
        else:
            raise unknown_name("metric", key, [*CATALOGUE, *installed], "bench list metrics")
    return families


def score(
    predictions: Callable[[int], NDArray[Any]],
    context: ScoringContext,
    keys: Sequence[str],
    advance: Advance,
) -> tuple[MetricOutput, pd.DataFrame]:
    """All metrics of one row in one pass.

    Args:
        predictions: index in the test split -> (H, W, C) uint8 or uint16.
        context: the row's scoring context; `context.test` gives targets and labels.
        keys: metric keys; empty = all.
        advance: told how many pictures are done.

    Returns:
        the merged output, and the per-image table: column `name`, one column a per-image value.
    """
    families = families_for(keys)
    metrics: list[Metric] = [plugins.load("metrics", family)(context) for family in families]
    test = context.test
    step = max(1, _BATCH_PIXELS // context.size_px**2)
    for start in range(0, len(test), step):
        stop = min(start + step, len(test))
        batch = Batch(
            test.names[start:stop],
            to_rgb8(np.stack([predictions(index) for index in range(start, stop)])),
            to_rgb8(test.target[start:stop]),
            None if test.labels is None else np.asarray(test.labels[start:stop]),
        )
        for metric in metrics:
            metric.update(batch)
        release_pages(test)
        advance(stop, "")
    merged = MetricOutput([])
    for metric, wanted in zip(metrics, families.values(), strict=True):
        output = metric.compute()
        merged.results += [result for result in output.results if not wanted or result.name in wanted]
        merged.per_image |= output.per_image
        merged.details |= output.details
    table = pd.DataFrame({"name": list(test.names), **{k: list(v) for k, v in merged.per_image.items()}})
    return merged, table

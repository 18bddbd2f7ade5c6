"""One pass over a row's predictions: each image is decoded once and shown to every metric.

A few threads decode images ahead of the scoring.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from baselines.engine import arithmetic
from baselines.sizes import Size, image_size, is_native
from bench.core import plugins
from bench.core.errors import UsageError, unknown_name
from bench.core.freed_memory import kept_by_the_process
from bench.core.images import in_eight_bits, stacked, to_rgb8
from bench.core.progress import Advance
from bench.data.cache import release_pages
from bench.data.types import SIXTEEN_BITS, DataRange
from bench.scoring.metrics.base import Batch, Exact, Metric, MetricOutput, ScoringContext, missing
from bench.scoring.metrics.by_name import NamedMetric, find
from bench.scoring.metrics.catalogue import ALL, CATALOGUE, NEIGHBOURS, PEOPLE
from bench.scoring.metrics.common import UNPAIRED
from bench.scoring.metrics.feature_choice import IN_FILE
from bench.scoring.metrics.named_keys import is_named
from bench.scoring.metrics.sample_curve import joined
from bench.scoring.panel import Panel

_PRECISION = "fp32"  # of scoring networks on a GPU, regardless of the precision of training
_BATCH_PIXELS = 16 * 256 * 256
_DECODERS, _BATCHES_AHEAD = 4, 2  # threads, and batches of predictions held besides the current one


def families_for(keys: Sequence[str]) -> dict[str, set[str]]:
    """Metric families to run, each with its requested keys (empty set: all). No keys, or `all`: every family.

    A key is a built-in metric key, the name of a metric plug-in, or a metric of a library (`by_name`).

    Raises:
        UsageError: for an unknown key, with the nearest known one.
    """
    installed = plugins.names("metrics")
    families: dict[str, set[str]] = {}
    if not keys or ALL in keys:
        families = {name: set() for name in installed}
    whole = frozenset(families)
    for key in keys:
        if key == ALL or (key in CATALOGUE and CATALOGUE[key].family in whole):
            continue
        if key in CATALOGUE and CATALOGUE[key].family == PEOPLE:
            raise UsageError(
                f"expected a metric of images alone, found {key}: people give it (`bench people --help`)"
            )
        if key in CATALOGUE:
            families.setdefault(CATALOGUE[key].family, set()).add(key)
        elif key in installed:
            families[key] = set()
        elif key.startswith(IN_FILE):
            families.setdefault(NEIGHBOURS, set()).add(key)
        elif is_named(key):
            find(key)
            families[key] = set()
        else:
            raise unknown_name("metric", key, [*CATALOGUE, *installed], "bench list metrics")
    return families


def wants_judge(keys: Sequence[str]) -> bool:
    """Whether a metric may use the judge: `fcn_*` do, other built-in ones do not, a plug-in might."""
    built_in = {info.family for info in CATALOGUE.values()}
    for family, wanted in families_for(keys).items():
        if family == "segmentation":
            if not wanted or any(key.startswith("fcn_") for key in wanted):
                return True
        elif family not in built_in and not is_named(family):
            return True
    return False


def needs_pairs(family: str) -> bool:
    """Whether a metric family compares each output with its own target or labels."""
    if is_named(family):
        return find(family).paired
    if family == NEIGHBOURS:
        return False
    return bool(getattr(plugins.load("metrics", family), "pairs", True))


def _keys(family: str) -> tuple[str, ...]:
    keys: tuple[str, ...] = () if is_named(family) else plugins.load("metrics", family).keys
    return keys or (family,)


def _opened(family: str, context: ScoringContext) -> Metric:
    """A metric family for one row."""
    if is_named(family):
        return NamedMetric(context, family)
    if family == NEIGHBOURS:
        from bench.scoring.metrics.neighbours import NeighboursMetric

        return NeighboursMetric(context)
    metric: Metric = plugins.load("metrics", family)(context)
    return metric


def score(
    predictions: Callable[[int], NDArray[Any]],
    context: ScoringContext,
    keys: Sequence[str],
    advance: Advance,
) -> tuple[MetricOutput, pd.DataFrame]:
    """All metrics of one row in one pass.

    Args:
        predictions: index in the test split -> (H, W, C) uint8, uint16 or, with float targets, float32.
        context: the row's scoring context; `context.test` gives targets and labels.
        keys: metric keys; empty = all.
        advance: told how many images are done.

    Returns:
        the merged output, and the per-image table: column `name`, one column a per-image value.
    """
    families = families_for(keys)
    test, merged = context.test, MetricOutput([])
    context = replace(context, shared={})
    with arithmetic(_PRECISION), kept_by_the_process():
        lacking = {name for name in families if context.unpaired and needs_pairs(name)}
        metrics = {name: _opened(name, context) for name in families if name not in lacking}
        panel = Panel(context, None if "segmentation" in lacking else families.get("segmentation"))
        for batch in _batches(predictions, context):
            for metric in metrics.values():
                metric.update(batch)
            panel.update(batch)
            advance(batch.start + len(batch.names), "")
        outputs = {family: _rounded(metric, metric.compute(), context) for family, metric in metrics.items()}
        panel.compute(lambda metric, output: _rounded(metric, output, context))
    outputs |= {family: MetricOutput(missing(_keys(family), UNPAIRED, {}, len(test))) for family in lacking}
    for family, wanted in families.items():
        output = outputs[family]
        merged.results += [result for result in output.results if not wanted or result.name in wanted]
        merged.per_image |= output.per_image
        merged.details = joined(merged.details, output.details)
    merged.per_image |= panel.per_image
    merged.details |= panel.details
    table = pd.DataFrame({"name": list(test.names), **{k: list(v) for k, v in merged.per_image.items()}})
    return merged, table


def images_at_once(size_px: Size) -> int:
    """Images of one batch: 16 at 256 px; one where each has its own size."""
    return 1 if is_native(size_px) else max(1, _BATCH_PIXELS // image_size(size_px).pixels)


def _batches(predictions: Callable[[int], NDArray[Any]], context: ScoringContext) -> Iterator[Batch]:
    """The test images in order; the next batches are decoded while one is scored.

    Memory does not grow with the number of images: only a few batches are held, and pages of targets are
    released after use.
    """
    test, step = context.test, images_at_once(context.size_px)
    places = range(len(test))
    parts = iter([places[first : first + step] for first in range(0, len(test), step)])
    with ThreadPoolExecutor(min(_DECODERS, os.cpu_count() or 1)) as pool:
        ahead: deque[tuple[range, list[Future[NDArray[Any]]]]] = deque()

        def send() -> None:
            if (indices := next(parts, None)) is not None:
                ahead.append((indices, [pool.submit(_prediction, predictions, context, i) for i in indices]))

        try:
            for _ in range(_BATCHES_AHEAD):
                send()
            while ahead:
                indices, decoding = ahead.popleft()
                part = slice(indices.start, indices.stop)
                images = [future.result() for future in decoding]
                batch = Batch(
                    test.names[part],
                    np.stack([_in_rgb8(image, context) for image in images]),
                    to_rgb8(stacked(test.target[part])),
                    None if test.labels is None else stacked(test.labels[part]),
                    indices.start,
                    _exact(images, context, part),
                )
                release_pages(test)
                send()
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)


def _prediction(
    predictions: Callable[[int], NDArray[Any]], context: ScoringContext, index: int
) -> NDArray[Any]:
    """One prediction (H, W, C) as it is. It is checked, and never clipped, rounded or resized.

    Raises:
        UsageError: for floats where targets have none (with their range), or another size than the target's.
    """
    test = context.test
    image, name = predictions(index), test.names[index]
    is_known_float = image.dtype == np.float32 and context.data_range is not None
    if image.dtype not in (np.uint8, np.uint16) and not is_known_float:
        raise UsageError(
            f"expected 8-bit or 16-bit predictions, found {image.dtype} {_range(image)} for {name}: "
            "convert them to uint8, values 0 to 255"
        )
    wanted = test.target[index].shape[:2]
    if image.ndim != 3 or image.shape[:2] != wanted or image.shape[2] not in (1, 3):
        found = "x".join(map(str, image.shape))
        raise UsageError(
            f"expected predictions of {wanted[0]}x{wanted[1]} with 1 or 3 channels, found {found} for {name}"
        )
    return image


def _in_rgb8(image: NDArray[Any], context: ScoringContext) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a prediction."""
    if image.dtype == np.float32 and context.data_range is not None:
        image = in_eight_bits(image, context.data_range.low, context.data_range.high)
    return to_rgb8(image)


def _exact(images: Sequence[NDArray[Any]], context: ScoringContext, part: slice) -> Exact | None:
    """The values of a batch in the units of the targets' files, if those have more than 8 bits."""
    known, test = context.data_range, context.test
    if known is None:
        return None
    stored = test.target if test.values is None else test.values
    images_there = stacked(stored[part])
    target = images_there.astype(np.float64)
    prediction = np.stack([_in_units(image, known) for image in images])
    channels = max(prediction.shape[-1], target.shape[-1])
    return Exact(_repeated(prediction, channels), _repeated(target, channels), known)


def _in_units(image: NDArray[Any], known: DataRange) -> NDArray[np.float64]:
    """A prediction's values in the targets' units; those of 8 bits (reference rows) span their range."""
    values = image.astype(np.float64)
    if image.dtype != np.uint8:
        return values
    whole = (known.low, known.high) == (SIXTEEN_BITS.low, SIXTEEN_BITS.high)
    return values * 257 if whole else known.low + values / 255 * known.width


def _repeated(values: NDArray[np.float64], channels: int) -> NDArray[np.float64]:
    """Gray values repeated to `channels`."""
    return np.repeat(values, channels, axis=-1) if values.shape[-1] == 1 < channels else values


def _rounded(metric: Metric, output: MetricOutput, context: ScoringContext) -> MetricOutput:
    """`output`, its protocols saying that a metric saw 16-bit or float values in 8 bits."""
    if context.values is None or getattr(metric, "exact", False):
        return output
    said = f"{context.values}, shown in 8 bits"
    results = [replace(one, protocol={**one.protocol, "values": said}) for one in output.results]
    return replace(output, results=results)


def _range(values: NDArray[Any]) -> str:
    """The range of an array of floats, in words."""
    given = np.asarray(values, dtype=np.float64)
    if not np.isfinite(given).all():
        return "with NaN or infinite values"
    return f"of {given.min():.3g} to {given.max():.3g}" if given.size else "without values"

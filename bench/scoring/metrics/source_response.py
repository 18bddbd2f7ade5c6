"""Whether a generator uses its source: how far its output moves when the source is swapped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import is_native
from bench.core.bootstrap import bootstrap_sum, pseudo_values
from bench.core.images import at_shape, to_rgb8
from bench.scoring.metrics.base import MetricOutput, ScoringContext, missing
from bench.scoring.metrics.catalogue import PSEUDO
from bench.scoring.metrics.common import NO_GENERATOR, NO_IMAGES, NOTHING_KEPT, measured

KEY, PAIRS = "source_response", 20
Floats = NDArray[np.float64]


def change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two (H, W, C) uint8 images, in grey levels."""
    return float(np.abs(a.astype(np.int16) - b).mean())


def pairs(total: int) -> list[tuple[int, int]]:
    """Which test image gets the source of which other one: at most 20 pairs without an image in common.

    The first images are evenly spaced over the first half of the split; their partners are in the second
    half, because neighbours may be frames of one drive.
    """
    half = total // 2
    wanted = min(PAIRS, half)
    return [(place, place + half) for place in (index * half // wanted for index in range(wanted))]


def source_response(context: ScoringContext, seen: int) -> MetricOutput:
    """The result over all pairs of `seen` test images, from the generator behind `ScoringContext.swaps`.

    The column of pseudo-values is NaN except for the first image of each pair.
    """
    chosen = pairs(seen)
    protocol: dict[str, Any] = {
        "version": 1,
        "size_px": context.size_px,
        "pairs": len(pairs(len(context.test))),
        "change": "mean absolute difference in grey levels, outputs over targets, summed over pairs",
    }
    if is_native(context.size_px):
        protocol["swapped"] = "resized (nearest) to the size of the image"
    reason = None
    if not chosen:
        reason = "needs two test images or more" if seen else NO_IMAGES
    elif context.swaps is None:
        reason = NO_GENERATOR
    found = context.swaps(chosen) if context.swaps is not None and reason is None else None
    if found is None:
        return MetricOutput(missing((KEY,), reason or NOTHING_KEPT, protocol, seen))
    rows = np.stack([found, _of_targets(context, chosen)], axis=1)
    result = measured(
        KEY,
        float(_ratio(rows.sum(0, keepdims=True))[0]),
        len(rows),
        protocol,
        interval=bootstrap_sum(rows, _ratio),
        undefined="the targets of all pairs are equal",
    )
    if result.value is None or len(rows) < 2:
        return MetricOutput([result])
    column = np.full(seen, np.nan)
    column[[place for place, _ in chosen]] = pseudo_values(rows, _ratio)
    return MetricOutput([result], per_image={f"{KEY}{PSEUDO}": column})


def _of_targets(context: ScoringContext, chosen: Sequence[tuple[int, int]]) -> Floats:
    targets = context.test.target
    sides = ((targets[place], at_shape(targets[other], targets[place].shape)) for place, other in chosen)
    return np.array([change(to_rgb8(one), to_rgb8(other)) for one, other in sides])


def _ratio(totals: Floats) -> Floats:
    """(R, 2) changes of outputs and targets -> (R,) ratios, NaN where the targets do not change."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(totals[:, 0] / totals[:, 1])

"""Values of a generator on images other than the test set: for the validation and the gap to training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baselines.translate import Checkpoint
from bench.core.images import read_png
from bench.data.measured import as_compared
from bench.records.record import Goal
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.one_pass import score
from bench.spec.run_spec import RunSpec
from bench.stages.generate import generate_split

Values = tuple[dict[str, float | None], dict[str, Goal], dict[str, str]]
"""Metric key -> value or None; -> goal; -> the reason, where there is no value."""


def values_on(
    checkpoint: Checkpoint,
    context: ScoringContext,
    spec: RunSpec,
    metrics: Sequence[str],
    folder: Path,
) -> Values:
    """Translate the images of `context.test` into the new `folder` like test images, and score them."""
    generate_split(checkpoint, context.test, spec.test, spec.seed, folder, lambda done, remark: None)
    return scored_values(context, metrics, folder)


def scored_values(context: ScoringContext, metrics: Sequence[str], folder: Path) -> Values:
    """The same for predictions `<stem>.png` that are in `folder` already."""
    names = context.test.names
    known = None if context.test.values is None else context.data_range  # else predictions have their values
    output, _ = score(
        lambda index: as_compared(read_png(folder / f"{names[index]}.png"), known),
        context,
        metrics,
        lambda done, remark: None,
    )
    results = {result.name: result for result in output.results}
    reasons = {name: one.reason for name, one in results.items() if one.reason is not None}
    return (
        {name: one.value for name, one in results.items()},
        {name: one.goal for name, one in results.items()},
        reasons,
    )

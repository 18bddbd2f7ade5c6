"""The validation that a run asks for: its images, their judge and labels, all checked before it trains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import Size
from bench.core.errors import UsageError
from bench.data.chosen import HeldOut
from bench.data.dataset import Dataset
from bench.records.output_folder import RunFiles
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.one_pass import wants_judge
from bench.spec.policy import Policy
from bench.spec.run_spec import RunSpec
from bench.stages.data_in_use import Workbench
from bench.stages.validation import Validation


def open_validation(bench: Workbench, spec: RunSpec, files: RunFiles, policy: Policy) -> Validation | None:
    """The validation that a run has; None if none was asked for.

    Raises:
        UsageError: if there are no validation images, others than the run's, or no judge that is needed.
    """
    every = policy.eval_every if spec.choice is None else spec.choice.every
    if not every:
        return None
    asked = (*policy.eval_metrics, *(() if spec.choice is None else (spec.choice.metric,)))
    metrics, size_px = tuple(dict.fromkeys(asked)), spec.training.size_px
    val = bench.val(size_px)
    found = None if val is None else bench.dataset.fingerprint("val")
    if val is None or (spec.choice is not None and found != spec.choice.val_fingerprint):
        raise UsageError(
            f"expected the validation images that run {spec.id} was planned with, found "
            f"{'none' if val is None else 'others'} in {bench.dataset.root}: run the command again"
        )
    not_asked = (None, "it was not asked for")
    judge, reason = bench.judges.open(size_px)[0] if wants_judge(metrics) else not_asked
    if judge is None and wants_judge(metrics):
        raise UsageError(f"expected a judge for --eval-metrics {','.join(metrics)}, found none: {reason}")
    weights, inception_reason = bench.inception
    judge_px = getattr(judge, "judge_px", None)
    context = ScoringContext(
        card=bench.dataset.card,
        size_px=size_px,
        target_role=bench.dataset.target_role,
        row="run",
        device=bench.device,
        cache=bench.cache,
        test=val,
        data_range=bench.data_range,
        judge=judge,
        judge_reason=reason,
        inception_weights=weights,
        inception_reason=inception_reason,
        file_labels=_labels(bench, judge_px),
        fid_protocol=bench.choice.fid_protocol,
        features=bench.choice.features,
    )
    origin = "held out" if isinstance(bench.dataset.images, HeldOut) else "own"
    in_test = _in_test(bench.dataset)
    if in_test:
        bench.reporter.say(
            f"{in_test} of the {len(val)} validation pairs of {bench.dataset.name} are test pairs too: what "
            "is decided on them has seen the test"
        )
    return Validation(spec, files, context, origin, every, metrics, in_test)


def _in_test(dataset: Dataset) -> int:
    val, test = (dataset.images.content(split, range(dataset.splits[split])) for split in ("val", "test"))
    return len(set(val) & set(test))


def _labels(bench: Workbench, size_px: Size | None) -> Callable[[int], NDArray[np.uint8]]:
    """Index among the validation images -> its label map at `size_px`; None: as large as in its file."""
    if size_px is None:
        return bench.dataset.file_labels("val")
    val = bench.val(size_px)
    assert val is not None
    labels = val.labels
    assert labels is not None
    return lambda index: np.array(labels[index])

"""The metric interface: `update` batch by batch, `compute` once.

A metric module has a pure function, which can be tested alone, and a thin class around it that accumulates
in float64 and states its protocol. One class may compute several keys that share work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import Size
from bench.data.types import DataRange, DatasetCard, Role, SplitArrays
from bench.records.record import MetricResult


@dataclass(frozen=True)
class Exact:
    """Values of a batch that its 8-bit view rounds.

    Attributes:
        prediction: (N, H, W, C) float64, in the units of the files.
        target: (N, H, W, C) float64.
        range: their range.
    """

    prediction: NDArray[np.float64]
    target: NDArray[np.float64]
    range: DataRange


@dataclass(frozen=True)
class Batch:
    """Test images of one update, in test order.

    Attributes:
        names: N stems.
        prediction: (N, H, W, 3) uint8 RGB.
        target: (N, H, W, 3) uint8 RGB.
        labels: (N, H, W) uint8 train ids, 255 = void; None where the data set has no labels.
        start: place of the first image in the test split.
        exact: the values of 16-bit and float images, which `prediction` and `target` show in 8 bits; else
            None.
    """

    names: tuple[str, ...]
    prediction: NDArray[np.uint8]
    target: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None
    start: int = 0
    exact: Exact | None = None


@dataclass(frozen=True)
class PanelJudge:
    """A further judge of a scoring pass.

    Attributes:
        judge: a `bench.scoring.judges.base.Judge`.
        file_labels: as in `ScoringContext`, for this judge.
    """

    judge: Any
    file_labels: Callable[[int], NDArray[np.uint8]] | None = None


@dataclass(frozen=True)
class ScoringContext:
    """The inputs of all metrics in one scoring pass.

    Attributes:
        card: the data set's card (classes, palette, class policy).
        size_px: size of the images (`baselines.sizes`); "native": each its own, and batches of one.
        target_role: "photo", "labels" or "image": what the predictions show.
        row: "run" for predictions of a model, else the reference row ("real", "copy", "nearest", "random").
            In the `real` row, predictions are the targets themselves (Fréchet and kernel
            distances: `train_targets` against the test targets).
        device: torch device string.
        cache: folder for reusable statistics, keyed by content.
        test: the test split (cache its reference statistics under `test.key`).
        train_targets: (M, H, W, C) uint8 targets of the training split at `size_px`, M >= N if the split is
            large enough; None if there are none. An array of M objects where sizes are mixed.
        judge: the segmentation network (`bench.scoring.judges.base.Judge`), or None with `judge_reason`.
        inception_weights: path of the released Inception state dict, or None with `inception_reason`.
        repeats: (test images, K) -> their spread over K dropout samples of the run's generator, or None if
            the generator is gone (`bench.stages.probes`). None if no run made the images.
        swaps: pairs of test images -> how far the generator's output moves when the first image gets the
            source of the second; None as for `repeats`.
        file_labels: index in the test split -> (h, w) uint8 train ids at their file's size, for judges that
            compare at a size of their own; None if only those of `test` exist.
        fid_protocol: how images are prepared for Inception, a name in `inception_input`.
        features: the network of `precision` and its like (`feature_choice`); None: `lite0`.
        shared: what metrics of one scoring pass share, such as features; None: nothing.
        panel: judges beside `judge`, which score the same images (`bench.scoring.panel`).
        unpaired: the targets are images of their side, but not those of the predictions' sources: metrics
            that compare image with image are left out.
        data_range: range of 16-bit and float targets; None where they have 8 bits.
    """

    card: DatasetCard
    size_px: Size
    target_role: Role
    row: str
    device: str
    cache: Path
    test: SplitArrays
    train_targets: NDArray[np.uint8] | None = None
    judge: Any = None
    judge_reason: str | None = None
    inception_weights: Path | None = None
    inception_reason: str | None = None
    repeats: Callable[[Sequence[int], int], NDArray[np.float64] | None] | None = None
    swaps: Callable[[Sequence[tuple[int, int]]], NDArray[np.float64] | None] | None = None
    file_labels: Callable[[int], NDArray[np.uint8]] | None = None
    fid_protocol: str = "torch-fidelity"
    features: str | None = None
    panel: tuple[PanelJudge, ...] = ()
    data_range: DataRange | None = None
    unpaired: bool = False
    shared: dict[Any, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def values(self) -> str | None:
        """The values of targets that have more than 8 bits, in words for protocols; None for 8 bits."""
        if self.data_range is None:
            return None
        stored = self.test.target if self.test.values is None else self.test.values
        dtype = stored[0].dtype if stored.dtype == object else stored.dtype  # each image its own size
        return f"{dtype}, range {self.data_range}"


@dataclass
class MetricOutput:
    """The output of a metric.

    Attributes:
        results: one `MetricResult` for each key of the metric; missing values have a reason.
        per_image: column name -> (N,) values in test order, for the Parquet file (NaN where undefined).
            Confusion matrices may come as columns `fcn_conf` / `label_conf` of flattened int64 arrays.
        details: JSON-able curves and tables for `RunRecord.details`.
    """

    results: list[MetricResult]
    per_image: dict[str, NDArray[Any]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


class Metric(Protocol):
    """A metric family, built once for each scoring pass with its context.

    `keys` names the metrics it computes. A class whose values need no pairs says so by `pairs = False`;
    others are left out of unpaired data. If a metric does not apply (no labels, no weights, a `real` row that
    would compare images with themselves), `compute` gives None with that reason.
    """

    keys: ClassVar[tuple[str, ...]]

    def __init__(self, context: ScoringContext) -> None: ...

    def update(self, batch: Batch) -> None:
        """Add one batch; the result must not depend on the batch size."""

    def compute(self) -> MetricOutput:
        """The results over all batches."""


def missing(keys: Sequence[str], reason: str, protocol: dict[str, Any], n: int) -> list[MetricResult]:
    """Results without a value for `keys`, all with the same reason."""
    from bench.scoring.metrics.catalogue import goal_of

    return [MetricResult(key, None, goal_of(key), n, protocol, reason=reason) for key in keys]

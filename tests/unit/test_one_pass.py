"""One pass over a row's predictions: what every metric is shown, and under which arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from example_card import example_card

from baselines.engine import arithmetic
from bench.core import plugins
from bench.data.types import SplitArrays
from bench.records.record import MetricResult
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext
from bench.scoring.one_pass import score

N, SIZE = 37, 32


class MeanLevel:
    """A plug-in that notes what it is shown, under which arithmetic."""

    keys: ClassVar[tuple[str, ...]] = ("level",)
    names: ClassVar[list[str]] = []
    tf32: ClassVar[set[bool]] = set()

    def __init__(self, context: ScoringContext) -> None:
        self.values: list[float] = []

    def update(self, batch: Batch) -> None:
        assert batch.start == len(self.values)
        self.names += batch.names
        self.tf32 |= {torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32}
        self.values += batch.prediction.mean((1, 2, 3)).tolist()

    def compute(self) -> MetricOutput:
        mean = float(np.mean(self.values))
        return MetricOutput([MetricResult("level", mean, "max", len(self.values), {})])


def test_a_metric_sees_all_images_in_order_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins._registered["metrics"], "level", MeanLevel)
    monkeypatch.setattr("bench.scoring.one_pass._BATCH_PIXELS", 12 * SIZE**2)
    names = tuple(f"p{place:02}" for place in range(N))
    target = np.zeros((N, SIZE, SIZE, 3), np.uint8)
    context = ScoringContext(
        card=example_card(size_px=SIZE),
        size_px=SIZE,
        target_role="photo",
        row="run",
        device="cpu",
        cache=tmp_path,
        test=SplitArrays(names, target, target, None, 0.0, "key"),
    )
    done: list[int] = []
    with arithmetic("tf32"):
        found, _ = score(
            lambda place: target[place] + np.uint8(place), context, ("level",), lambda n, _="": done.append(n)
        )
        assert torch.backends.cudnn.allow_tf32  # as before
        assert torch.backends.cuda.matmul.allow_tf32
    assert MeanLevel.tf32 == {False}
    assert tuple(MeanLevel.names) == names
    assert (found.results[0].value, found.results[0].n) == ((N - 1) / 2, N)
    assert done == [12, 24, 36, 37]

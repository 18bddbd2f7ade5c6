"""A test split that several processes score in parts: the results are, bit for bit, those of one process."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from example_card import example_card
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.engine import arithmetic
from baselines.parallel import OtherRankError, Ranks
from bench.core import plugins
from bench.core.errors import UsageError
from bench.data.types import ClassInfo, SplitArrays
from bench.records.record import MetricResult
from bench.scoring.metrics.base import Batch, Joinable, MetricOutput, ScoringContext
from bench.scoring.metrics.catalogue import CATALOGUE
from bench.scoring.metrics.confusion import confusion_matrix
from bench.scoring.metrics.lite0_features import FeatureNetwork
from bench.scoring.one_pass import score, score_along, share

N, SIZE = 37, 32  # two whole chunks and a part of one
COLOURS = ((128, 64, 128), (70, 130, 180), (0, 0, 142))


@dataclass(frozen=True)
class Thread(Ranks):
    """A rank that is a thread of this process."""

    said: list[Any] = field(default_factory=list)
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))

    def highest(self, number: int) -> int:
        return max(self._exchange(number))

    def to_first(self, found: Any) -> list[Any]:
        every = self._exchange(pickle.loads(pickle.dumps(found)))
        return every if self.first else []

    def _exchange(self, found: Any) -> list[Any]:
        self.said[self.rank] = found
        self.barrier.wait(60)
        every = list(self.said)
        self.barrier.wait(60)
        return every


def ranks(world: int) -> list[Thread]:
    said, barrier = [None] * world, threading.Barrier(world)
    return [Thread(rank, world, said, barrier) for rank in range(world)]


class Network(nn.Module):
    """A convolution, whose sums could come out otherwise in another batch, and pooled features of it."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, outputs, 3, padding=1)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.float() / 255).mean((2, 3))

    @torch.no_grad()
    def segment(self, images: Tensor) -> Tensor:
        return self.layer(images.float() / 255).argmax(1)


class Judge:
    """A judge; a picky one counts for itself, against label maps as large as in their files."""

    name, hash, num_classes = "judge", "abc", len(COLOURS)
    protocol: ClassVar[dict[str, Any]] = {"judge": "judge"}

    def __init__(self) -> None:
        self.segment = Network(len(COLOURS)).segment


class Picky(Judge):
    def confusions(self, images: Tensor, labels: list[NDArray[np.uint8]]) -> NDArray[np.int64]:
        guesses = self.segment(images).numpy()
        small = [truth[::2, ::2] for truth in labels]
        return np.stack([confusion_matrix(*pair, len(COLOURS)) for pair in zip(small, guesses, strict=True)])


class WholeMetric:
    """A plug-in that knows nothing of parts."""

    keys: ClassVar[tuple[str, ...]] = ("whole",)

    def __init__(self, context: ScoringContext) -> None:
        self.starts: list[int] = []
        self.values: list[float] = []

    def update(self, batch: Batch) -> None:
        self.starts.append(batch.start)
        self.values += batch.prediction.mean((1, 2, 3)).tolist()

    def compute(self) -> MetricOutput:
        assert self.starts == sorted(self.starts)
        mean = float(np.mean(self.values))
        return MetricOutput([MetricResult("whole", mean, "max", len(self.values), {})])


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScoringContext:
    """All that any family needs, with small networks in place of large ones."""
    network = Network(6)  # one for all ranks: threads share the random state that weights come from
    features = FeatureNetwork("small", "abc", 6, {}, network)
    monkeypatch.setattr(
        "bench.scoring.metrics.lite0_features.default_feature_network", lambda device: features
    )
    monkeypatch.setattr("bench.scoring.metrics.inception.load_inception", lambda *_: network)
    monkeypatch.setattr("bench.scoring.metrics.lpips.find_alexnet", lambda: (tmp_path / "weights", None))
    monkeypatch.setattr(
        "bench.scoring.metrics.lpips.load_lpips", lambda *_: lambda a, b: ((a - b) ** 2).mean((1, 2, 3))
    )
    monkeypatch.setattr("bench.scoring.one_pass._BATCH_PIXELS", 12 * SIZE**2)  # shares end within batches
    (tmp_path / "weights").write_bytes(b"weights")
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (N, SIZE, SIZE, 3), np.uint8)
    labels = rng.integers(0, 3, (N, SIZE, SIZE)).astype(np.uint8)
    infos = [ClassInfo(f"class {place}", colour, place) for place, colour in enumerate(COLOURS)]
    files = [np.roll(ids.repeat(2, 0).repeat(2, 1), place, 0) for place, ids in enumerate(labels)]
    return ScoringContext(
        card=example_card(size_px=SIZE, classes=tuple(infos)),
        size_px=SIZE,
        target_role="photo",
        row="run",
        device="cpu",
        cache=tmp_path,
        test=SplitArrays(tuple(f"p{place:02}" for place in range(N)), target, target, labels, 0.0, "key"),
        judge=Judge(),
        inception_weights=tmp_path / "weights",
        repeats=lambda places, count: np.sqrt(np.array(places) + count),
        swaps=lambda pairs: np.array([a / (b + 1) for a, b in pairs]),
        file_labels=lambda place: files[place],
    )


def prediction(place: int) -> NDArray[np.uint8]:
    return np.random.default_rng(100 + place).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def scored(
    world: int, context: ScoringContext, predictions: Callable[[int], NDArray[np.uint8]] = prediction
) -> tuple[MetricOutput, pd.DataFrame]:
    """By so many ranks, each of which may look at its own images only."""
    looked: list[set[int]] = [set() for _ in range(world)]

    def looking(rank: Ranks) -> Callable[[int], NDArray[np.uint8]]:
        def look(place: int) -> NDArray[np.uint8]:
            looked[rank.rank].add(place)
            return predictions(place)

        return look

    first, *others = ranks(world)
    done: list[int] = []
    with ThreadPoolExecutor(world) as pool:
        along = [pool.submit(score_along, looking(rank), context, (), rank) for rank in others]
        found = score(looking(first), context, (), lambda count, _="": done.append(count), first)
        for future in along:
            future.result()
    assert done == sorted(done)
    assert done[-1] == N
    for rank in others:
        assert looked[rank.rank] == set(share(N, rank))
    return found


def same(one: tuple[MetricOutput, pd.DataFrame], other: tuple[MetricOutput, pd.DataFrame]) -> None:
    assert one[0].results == other[0].results
    assert json.dumps(one[0].details) == json.dumps(other[0].details)
    pd.testing.assert_frame_equal(one[1], other[1], check_exact=True)


@pytest.mark.parametrize(
    ("kind", "world"),
    [("photos", 2), ("photos", 5), ("labels", 3), ("own protocol", 3), ("nothing at hand", 2)],
)
def test_parts_are_the_whole_for_every_family(world: int, kind: str, context: ScoringContext) -> None:
    if kind == "labels":
        context = replace(context, target_role="labels")
    elif kind == "own protocol":
        context = replace(context, judge=Picky())
    elif kind == "nothing at hand":
        nothing: dict[str, Any] = {"judge": None, "inception_weights": None, "repeats": None, "swaps": None}
        context = replace(context, **nothing)
    alone, shared = scored(1, context), scored(world, context)
    same(alone, shared)
    values = {result.name: result.value for result in shared[0].results}
    missing = {key for key, value in values.items() if value is None}
    fcn, label = ({key for key in values if key.startswith(family)} for family in ("fcn_", "label_"))
    without = {"photos": label, "labels": fcn, "own protocol": label}
    assert missing == without.get(kind, fcn | label | {"fid", "kid", "diversity", "source_response"})


def test_every_built_in_family_can_be_joined(context: ScoringContext) -> None:
    families = {info.family for info in CATALOGUE.values()}
    for family in families:
        assert isinstance(plugins.load("metrics", family)(context), Joinable), family
    assert not isinstance(WholeMetric(context), Joinable)


def test_a_metric_without_parts_sees_all_images(
    context: ScoringContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins._registered["metrics"], "whole", WholeMetric)
    alone, shared = scored(1, context), scored(3, context)
    same(alone, shared)
    assert {result.name: result.n for result in shared[0].results}["whole"] == N


def test_networks_score_in_float32_whatever_was_trained_before(
    context: ScoringContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Watching(WholeMetric):
        def update(self, batch: Batch) -> None:
            seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
            super().update(batch)

    monkeypatch.setitem(plugins._registered["metrics"], "whole", Watching)
    with arithmetic("tf32"):
        score(prediction, context, ("whole",), lambda *_: None)
        assert set(seen) == {(False, False)}
        assert torch.backends.cudnn.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32


def test_a_part_that_fails_is_heard_of_by_all(context: ScoringContext) -> None:
    def broken(place: int) -> NDArray[np.uint8]:
        if place == N - 1:
            raise UsageError("prediction p36 cannot be read")
        return prediction(place)

    first, second = ranks(2)
    with ThreadPoolExecutor(1) as pool:
        along = pool.submit(score_along, broken, context, ("ssim",), second)
        with pytest.raises(OtherRankError, match="failed on another rank"):
            score(broken, context, ("ssim",), lambda *_: None, first)
        with pytest.raises(UsageError, match="p36"):
            along.result()


@pytest.mark.parametrize("total", [0, 1, 16, 17, 37, 500])
@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_shares_are_all_images_once_in_whole_chunks(total: int, world: int) -> None:
    parts = [share(total, Ranks(rank, world)) for rank in range(world)]
    assert [place for part in parts for place in part] == list(range(total))
    assert all(part.stop % 16 == 0 or part.stop == total for part in parts)
    chunks = [-(-len(part) // 16) for part in parts]
    assert max(chunks) - min(chunks) <= 1
    assert chunks[0] == max(chunks)

"""Values of reference rows are kept beside the cache: once for all outputs, and never for anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from example_card import example_card
from numpy.typing import NDArray

from bench.core import plugins
from bench.data.types import SplitArrays
from bench.records.record import MetricResult
from bench.scoring.metrics.base import Batch, MetricOutput, ScoringContext
from bench.scoring.one_pass import score
from bench.stages import kept_rows
from bench.stages.kept_rows import Measured, kept_or_measured, key_of

METRICS = ("ssim", "mae", "lab_l", "hf_ratio")
ABOUT = {"packages": {"torch": "2"}, "threads": 1, "commit": "one", "device": "cpu"}
NAMES = tuple(f"p{place}" for place in range(6))


def shown(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def context(cache: Path, **more: Any) -> ScoringContext:
    test = SplitArrays(NAMES, shown(0), shown(1), None, None, "key")
    values: dict[str, Any] = {
        "card": example_card(size_px=32),
        "size_px": 32,
        "target_role": "photo",
        "row": "copy",
        "device": "cpu",
        "cache": cache,
        "test": test,
    }
    return ScoringContext(**{**values, **more})


class Counted:
    """Scores a row of `context` and counts how often it is measured."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(
        self, asked: ScoringContext, metrics: tuple[str, ...] = METRICS, about: dict[str, Any] = ABOUT
    ) -> tuple[Measured, bool]:
        def predictions(index: int) -> NDArray[Any]:
            return np.asarray(asked.test.source[index])

        def measure() -> Measured:
            self.times += 1
            return score(predictions, asked, metrics, lambda *_: None)

        return kept_or_measured(asked, metrics, predictions, about, measure)


def test_the_second_time_gives_exactly_the_first_values_without_measuring(tmp_path: Path) -> None:
    counted = Counted()
    (first, table), kept = counted(context(tmp_path))
    (second, again), kept_now = counted(context(tmp_path))
    assert (kept, kept_now, counted.times) == (False, True, 1)
    assert {one.name: one for one in first.results} == {one.name: one for one in second.results}
    assert all(isinstance(one, MetricResult) and one.value is not None for one in second.results)
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.parametrize(
    "change",
    [
        {"row": "random"},
        {"size_px": 64},
        {"target_role": "image"},
        {"fid_protocol": "clean"},
        {"judge_reason": "none was wanted"},
        {"inception_reason": "no weights"},
        {"device": "cuda"},
        {"train_targets": shown(3)},
        {"card": example_card(size_px=32, class_policy="absent-is-zero")},
        {"test": SplitArrays(NAMES, shown(0), shown(1), None, None, "another")},
        {"judge": type("Judge", (), {"protocol": {"judge": "own", "judge_hash": "1"}, "meta": {}})()},
        {"judge": type("Judge", (), {"protocol": {"judge": "own", "judge_hash": "2"}, "meta": {}})()},
    ],
)
def test_anything_that_values_depend_on_changes_the_key(tmp_path: Path, change: dict[str, Any]) -> None:
    one, other = context(tmp_path), context(tmp_path, **change)
    keys = {key_of(each, METRICS, lambda index: one.test.source[index], ABOUT) for each in (one, other)}
    assert len(keys) == 2


def test_metrics_images_versions_threads_and_code_are_in_the_key_and_the_commit_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = context(tmp_path)

    def key(metrics: tuple[str, ...] = METRICS, seed: int = 0, **about: Any) -> str:
        return key_of(asked, metrics, lambda index: shown(seed)[index], {**ABOUT, **about})

    usual = key()
    assert key(commit="two", command="other") == usual
    others = [key(METRICS[:2]), key(seed=9), key(threads=2), key(packages={"torch": "3"})]
    assert len({usual, *others}) == 5
    monkeypatch.setattr(kept_rows, "_code", lambda: "changed")
    assert key() != usual


@pytest.mark.parametrize("name", ["row.json", "row.parquet", "sums.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_damaged_entry_is_measured_again(tmp_path: Path, name: str, harm: str) -> None:
    counted = Counted()
    (first, _), _ = counted(context(tmp_path))
    (path,) = (tmp_path / "references").rglob(name)
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(flipped if harm == "flip" else content[:middle])
    (second, _), kept = counted(context(tmp_path))
    assert not kept
    assert {r.name: r.value for r in second.results} == {r.name: r.value for r in first.results}
    assert counted(context(tmp_path))[1]  # mended
    assert counted.times == 2


class Level:
    keys: ClassVar[tuple[str, ...]] = ("level",)

    def __init__(self, context: ScoringContext) -> None:
        self.n = 0

    def update(self, batch: Batch) -> None:
        self.n += len(batch.names)

    def compute(self) -> MetricOutput:
        return MetricOutput([MetricResult("level", 1.0, "max", self.n, {})])


def test_rows_with_a_plugin_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins._registered["metrics"], "level", Level)
    counted = Counted()
    asked = context(tmp_path)
    for _ in range(2):
        assert not counted(asked, ("mae", "level"))[1]
    assert counted.times == 2
    assert not (tmp_path / "references").exists()

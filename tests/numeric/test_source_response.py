"""Source response: generators that listen, that do not, and real ones; what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from metric_case import by_name, context_for, images, run
from numpy.typing import NDArray
from test_diversity import saved, split

from baselines.settings import TestSettings
from bench.records.output_folder import RunFiles
from bench.records.record import MetricResult
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.metrics.diversity import DiversityMetric
from bench.scoring.metrics.source_response import change, pairs
from bench.stages import probes as repeats
from bench.stages.probes import SwappedSources, maker_of

Images = NDArray[np.uint8]


def swaps_of(files: RunFiles, test: TestSettings | None = None) -> SwappedSources:
    return SwappedSources(
        files, split(), test or TestSettings(), 0, maker_of(files, test or TestSettings(), "cpu")
    )


def response(context: ScoringContext, targets: Images) -> MetricResult:
    return by_name(run(DiversityMetric(context), targets, targets))["source_response"]


def outputs_of(made: Images) -> object:
    """The swaps of a generator that answers image p's source with made[p]."""
    return lambda chosen: np.array([change(made[a], made[b]) for a, b in chosen])


def test_change_is_the_mean_absolute_difference() -> None:
    a, b = images(2, 16)
    assert change(a, b) == pytest.approx(np.abs(a.astype(float) - b.astype(float)).mean(), rel=1e-12)
    assert change(a, a) == 0


@pytest.mark.parametrize("total", [0, 1, 2, 7, 39, 40, 500])
def test_pairs_have_no_image_in_common(total: int) -> None:
    chosen = pairs(total)
    assert len(chosen) == min(20, total // 2)
    places = [place for pair in chosen for place in pair]
    assert len(set(places)) == len(places)
    assert all(0 <= place < total for place in places)
    assert {second - first for first, second in chosen} <= {total // 2}


@pytest.mark.parametrize(("contrast", "expected"), [(1.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_identity_is_1_a_constant_0_and_half_the_contrast_a_half(
    tmp_path: Path, contrast: float, expected: float
) -> None:
    targets = images(50, 32) // 2 * 2
    made = (targets * contrast).astype(np.uint8)
    found = response(context_for(targets, tmp_path, swaps=outputs_of(made)), targets)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert (found.n, found.goal) == (20, 1.0)
    assert found.interval is not None


def test_it_is_the_ratio_of_sums_with_pseudo_values(tmp_path: Path) -> None:
    targets, made = images(50, 32), images(50, 32, seed=5)
    output = run(DiversityMetric(context_for(targets, tmp_path, swaps=outputs_of(made))), targets, targets)
    sums = [sum(change(side[a], side[b]) for a, b in pairs(50)) for side in (made, targets)]
    result = by_name(output)["source_response"]
    assert result.value == pytest.approx(sums[0] / sums[1], rel=1e-12)
    assert result.interval is not None
    assert result.interval[0] < result.value < result.interval[1]
    column = output.per_image["source_response_pseudo"]
    assert np.flatnonzero(~np.isnan(column)).tolist() == [first for first, _ in pairs(50)]
    assert np.nanmean(column) == pytest.approx(result.value)


@pytest.mark.parametrize(
    ("count", "swaps", "said"),
    [
        (4, None, "generator that made"),
        (4, lambda chosen: None, "checkpoint is gone"),
        (1, lambda chosen: pytest.fail("asked"), "two test images"),
    ],
)
def test_without_an_answer_there_is_no_value(tmp_path: Path, count: int, swaps: object, said: str) -> None:
    targets = images(count, 32)
    found = response(context_for(targets, tmp_path, swaps=swaps), targets)
    assert found.value is None
    assert said in str(found.reason)


def test_equal_targets_have_no_ratio(tmp_path: Path) -> None:
    targets = np.repeat(images(1, 32), 4, axis=0)
    found = response(context_for(targets, tmp_path, swaps=outputs_of(images(4, 32))), targets)
    assert found.reason == "the targets of all pairs are equal"


def test_a_real_generator_moves_with_its_source_and_not_with_the_same(tmp_path: Path) -> None:
    found = swaps_of(saved(tmp_path, "l1+cgan"))([(0, 3), (1, 1)])
    assert found is not None
    assert found[0] > 1
    assert found[1] == 0  # the same source under the same dropout seed


def test_answers_are_kept_for_the_same_question_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = saved(tmp_path, "l1")
    first = swaps_of(files)([(0, 3), (1, 4)])
    other = swaps_of(files, TestSettings(dropout=False, norm="batch"))([(0, 3), (1, 4)])
    assert first is not None
    assert other is not None
    assert first.tolist() != other.tolist()
    again = swaps_of(files)([(0, 3), (1, 4)])
    monkeypatch.setattr(repeats, "translations", lambda *rest: pytest.fail("a network ran again"))
    np.testing.assert_array_equal(again, swaps_of(files)([(0, 3), (1, 4)]))
    files.checkpoint.unlink()
    np.testing.assert_array_equal(first, swaps_of(files)([(0, 3), (1, 4)]))
    assert swaps_of(files)([(0, 3), (1, 5)]) is None


def test_pairs_are_asked_of_the_generator(tmp_path: Path) -> None:
    asked: list[Sequence[tuple[int, int]]] = []

    def swaps(chosen: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
        asked.append(chosen)
        return np.ones(len(chosen))

    targets = images(12, 32)
    response(context_for(targets, tmp_path, swaps=swaps), targets)
    assert asked == [[(place, place + 6) for place in range(6)]]

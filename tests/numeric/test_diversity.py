"""Diversity: known spreads, dropout of real generators, what is kept, and who has none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from metric_case import by_name, context_for, images, run
from numpy.typing import NDArray

from baselines.build import build_generator
from baselines.settings import TestSettings, TrainingSettings
from baselines.translate import Checkpoint, save_checkpoint
from baselines.variants import parse_variant
from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.data.types import SplitArrays
from bench.records.output_folder import RunFiles
from bench.records.record import read_records
from bench.scoring.metrics.diversity import DiversityMetric, places, spread
from bench.stages import probes as repeats
from bench.stages.probes import DropoutSamples, maker_of

C4_OF_5 = 0.9399856  # mean of the standard deviation (n - 1) of 5 samples of a standard normal


def split(count: int = 6, size: int = 32) -> SplitArrays:
    arrays = images(count, size)
    return SplitArrays(tuple(f"p{i}" for i in range(count)), arrays, arrays, None, None, "test-key")


def saved(tmp_path: Path, variant: str, seed: int = 0) -> RunFiles:
    """A random generator as a run's checkpoint."""
    settings = TrainingSettings(steps=1, size_px=32, base_filters=4)
    torch.manual_seed(seed)
    generator = build_generator(parse_variant(variant), settings, 3, 3)
    torch.nn.init.normal_(generator.up[-1][1].weight, std=0.3)  # visible differences
    files = RunFiles(tmp_path, variant)
    files.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(
        generator, parse_variant(variant), settings, 3, "uint8", "bicubic", "uint8", variant
    )
    save_checkpoint(files.checkpoint, checkpoint)
    return files


def samples_of(files: RunFiles, test: TestSettings | None = None, seed: int = 0) -> DropoutSamples:
    return DropoutSamples(
        files, split(), test or TestSettings(), seed, maker_of(files, test or TestSettings(), "cpu")
    )


# --- the number ----------------------------------------------------------------------------------------


def test_the_spread_of_known_samples() -> None:
    same = np.full((5, 4, 4, 3), 90, np.uint8)
    assert spread(same) == 0
    two = np.zeros((2, 4, 4, 3), np.uint8)
    two[1, :, :, 0] = 10  # one channel of three differs by 10: 10 / sqrt 2 there
    assert spread(two) == pytest.approx(10 / np.sqrt(2) / 3, rel=1e-12)


def test_the_spread_of_normal_noise_is_its_own() -> None:
    noise = np.rint(np.random.default_rng(0).normal(128, 12, (5, 200, 200, 3))).astype(np.uint8)
    assert spread(noise) == pytest.approx(12 * C4_OF_5, rel=0.005)


def test_the_subset_is_fixed_and_evenly_spaced() -> None:
    assert places(500) == list(range(0, 500, 25))
    assert places(7) == list(range(7))


def test_the_metric_is_the_mean_over_the_subset(tmp_path: Path) -> None:
    targets = images(50, 32)
    asked = []

    def spreads(chosen: Sequence[int], count: int) -> NDArray[np.float64]:
        asked.append((list(chosen), count))
        return np.array(chosen, dtype=np.float64)

    output = run(DiversityMetric(context_for(targets, tmp_path, repeats=spreads)), targets, targets)
    result = by_name(output)["diversity"]
    assert asked == [(places(50), 5)]
    assert result.value == pytest.approx(np.mean(places(50)))
    assert (result.n, result.goal) == (20, "max")
    assert result.interval is not None
    column = output.per_image["diversity"]
    assert len(column) == 50
    assert np.flatnonzero(~np.isnan(column)).tolist() == places(50)


@pytest.mark.parametrize(
    ("source", "said"), [(None, "generator that made"), (lambda chosen, count: None, "checkpoint is gone")]
)
def test_without_a_generator_there_is_no_value(tmp_path: Path, source: object, said: str) -> None:
    targets = images(3, 32)
    metric = DiversityMetric(context_for(targets, tmp_path, repeats=source))
    result = by_name(run(metric, targets, targets))["diversity"]
    assert result.value is None
    assert said in str(result.reason)


# --- samples of real generators --------------------------------------------------------------------------


def test_dropout_spreads_and_its_absence_gives_exactly_0(tmp_path: Path) -> None:
    with_dropout = samples_of(saved(tmp_path, "l1+cgan"))([0, 3], 4)
    assert with_dropout is not None
    assert (with_dropout > 0.1).all()
    without = samples_of(saved(tmp_path, "no-dropout"))([0, 3], 4)
    assert without is not None
    assert without.tolist() == [0, 0]


def test_dropout_turned_off_at_test_time_gives_0(tmp_path: Path) -> None:
    found = samples_of(saved(tmp_path, "l1"), TestSettings(dropout=False, norm="batch"))([1], 3)
    assert found is not None
    assert found.tolist() == [0]


def test_what_was_found_is_kept_and_no_network_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = saved(tmp_path, "l1")
    first = samples_of(files)([0, 3], 3)
    monkeypatch.setattr(repeats, "translations", lambda *rest: pytest.fail("a network ran again"))
    second = samples_of(files)([0, 3], 3)
    np.testing.assert_array_equal(first, second)
    files.checkpoint.unlink()
    np.testing.assert_array_equal(first, samples_of(files)([0, 3], 3))


@pytest.mark.parametrize("change", ["images", "samples", "seed", "settings"])
def test_another_question_is_answered_anew(tmp_path: Path, change: str) -> None:
    files = saved(tmp_path, "l1")
    first = samples_of(files)([0, 3], 3)
    assert first is not None
    settings = TestSettings(dropout=True, norm="running") if change == "settings" else None
    asked = samples_of(files, settings, seed=1 if change == "seed" else 0)
    other = asked([0, 4] if change == "images" else [0, 3], 4 if change == "samples" else 3)
    assert other is not None
    assert other.tolist() != first.tolist()
    files.checkpoint.unlink()
    assert samples_of(files)([0, 3], 3) is None  # the file answers the other question now


def test_other_weights_are_sampled_anew(tmp_path: Path) -> None:
    first = samples_of(saved(tmp_path, "l1"))([0], 3)
    second = samples_of(saved(tmp_path, "l1", seed=1))([0], 3)
    assert first is not None
    assert second is not None
    assert first[0] != second[0]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"spread": "x"}', '{"spread": [NaN], "checkpoint": "1"}'])
def test_a_damaged_file_is_made_again(tmp_path: Path, text: str) -> None:
    files = saved(tmp_path, "l1")
    first = samples_of(files)([0], 3)
    files.diversity.write_text(text)
    np.testing.assert_array_equal(first, samples_of(files)([0], 3))
    assert json.loads(files.diversity.read_text())["spread"] == list(first if first is not None else [])


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    files = saved(tmp_path, "l1")
    files.checkpoint.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="delete it to train this run again"):
        samples_of(files)([0], 3)


@pytest.mark.slow
def test_runs_have_it_and_reference_rows_do_not(tmp_path: Path) -> None:
    grid = ["run", "--variants", "l1+cgan,no-dropout", "--dataset", "toycity", "--size", "32", "--steps", "4"]
    small = ["--base-filters", "4", "--train-limit", "6", "--test-limit", "4", "--device", "cpu"]
    chosen = ["--judge", "none", "--metrics", "diversity"]
    assert invoke([*grid, *small, *chosen, "--out", str(tmp_path)]) == 0
    found = {record.label: record.results["diversity"] for record in read_records(tmp_path)}
    assert (found["l1+cgan"].value or 0) > 0
    assert found["no-dropout"].value == 0
    for row in ("real", "copy", "nearest", "random"):
        assert found[row].value is None
        assert "generator" in str(found[row].reason)

"""What is written for the report after scoring: picked images, true labels, and what the judge sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic
import torch

from bench.analysis.entry import load_entries
from bench.analysis.picks import pick_metrics, picked_names
from bench.analysis.sections import sections
from bench.core.images import read_png, write_png
from bench.data.types import SplitArrays
from bench.records.gallery import judge_fits, labels_folder, segmentation_folder
from bench.records.record import RunRecord, write_record
from bench.spec.run_spec import DataSpec
from bench.stages.illustrate import Scene, illustrate

N = synthetic.TEST_N
PALETTE = {"dark": (10, 20, 30), "light": (200, 210, 220)}


class Judge:
    """Sees "light" where an image is lighter than middle grey; counts how often it is asked."""

    hash = "a1b2c3d4e5f6"
    asked = 0

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        return (images.float().mean(1) > 127).long()


def split() -> SplitArrays:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, 64, 64, 3)).astype(np.uint8)
    labels = rng.integers(0, 2, (N, 64, 64)).astype(np.uint8)
    return SplitArrays(tuple(f"{i:04d}" for i in range(N)), 255 - images, images, labels, 0.0, "key")


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    """A run with the outputs of all test images in the folder that its record names."""
    record = synthetic.write_run(tmp_path, "l1", 0, history=[])
    assert record.gallery is not None
    for i in range(N):
        image = np.full((64, 64, 3), 255 if i % 2 else 0, np.uint8)
        write_png(tmp_path / str(record.gallery.predictions) / f"{i:04d}.png", image)
    return record


def scene(judge: Any, **fields: Any) -> Scene:
    data = DataSpec(**synthetic.data_spec("toycity", "labels2photo"))
    return Scene(data, 64, split(), PALETTE, lambda: judge, **fields)


def test_all_that_was_picked_is_written(tmp_path: Path, run: RunRecord) -> None:
    judge = Judge()
    illustrate(tmp_path, [scene(judge)])
    assert run.gallery is not None
    (section,) = sections(load_entries([tmp_path])[0])
    names = {*run.gallery.names, *picked_names(section, pick_metrics(section))}  # as any may be picked
    usual = {*run.gallery.names, *picked_names(section)}
    assert len(names) > len(usual) > len(run.gallery.names)
    for folder, wanted in {
        run.gallery.sources: names,
        run.gallery.targets: names,
        labels_folder(run.gallery): names,
        segmentation_folder(run): usual,
    }.items():
        assert {path.stem for path in (tmp_path / folder).glob("*.png")} == wanted
    picked = picked_names(section)[0]
    place = int(picked)
    test = split()
    assert (read_png(tmp_path / run.gallery.targets / f"{picked}.png") == test.target[place]).all()
    assert (read_png(tmp_path / run.gallery.sources / f"{picked}.png") == test.source[place]).all()
    seen = read_png(tmp_path / segmentation_folder(run) / f"{picked}.png")
    assert (seen == (PALETTE["light"] if place % 2 else PALETTE["dark"])).all()
    true = read_png(tmp_path / labels_folder(run.gallery) / f"{picked}.png")
    assert test.labels is not None
    assert (true == np.array(list(PALETTE.values()), np.uint8)[test.labels[place]]).all()


def test_a_second_time_the_judge_is_not_asked(tmp_path: Path, run: RunRecord) -> None:
    illustrate(tmp_path, [scene(Judge())])
    judge = Judge()
    illustrate(tmp_path, [scene(judge)])
    assert judge.asked == 0
    changed = replace(run, details={**run.details, "predictions": "others"})
    write_record(tmp_path, changed, pd.read_parquet(tmp_path / "records" / f"{run.id}.parquet"))
    assert not judge_fits(tmp_path, changed)
    illustrate(tmp_path, [scene(judge)])
    assert judge.asked > 0
    assert judge_fits(tmp_path, changed)


def test_another_judge_than_the_record_s_writes_nothing(tmp_path: Path, run: RunRecord) -> None:
    judge = Judge()
    judge.hash = "another"
    illustrate(tmp_path, [scene(judge), scene(None)])
    assert judge.asked == 0
    assert not (tmp_path / segmentation_folder(run)).exists()


def test_another_test_split_is_left_alone(tmp_path: Path, run: RunRecord) -> None:
    other = replace(scene(Judge()), size_px=128)
    illustrate(tmp_path, [other])
    assert run.gallery is not None
    assert not (tmp_path / labels_folder(run.gallery)).exists()


def test_outputs_that_lie_elsewhere_are_brought(tmp_path: Path) -> None:
    record = synthetic.write_run(tmp_path, "l1", 0, history=[])
    assert record.gallery is not None
    white = np.full((64, 64, 3), 255, np.uint8)
    illustrate(tmp_path, [scene(Judge(), predictions={record.id: lambda index: white}, has_sources=False)])
    (section,) = sections(load_entries([tmp_path])[0])
    for name in picked_names(section):
        assert (tmp_path / str(record.gallery.predictions) / f"{name}.png").is_file()
        if name not in record.gallery.names:
            assert not (tmp_path / record.gallery.sources / f"{name}.png").exists()

"""`--label-values` for training data: what gray label files hold is read as said, and is part of the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.data.open_dataset import open_dataset
from bench.records.record import read_records
from bench.spec.pairs_used import data_spec, open_again

CARD = """
name = "mine"
domains = ["photo", "labels"]
roles = ["photo", "labels"]
direction = "labels2photo"

[[classes]]
name = "road"
id = 1
train_id = 0
colour = [128, 64, 128]

[[classes]]
name = "car"
id = 0
train_id = 1
colour = [0, 0, 142]
"""
SMALL = ["--dataset", "mine", "--size", "32", "--base-filters", "4", "--steps", "2", "--device", "cpu"]
SMALL += ["--metrics", "mae", "--judge", "none", "--variants", "l1", "--threads", "1"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Label files with the values 0 and 1, which are ids and train ids alike, of other classes."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mine"
    for split in ("train", "test"):
        for side in ("photo", "labels"):
            (folder / split / side).mkdir(parents=True)
        for number in range(4):
            photo = rng.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(photo).save(folder / split / "photo" / f"{number}.png")
            labels = np.zeros((32, 32), np.uint8)
            labels[:8] = 1
            Image.fromarray(labels).save(folder / split / "labels" / f"{number}.png")
    (folder / "card.toml").write_text(CARD)
    return tmp_path


def shares(root: Path, **asked: object) -> list[int]:
    """How many pixels of the first label map are of class 0 and 1."""
    dataset = open_dataset("mine", root=root, **asked)  # type: ignore[arg-type]
    return np.bincount(dataset.file_labels("train")(0).ravel(), minlength=2)[:2].tolist()


def test_values_are_read_as_said(root: Path) -> None:
    assert shares(root) == [256, 768]  # ids: 1 is the road
    assert shares(root, label_values="ids") == [256, 768]
    assert shares(root, label_values="trainids") == [768, 256]


def test_what_was_said_is_part_of_the_run_and_is_read_again(root: Path) -> None:
    found = open_dataset("mine", root=root)
    said = open_dataset("mine", root=root, label_values="trainids")
    specs = [data_spec(one, None, None) for one in (found, said)]
    assert "label_values" not in specs[0].to_dict()  # older records stay as they are
    assert specs[1].to_dict()["label_values"] == "trainids"
    assert open_again(specs[1], root).label_values == "trainids"
    assert found.key("train", 32) != said.key("train", 32)


def test_a_run_and_its_score_keep_to_it(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["run", *SMALL, "--data-root", str(root), "--out", str(out)]
    assert invoke([*command, "--label-values", "trainids"]) == 0
    assert invoke(command) == 0
    runs = [record for record in read_records(out) if record.kind == "run"]
    assert sorted(run.spec["data"].get("label_values", "") for run in runs) == ["", "trainids"]
    assert len({run.id for run in runs}) == 2
    assert invoke(["score", str(out), "--data-root", str(root), "--metrics", "ssim", "--judge", "none"]) == 0


def test_info_takes_it_and_no_other_data_does(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", "info", "mine", "--data-root", str(root), "--label-values", "trainids"]) == 0
    capsys.readouterr()
    assert invoke(["run", "--variants", "l1", "--dataset", "toycity", "--label-values", "ids"]) == 2
    assert "expected files with --label-values" in capsys.readouterr().err
    for split in ("train", "test"):
        for path in (root / "mine" / split / "labels").iterdir():
            Image.open(path).convert("RGB").save(path)
    (root / "mine" / "card.toml").unlink()
    with pytest.raises(UsageError, match="expected a data set with label maps for --label-values"):
        open_dataset("mine", root=root, label_values="ids", direction="labels2photo")

"""The functions of `bench` give what the commands give, bit for bit, and raise what they refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bench
from bench.cli.api import _folder
from bench.cli.main import invoke
from bench.core.errors import BenchError, RunFailedError, UsageError
from bench.core.images import read_png, save_png
from bench.records.record import read_records

SMALL: dict[str, Any] = {
    "dataset": "toycity", "size": 32, "steps": 4, "base_filters": 4, "train_limit": 12, "test_limit": 4,
    "metrics": "ssim,mae,hf_ratio", "judge": "none", "device": "cpu", "threads": 1,
}  # fmt: skip
TYPED = [
    *("--dataset", "toycity", "--size", "32", "--steps", "4", "--base-filters", "4", "--train-limit", "12"),
    *("--test-limit", "4", "--metrics", "ssim,mae,hf_ratio", "--judge", "none", "--device", "cpu"),
    *("--threads", "1"),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output that the function made."""
    made = tmp_path_factory.mktemp("api") / "out"
    bench.run(variants=["l1", "l1+cgan"], seeds=[0, 1], out=made, test_dropout=False, **SMALL)
    return made


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, bench; print([name for name in ('torch', 'pandas', 'click') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        bench.rum  # noqa: B018


def test_a_run_has_the_values_of_the_command(out: Path, tmp_path: Path) -> None:
    typed = tmp_path / "typed"
    command = ["run", "--variants", "l1,l1+cgan", "--seeds", "0,1", "--no-test-dropout", *TYPED]
    assert invoke([*command, "--out", str(typed)]) == 0
    values = ["id", "kind", "label", "seed", "steps", "ssim", "mae", "hf_ratio"]
    pd.testing.assert_frame_equal(bench.load(out)[values], bench.load(typed)[values], check_exact=True)


def test_the_table_holds_what_the_records_hold(out: Path) -> None:
    table = bench.load(out).set_index("id")
    records = read_records(out)
    assert list(table.index) == [record.id for record in records]
    for record in records:
        row = table.loc[record.id]
        assert (row["label"], row["kind"], row["dataset"]) == (record.label, record.kind, "toycity")
        assert row["size_px"] == 32
        for key, result in record.results.items():
            assert row[key] == result.value or (result.value is None and np.isnan(row[key]))
    costs = bench.load(out, costs=True).set_index("id")
    assert list(costs.columns[:-5]) == list(table.columns)
    assert (costs.loc[table["kind"] == "run", ["parameters", "gflop", "ms_per_image"]] > 0).all(axis=None)
    assert costs.loc[table["kind"] == "reference", "parameters"].isna().all()
    runs = table[table["kind"] == "run"]
    assert sorted(runs["seed"]) == [0, 0, 1, 1]
    assert set(runs["steps"]) == {4}
    assert table.loc[table["kind"] == "reference", "steps"].isna().all()


def test_finished_work_is_skipped_and_a_dry_run_writes_nothing(out: Path, tmp_path: Path) -> None:
    before = bench.load(out)
    options = {**SMALL, "test_dropout": False}
    again = bench.run(variants="l1,l1+cgan", seeds="0,1", out=out, **options)
    pd.testing.assert_frame_equal(before, again)
    assert bench.run(variants="l1", out=tmp_path / "dry", dry_run=True, **SMALL).empty
    assert not (tmp_path / "dry").exists()


def test_images_are_those_of_the_command(out: Path, tmp_path: Path) -> None:
    run = next(record for record in read_records(out) if record.label == "l1+cgan")
    checkpoint = out / "runs" / run.id / "checkpoint.safetensors"
    rng = np.random.default_rng(3)
    sources = rng.integers(0, 256, (3, 32, 32, 3), np.uint8)
    given = tmp_path / "given"
    given.mkdir()
    for number, source in enumerate(sources):
        _folder([source], tmp_path / f"one-{number}")
        (tmp_path / f"one-{number}" / "000000.png").rename(given / f"{number:06d}.png")
    command = ["generate", "--checkpoint", str(checkpoint), "--images", str(given), "--seed", "7"]
    assert invoke([*command, "--to", str(tmp_path / "typed"), "--device", "cpu"]) == 0
    typed = [read_png(path) for path in sorted((tmp_path / "typed").iterdir())]
    for images in (sources, list(sources), given):
        made = bench.translate(checkpoint, images, seed=7, device="cpu")
        assert len(made) == 3
        assert all(np.array_equal(one, other) for one, other in zip(made, typed, strict=True))
    other = bench.translate(checkpoint, sources, seed=8, device="cpu")
    assert not all(np.array_equal(one, same) for one, same in zip(other, typed, strict=True))


def test_arrays_and_folders_have_the_scores_of_the_command(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    targets = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
    near = np.clip(targets.astype(int) + rng.integers(-9, 10, targets.shape), 0, 255).astype(np.uint8)
    folders = {"given": near, "target": targets}
    for name, images in folders.items():
        _folder(images, tmp_path / name)
    few = {"metrics": "ssim,mae", "judge": "none", "device": "cpu"}
    command = ["score", str(tmp_path / "given"), "--target", str(tmp_path / "target"), "--device", "cpu"]
    assert invoke([*command, "--metrics", "ssim,mae", "--judge", "none", "--out", str(tmp_path / "o")]) == 0
    typed = bench.load(tmp_path / "o").set_index("label")[["ssim", "mae"]]
    for predictions, truth in ((near, targets), (tmp_path / "given", tmp_path / "target")):
        table = bench.score(predictions, truth, **few).set_index("label")[["ssim", "mae"]]
        pd.testing.assert_frame_equal(table, typed, check_exact=True)
    assert typed.loc["given", "mae"] == np.abs(near.astype(int) - targets).mean()
    named = bench.score({"far": targets[::-1], "near": near}, targets, out=tmp_path / "kept", **few)
    assert {"far", "near"} <= set(named["label"])
    assert (tmp_path / "kept" / "report" / "index.html").is_file()


def test_predictions_of_an_output_are_scored_again(out: Path) -> None:
    table = bench.score(out, metrics="psnr", judge="none", device="cpu")
    runs = table[table["kind"] == "run"]
    assert runs["psnr"].notna().all()
    assert runs["ssim"].notna().all()


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("run", {"varians": "l1"}, "unknown option of bench.run 'varians': did you mean 'variants'"),
    ("run", {"variants": "l1", "dataset": "toycty"}, "unknown data set 'toycty'"),
    ("run", {"variants": "l1", "dataset": "toycity", "size": "wide"}, "'wide'"),
    ("run", {"variants": "l1", "dataset": "toycity", "retry": 1}, "expected True or False for --retry"),
]


@pytest.mark.parametrize(("function", "options", "said"), REFUSED)
def test_what_a_command_refuses_is_raised_in_its_words(
    function: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        getattr(bench, function)(out=tmp_path / "out", **options)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_numbers_of_numpy_and_a_folder_in_natural_order(out: Path, tmp_path: Path) -> None:
    again = bench.run(
        variants="l1,l1+cgan", seeds=np.arange(2), out=out,
        **{**SMALL, "steps": np.int64(4), "test_dropout": False},
    )  # fmt: skip
    assert len(again) == len(bench.load(out))
    images = [np.full((32, 32, 3), level, np.uint8) for level in (10, 120, 240)]
    (tmp_path / "given").mkdir()
    for name, image in zip(("1", "2", "10"), images, strict=True):
        save_png(tmp_path / "given" / f"{name}.png", image)
    run = next(record for record in read_records(out) if record.label == "l1")
    checkpoint = out / "runs" / run.id / "checkpoint.safetensors"
    made = bench.translate(checkpoint, tmp_path / "given", device="cpu")
    last = bench.translate(checkpoint, [images[2]], device="cpu")[0]
    assert np.abs(made[2].astype(int) - last).mean() < np.abs(made[1].astype(int) - last).mean()


def test_an_output_is_scored_in_place(out: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is scored in place"):
        bench.score(out, out=tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_images_that_a_file_would_change_are_refused(tmp_path: Path) -> None:
    for image in (np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8, 2), np.uint8), np.zeros((2, 8), np.uint8)):
        with pytest.raises(UsageError, match="expected images"):
            bench.score(image, image)
    with pytest.raises(UsageError, match="expected records"):
        bench.load(tmp_path)
    assert issubclass(RunFailedError, BenchError)

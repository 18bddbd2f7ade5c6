"""Rectangles and images of mixed sizes, from data to report; results of others at 512x256."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import invoke
from bench.core.images import read_png
from bench.records.record import read_records

BRIEF = ["--device", "cpu", "--threads", "1", "--steps", "2", "--base-filters", "2"]
METRICS = ["--metrics", "ssim,hf_ratio,fd_lite0,source_response", "--judge", "none"]
SIZES = [(64, 40), (50, 33), (70, 70), (40, 96), (64, 40)]


def scene(width: int, height: int, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """source/ and target/ with images of five sizes in each split."""
    root = tmp_path_factory.mktemp("own") / "mine"
    for split in ("train", "test"):
        for index, size in enumerate(SIZES):
            for half, seed in (("source", 1), ("target", 2)):
                path = root / split / half / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                scene(*size, seed=10 * index + seed).save(path)
    return root


@pytest.fixture(scope="module")
def native(own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("native") / "out"
    data = ["--dataset", "mine", "--data-root", str(own), "--size", "native"]
    assert invoke(["run", "--variants", "l1+cgan/16", *data, *BRIEF, *METRICS, "--out", str(out)]) == 0
    return out


def test_native_trains_scores_and_reports_each_image_at_its_own_size(native: Path) -> None:
    records = {record.label: record for record in read_records(native)}
    assert set(records) == {"l1+cgan/16", "real", "copy", "nearest", "random"}
    made = records["l1+cgan/16"]
    assert (made.spec["training"]["size_px"], made.spec["training"]["levels"]) == ("native", 5)
    assert made.details["padding"] == "by reflection to multiples of 32 px, cropped back"
    assert "aspect_changed" not in made.details["data"]
    assert all(
        record.results["ssim"].value is not None for record in records.values() if record.label != "real"
    )
    assert made.results["fd_lite0"].value is not None
    assert made.results["source_response"].protocol["swapped"] == "resized (nearest) to the size of the image"
    assert "images of one size" in str(made.results["hf_ratio"].reason)
    for index, (width, height) in enumerate(SIZES):
        assert read_png(native / "predictions" / made.id / f"{index}.png").shape == (height, width, 3)
    page = (native / "report" / "index.html").read_text(encoding="utf-8")
    assert "each image&#39;s own size" in page or "each image's own size" in page
    assert "by reflection to multiples of 32 px, cropped back" in page


def test_native_refuses_larger_batches_and_images_beyond_the_limits(
    own: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--variants", "l1", "--dataset", "mine", "--size", "native", *BRIEF]
    command += ["--out", str(tmp_path / "out"), "--data-root"]
    assert invoke([*command, str(own), "--batch-size", "2"]) == 2
    assert "expected batch size 1 with size native" in capfd.readouterr().err
    shutil.copytree(own, tmp_path / "mine")
    for half in ("source", "target"):
        scene(64, 31, 0).save(tmp_path / "mine" / "test" / half / "3.png")
    assert invoke([*command, str(tmp_path / "mine")]) == 2
    said = capfd.readouterr().err
    assert "size native: expected a size of 32 to 2048 px on each side, found 64x31 in mine" in said
    assert not (tmp_path / "out").exists()


def test_a_squeeze_is_said_in_terminal_record_and_report(
    own: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    data = ["--dataset", "mine", "--data-root", str(own), "--size", "64x40", "--train-limit", "2"]
    metrics = ["--metrics", "ssim", "--judge", "none"]
    assert invoke(["run", "--variants", "l1", *data, *BRIEF, *metrics, "--out", str(out)]) == 0
    changed = "40x96 px (and 2 other sizes) to 64x40 px, in 3 of 5 images"
    shown = capfd.readouterr()
    assert "mine: the aspect is changed: 70x70 px to 64x40 px, in 1 of 2 images" in shown.out + shown.err
    told = {record.label: record.details["data"]["aspect_changed"] for record in read_records(out)}
    assert set(told.values()) <= {
        changed,
        changed.replace("40x96", "70x70"),
        changed.replace("40x96", "50x33"),
    }
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "Aspect changed" in page
    assert next(iter(told.values())) in page


def test_generate_keeps_sizes_where_asked_and_says_where_not(
    own: Path, native: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (checkpoint,) = (native / "runs").glob("*/checkpoint.safetensors")
    images = ["--checkpoint", str(checkpoint), "--images", str(own / "test" / "source"), "--device", "cpu"]
    assert invoke(["generate", *images, "--to", str(tmp_path / "own")]) == 0
    assert "aspect" not in capfd.readouterr().out
    assert [read_png(tmp_path / "own" / f"{i}.png").shape[1::-1] for i in range(len(SIZES))] == SIZES
    assert invoke(["generate", *images, "--to", str(tmp_path / "wide"), "--size", "80x40"]) == 0
    assert "the aspect was changed: " in capfd.readouterr().out
    assert read_png(tmp_path / "wide" / "0.png").shape == (40, 80, 3)


def test_the_dry_run_states_depth_and_fields_on_each_axis(capfd: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--variants", "l1+cgan,imagegan", "--dataset", "toycity", "--train-limit", "4"]
    assert invoke([*command, "--size", "100x64", "--dry-run", *BRIEF]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "generator at 100x64 px: 6 levels down to 2x1" in shown
    assert "padded by reflection to multiples of 64 px (100x64 to 128x64 px), cropped back" in shown
    assert "discriminator of 70 px: each output sees 70 of 100 px across and all 64 px down" in shown
    assert "discriminator of 142 px: each output sees all 100 px across and all 64 px down" in shown
    assert "the aspect is changed: 512x512 px to 100x64 px" in shown


def test_what_does_not_fit_into_memory_is_refused_before_anything_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.launch.cost import memory

    monkeypatch.setattr(memory, "available_bytes", lambda device: 10**8)
    command = ["run", "--variants", "l1", "--dataset", "toycity", "--train-limit", "4", *BRIEF]
    assert invoke([*command, "--size", "2048x1024", "--out", str(tmp_path / "out")]) == 2
    said = capfd.readouterr().err
    assert "expected memory for l1, found too little: at least " in said
    assert "GB for a training at 2048x1024 px, 0.1 GB are available; use a smaller --size" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tool", ["spade", "pix2pixHD"])
def test_results_of_512x256_are_scored_as_they_stand(tool: str, tmp_path: Path) -> None:
    """SPADE writes synthesized_image/ and input_label/, pix2pixHD endings in one folder, as JPEG."""
    folder, truth = tmp_path / "results", tmp_path / "truth"
    truth.mkdir()
    for index in range(2):
        photo = scene(512, 256, index)
        photo.save(truth / f"{index}.png")
        guess, label = scene(512, 256, index + 5), scene(512, 256, index + 9)
        if tool == "spade":
            for part, image in (("synthesized_image", guess), ("input_label", label)):
                (folder / part).mkdir(parents=True, exist_ok=True)
                image.save(folder / part / f"{index}.png")
        else:
            folder.mkdir(exist_ok=True)
            guess.save(folder / f"{index}_synthesized_image.jpg")
            label.save(folder / f"{index}_input_label.jpg")
    scored = folder / "synthesized_image" if tool == "spade" else folder
    out = tmp_path / "out"
    asked = ["--target", str(truth), "--metrics", "ssim,psnr,hf_ratio", "--device", "cpu", "--out", str(out)]
    assert invoke(["score", str(scored), *asked]) == 0
    (record,) = (record for record in read_records(out) if record.kind == "run")
    assert record.spec["training"]["size_px"] == "512x256"
    assert record.results["ssim"].n == 2
    assert record.results["hf_ratio"].value is not None
    assert "predictions_resized_from" not in record.results["ssim"].protocol
    assert json.loads((out / "records" / f"{record.id}.json").read_text())["status"] == "finished"
    assert Image.open(out / str(record.gallery.targets) / "0.png").size == (512, 256)  # type: ignore[union-attr]

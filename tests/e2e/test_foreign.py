"""`bench score DIR`: images of other tools, from a folder to records, report and comparison."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from toy_pairs import generate

from bench.cli.main import invoke
from bench.data.cards import load_card
from bench.data.palette import paint
from bench.records.record import RunRecord, read_records
from bench.scoring.judges import trained as store

N, SIZE = 6, 32
QUICK = ["--device", "cpu", "--threads", "1", "--metrics", "ssim,psnr,hf_ratio,fd_lite0"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/NAME/test_latest/images of the released PyTorch code, for two models."""
    root = tmp_path_factory.mktemp("released") / "results"
    photos, ids = generate("test", N, SIZE, start=0)
    colours = paint(ids, load_card("toycity"))
    for name, noise in (("good", 4), ("bad", 30)):
        folder = root / name / "test_latest" / "images"
        folder.mkdir(parents=True)
        spread = np.random.default_rng(noise).normal(0, noise, photos.shape)
        guesses = np.clip(photos + spread, 0, 255).astype(np.uint8)
        for end, images in (("fake_B", guesses), ("real_B", photos), ("real_A", colours)):
            for index, image in enumerate(images):
                Image.fromarray(image).save(folder / f"{index}_{end}.png")
    return root


def images(results: Path, name: str) -> str:
    return str(results / name / "test_latest" / "images")


def by_label(out: Path) -> dict[str, RunRecord]:
    return {record.label: record for record in read_records(out)}


def test_released_results_score_as_they_stand(
    results: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert invoke(["score", images(results, "good"), images(results, "bad"), *QUICK, "--out", str(out)]) == 0
    shown = capfd.readouterr().out
    assert "good has the best SSIM" in shown
    records = by_label(out)
    assert set(records) == {"good", "bad", "real", "copy"}
    good = records["good"]
    assert (good.kind, good.seed, good.history) == ("run", None, [])
    assert good.spec["data"]["train_n"] == 0
    assert good.spec["data"]["test_n"] == good.results["ssim"].n == N
    per_image = pd.read_parquet(out / "records" / f"{good.id}.parquet")
    assert list(per_image["name"]) == [str(i) for i in range(N)]
    assert per_image["ssim"].mean() == pytest.approx(good.results["ssim"].value)
    assert records["copy"].results["ssim"].value < records["bad"].results["ssim"].value  # type: ignore[operator]
    assert "compares the images with themselves" in str(records["real"].results["ssim"].reason)
    assert "no training targets to compare" in str(records["real"].results["hf_ratio"].reason)
    for role in (good.gallery.predictions, good.gallery.sources, good.gallery.targets):  # type: ignore[union-attr]
        assert len(list((out / str(role)).iterdir())) == N
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "good" in page
    assert "file missing" not in page
    assert "<h1>Scores of the images in bad and good</h1>" in page
    text = (out / "report" / "report.md").read_text(encoding="utf-8")
    assert not [word for word in ("seed", "ablation", "epoch") if word in text + shown]  # nothing was trained
    assert invoke(["score", str(out), *QUICK]) == 2
    assert "found the output" in capfd.readouterr().err
    one, other = (str(out / "records" / f"{records[name].id}.json") for name in ("good", "bad"))
    assert invoke(["compare", one, other, "--json"]) == 0
    lines = {line["metric"]: line for line in json.loads(capfd.readouterr().out)["differences"]}
    assert lines["ssim"]["distinguishable"]
    assert invoke(["baseline", str(out), str(tmp_path / "gate.json")]) == 0
    assert invoke(["check", str(out), "--baseline", str(tmp_path / "gate.json")]) == 0


def test_the_same_numbers_as_a_run_has(tmp_path: Path) -> None:
    """A run's predictions, scored as foreign images against the same targets."""
    out = tmp_path / "run"
    small = [
        "--dataset",
        "toycity",
        "--size",
        "32",
        "--base-filters",
        "4",
        "--train-limit",
        "6",
        "--test-limit",
    ]
    grid = ["run", "--variants", "l1", "--steps", "3", *small, str(N), *QUICK, "--judge", "none"]
    assert invoke([*grid, "--out", str(out)]) == 0
    run = by_label(out)["l1"]
    assert run.gallery is not None
    targets = out / run.gallery.targets
    assert len(list(targets.iterdir())) == N
    again = tmp_path / "again"
    score = ["score", str(out / "predictions" / run.id), "--target", str(targets), "--name", "l1"]
    assert invoke([*score, *QUICK, "--out", str(again)]) == 0
    assert by_label(again)["l1"].results == run.results
    assert invoke(["score", str(out), *QUICK, "--judge", "none"]) == 0  # a run's output, as before
    assert by_label(out)["l1"].results == run.results
    assert invoke(["score", str(out), "--target", str(targets)]) == 2
    assert invoke(["report", str(out), str(again), "--to", str(tmp_path / "both")]) == 0
    assert invoke(["compare", str(out), str(again)]) == 3  # other names and hashes: not known to be the same


def test_a_judge_trained_on_real_photos(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = store.default_recipe
    monkeypatch.setattr(store, "default_recipe", lambda *a: dataclasses.replace(recipe(*a), steps=3))
    out = tmp_path / "out"
    judge = ["--judge-dataset", "toycity", "--judge", "fcn-small", "--metrics", "fcn_pixel_acc,fd_lite0"]
    train = tmp_path / "train"
    train.mkdir()
    for index, photo in enumerate(generate("train", N, SIZE, start=0)[0]):
        Image.fromarray(photo).save(train / f"{index}.png")
    arguments = [images(results, "good"), *judge, "--train-target", str(train), "--device", "cpu"]
    assert invoke(["score", *arguments, "--out", str(out)]) == 0
    records = by_label(out)
    assert records["good"].dataset == "toycity"
    protocol = records["good"].results["fcn_pixel_acc"].protocol
    assert protocol["judge"] == "fcn-small"
    seen = records["good"].details["judge"]["seen"]
    assert (seen["in_common"], seen["test_photos"]) == (0, N)  # of the images given, not toycity's own
    assert protocol == records["real"].results["fcn_pixel_acc"].protocol
    assert 0 < records["good"].results["fcn_pixel_acc"].value <= 1  # type: ignore[operator]
    assert records["real"].results["fd_lite0"].value > 0  # type: ignore[operator]


def test_without_a_judge_the_reason_is_given(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    keys = ["--metrics", "fcn_class_iou,label_class_iou", "--device", "cpu", "--out", str(out)]
    assert invoke(["score", images(results, "good"), "--dataset", "toycity", *keys]) == 0
    found = by_label(out)["good"].results
    assert "--judge-dataset NAME trains one" in str(found["fcn_class_iou"].reason)
    assert "not label maps" in str(found["label_class_iou"].reason)


def test_label_maps_are_scored_by_their_classes(results: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    for path in Path(images(results, "good")).glob("*_real_A.png"):
        shutil.copy(path, maps / path.name.replace("_real_A", ""))
    arguments = [str(maps), "--target", str(maps), "--dataset", "toycity", "--direction", "photo2labels"]
    out = tmp_path / "out"
    keys = ["--metrics", "label_pixel_acc,label_class_iou", "--device", "cpu", "--out", str(out)]
    assert invoke(["score", *arguments, *keys]) == 0
    assert {key: result.value for key, result in by_label(out)["maps"].results.items()} == {
        "label_pixel_acc": pytest.approx(1), "label_class_iou": pytest.approx(1),
    }  # fmt: skip


def test_missing_images_are_listed_or_left_out(
    results: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    guesses = tmp_path / "guesses"
    shutil.copytree(images(results, "good"), guesses)
    (guesses / "2_fake_B.png").unlink()
    out = tmp_path / "out"
    arguments = ["score", str(guesses), *QUICK, "--out", str(out)]
    assert invoke(arguments) == 2
    said = capfd.readouterr().err
    assert "lack 2:" in said
    assert not out.exists()
    assert invoke([*arguments, "--allow-missing"]) == 0
    assert f"N = {N - 1}" in capfd.readouterr().err
    assert by_label(out)["guesses"].results["ssim"].n == N - 1


def test_a_resize_is_part_of_the_protocol(results: Path, tmp_path: Path) -> None:
    arguments = ["score", images(results, "good"), *QUICK, "--size", "16", "--out", str(tmp_path / "out")]
    assert invoke(arguments) == 0
    result = by_label(tmp_path / "out")["good"].results["psnr"]
    assert result.protocol["size_px"] == 16
    assert result.protocol["predictions_resized_from"] == "32x32"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--judge", "fcn-small"], ["--judge-dataset NAME", "real photos"]),
        (["--dataset", "toycitty"], ["toycitty", "toycity"]),
        (["--direction", "x2y"], ["--direction", "x2y"]),
        (["--target", "nowhere"], ["--target nowhere"]),
        (["--name", "a,b"], ["1 different names", "found a, b"]),
        (["--metrics", "sim"], ["did you mean 'ssim'"]),
    ],
)
def test_wrong_usage_is_refused_in_one_line(
    results: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], words: list[str]
) -> None:
    out = tmp_path / "out"
    assert invoke(["score", images(results, "good"), *options, "--device", "cpu", "--out", str(out)]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert all(word in lines[0] for word in words)
    assert not out.exists()

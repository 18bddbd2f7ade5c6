"""The real command on the embedded data set, small: from variants to report, and what happens in between."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from baselines.trainer import Trainer
from bench.cli.list import KINDS
from bench.cli.main import invoke
from bench.core.environment import cpu_name
from bench.core.images import read_png
from bench.records.gallery import judge_fits, labels_folder, segmentation_folder
from bench.records.record import RunRecord, read_per_image, read_records
from bench.stages import train as training

SMALL = ["--dataset", "toycity", "--size", "32", "--base-filters", "8", "--device", "cpu", "--threads", "1"]
FEW = ["--train-limit", "60", "--test-limit", "12"]
GRID = ["run", "--variants", "l1,l1+cgan", "--steps", "40", *SMALL, *FEW]
QUICK = ["--metrics", "ssim,hf_ratio"]


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, figures: Callable[[], AbstractContextManager[None]]
) -> Path:
    """A finished grid with all metrics and figures."""
    out = tmp_path_factory.mktemp("grid") / "out"
    with figures():
        assert invoke([*GRID, "--out", str(out)]) == 0
    return out


def by_label(out: Path) -> dict[str, RunRecord]:
    return {record.label: record for record in read_records(out)}


def test_every_stage_leaves_its_files(finished: Path) -> None:
    records = by_label(finished)
    assert set(records) == {"l1", "l1+cgan", "real", "copy", "nearest", "random"}
    for label in ("l1", "l1+cgan"):
        record = records[label]
        images = sorted((finished / "predictions" / record.id).iterdir())
        assert len(images) == 12
        assert Image.open(images[0]).size == (32, 32)
        run = finished / "runs" / record.id
        assert {path.name for path in run.iterdir()} == {
            "spec.json", "checkpoint.safetensors", "history.json", "diversity.json",
            "source_response.json", "samples",
        }  # fmt: skip
        assert len(list((run / "samples").iterdir())) == 10
    report = {path.name for path in (finished / "report").iterdir()}
    assert {"index.html", "report.md", "results.csv"} <= report
    assert set(pd.read_csv(finished / "report" / "results.csv")["label"]) == set(records)


def test_the_report_shows_figures_picks_and_what_the_judge_sees(finished: Path) -> None:
    records = by_label(finished)
    for label in ("l1", "l1+cgan", "real"):
        folder = finished / segmentation_folder(records[label])
        assert len(list(folder.glob("*.png"))) == 12
        assert judge_fits(finished, records[label])
    labels = sorted((finished / labels_folder(records["l1"].gallery)).iterdir())  # type: ignore[arg-type]
    assert len(labels) == 12
    assert len({tuple(colour) for colour in read_png(labels[0]).reshape(-1, 3)}) > 3
    html = (finished / "report" / "index.html").read_text(encoding="utf-8")
    assert all(f'id="s1-{part}"' in html for part in ("images", "seen", "picks", "values"))
    assert html.count("of test image") >= 12 * (4 + 4)
    assert "file missing" not in html
    assert html.count("<figure") >= 6


def test_records_hold_what_was_done(finished: Path) -> None:
    record = by_label(finished)["l1+cgan"]
    assert record.status == "finished"
    assert record.spec["training"]["steps"] == 40
    assert record.spec["data"]["test_n"] == 12
    assert record.history[-1]["step"] == 40
    assert {"loss_l1", "loss_g_gan", "loss_d"} <= record.history[-1].keys()
    assert {"train", "generate", "score", "seconds_per_step"} <= record.timings.keys()
    assert record.environment["device"] == "cpu"
    assert record.environment["processor"] == cpu_name()
    assert record.results["ssim"].n == 12
    assert record.results["fid"].value is None
    assert "bench data fetch inception" in str(record.results["fid"].reason)
    assert (record.results["diversity"].value or 0) > 0
    per_image = pd.read_parquet(finished / "records" / f"{record.id}.parquet")
    assert list(per_image["name"]) == sorted(per_image["name"])
    assert per_image["ssim"].mean() == pytest.approx(record.results["ssim"].value)
    assert (
        record.results["fcn_class_iou"].protocol == by_label(finished)["l1"].results["fcn_class_iou"].protocol
    )


def test_reference_rows_are_measured(finished: Path) -> None:
    records = by_label(finished)
    assert records["real"].results["ssim"].value is None
    assert records["real"].results["hf_ratio"].value == pytest.approx(1, abs=0.2)
    best = max(records[label].results["fcn_class_iou"].value or 0 for label in ("l1", "l1+cgan"))
    assert (records["real"].results["fcn_class_iou"].value or 0) > best
    source = Image.open(
        finished / records["copy"].gallery.sources / f"{records['copy'].gallery.names[0]}.png"
    )  # type: ignore[union-attr]
    copied = Image.open(
        finished / str(records["copy"].gallery.predictions) / f"{records['copy'].gallery.names[0]}.png"
    )  # type: ignore[union-attr]
    assert np.array_equal(np.asarray(source), np.asarray(copied))


def test_a_second_time_everything_is_skipped(
    finished: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_work(*_: object) -> None:
        raise AssertionError("finished work was done again")

    monkeypatch.setattr("bench.stages.runner.TrainingStage", no_work)
    monkeypatch.setattr("bench.stages.runner.generate_split", no_work)
    monkeypatch.setattr("bench.stages.score.score", no_work)
    before = {path: path.read_bytes() for path in (finished / "records").iterdir()}
    assert invoke([*GRID, "--out", str(finished)]) == 0
    assert {path: path.read_bytes() for path in (finished / "records").iterdir()} == before
    captured = capfd.readouterr()
    assert captured.err.count("finished before, skipped") == 2
    assert "l1+cgan" in captured.out
    assert "report:" in captured.out


def test_other_metrics_score_again_without_training(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    monkeypatch.setattr("bench.stages.runner.TrainingStage", None)
    assert invoke([*GRID, "--out", str(out), *QUICK]) == 0
    assert by_label(out) == by_label(finished)  # all that was asked for had been measured
    assert invoke(["score", str(out), "--device", "cpu", *QUICK, "--judge", "none"]) == 0
    for label, record in by_label(finished).items():
        assert by_label(out)[label].results == record.results, "what was not asked for stays"
        per_image = [read_per_image(folder, record) for folder in (out, finished)]
        assert set(per_image[0]) == set(per_image[1])  # type: ignore[arg-type]


def test_a_subset_of_metrics_grows(tmp_path: Path) -> None:
    out = tmp_path / "out"
    tiny = ["--variants", "l1", "--steps", "2", *SMALL, *FEW, "--judge", "none", "--out", str(out)]
    assert invoke(["run", *tiny, "--metrics", "ssim"]) == 0
    first = by_label(out)["l1"]
    assert set(first.results) == {"ssim"}
    assert invoke(["run", *tiny, "--metrics", "psnr"]) == 0
    assert set(by_label(out)["l1"].results) == {"ssim", "psnr"}
    assert by_label(out)["l1"].results["ssim"] == first.results["ssim"]
    assert {"name", "psnr", "ssim"} <= set(read_per_image(out, first))  # type: ignore[arg-type]
    image = next((out / "predictions" / first.id).iterdir())
    Image.new("RGB", (32, 32)).save(image)  # other predictions: what was measured before is not theirs
    assert invoke(["score", str(out), "--device", "cpu", "--metrics", "psnr", "--judge", "none"]) == 0
    assert set(by_label(out)["l1"].results) == {"psnr"}


def test_a_damaged_prediction_is_made_again_and_a_failed_rescore_loses_nothing(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    before = by_label(out)
    damaged = next((out / "predictions" / before["l1"].id).iterdir())
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-20])
    again = ["score", str(out), "--device", "cpu", *QUICK, "--judge", "none"]
    with monkeypatch.context() as patch:
        patch.setattr("bench.stages.score.score", lambda *_: 1 / 0)
        assert invoke(again) == 4
    assert by_label(out) == before
    assert damaged.read_bytes() == whole
    assert invoke(again) == 0


def test_seeded_runs_repeat_bit_for_bit(finished: Path, tmp_path: Path) -> None:
    assert invoke([*GRID, "--variants", "l1+cgan", "--out", str(tmp_path / "again")]) == 0
    first, second = by_label(finished), by_label(tmp_path / "again")
    assert second.keys() == first.keys() - {"l1"}
    for label, record in second.items():
        assert first[label].results == record.results
        assert first[label].id == record.id
    run = f"runs/{first['l1+cgan'].id}/checkpoint.safetensors"
    assert (finished / run).read_bytes() == (tmp_path / "again" / run).read_bytes()


@pytest.mark.parametrize(("signals", "exit_code"), [((signal.SIGINT,), 130), ((signal.SIGTERM,), 143)])
def test_interrupted_training_goes_on_as_if_it_had_not_been(
    signals: tuple[int, ...],
    exit_code: int,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    step, sent = Trainer.step, dict(enumerate(signals))

    def interrupted(self: Trainer) -> None:
        step(self)
        if self.steps_done == 17 and sent:
            os.kill(os.getpid(), sent.pop(min(sent)))

    monkeypatch.setattr(Trainer, "step", interrupted)
    monkeypatch.setattr(training, "log_every", lambda steps: 5)  # 17 is between two log points
    out = tmp_path / "out"
    grid = [*GRID, "--variants", "l1+cgan", "--out", str(out), *QUICK, "--judge", "none"]
    assert invoke(grid) == exit_code
    assert "the same command goes on" in capfd.readouterr().err
    assert len(list(out.glob("runs/*/state.safetensors"))) == 1
    assert invoke(grid) == 0
    assert "goes on at step 17" in capfd.readouterr().err
    assert not list(out.glob("runs/*/state.safetensors"))
    run = f"runs/{by_label(finished)['l1+cgan'].id}/checkpoint.safetensors"
    assert (out / run).read_bytes() == (finished / run).read_bytes()
    histories = [by_label(folder)["l1+cgan"].history for folder in (out, finished)]
    means = [{entry["step"]: entry["loss_d"] for entry in history} for history in histories]
    assert len(means[0]) == 8
    assert means[0][40] == pytest.approx(sum(means[1][step] for step in range(36, 41)) / 5)


def test_a_run_that_fails_is_recorded_and_the_others_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = training.TrainingStage.run

    def fail_for_l1(self: training.TrainingStage, advance: object) -> None:
        if self.spec.label == "l1":
            raise RuntimeError("out of memory <b>")
        stage(self, advance)  # type: ignore[arg-type]

    monkeypatch.setattr(training.TrainingStage, "run", fail_for_l1)
    out = tmp_path / "out"
    grid = [*GRID, "--out", str(out), *QUICK, "--judge", "none"]
    assert invoke(grid) == 4
    assert "1 of 6 rows failed" in capfd.readouterr().err
    records = by_label(out)
    assert (records["l1"].status, records["l1+cgan"].status) == ("failed", "finished")
    assert "out of memory" in str(records["l1"].error)
    assert "out of memory &lt;b&gt;" in (out / "report" / "index.html").read_text(encoding="utf-8")
    monkeypatch.undo()
    monkeypatch.setenv("PIX2PIX_BENCH_CACHE", str(tmp_path / "cache"))
    assert invoke(grid) == 0
    assert by_label(out)["l1"].status == "finished"


def test_single_stages_and_new_images(tmp_path: Path, finished: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--variants", "l1", "--steps", "40", *SMALL, *FEW, "--out", str(out)]
    assert invoke(["train", *arguments]) == 0
    assert not (out / "predictions").exists()
    assert invoke(["generate", str(out), "--device", "cpu", "--threads", "1"]) == 0
    record = by_label(finished)["l1"]
    made, wanted = (folder / "predictions" / record.id for folder in (out, finished))
    assert {p.name: p.read_bytes() for p in made.iterdir()} == {
        p.name: p.read_bytes() for p in wanted.iterdir()
    }
    assert invoke(["score", str(out), "--device", "cpu", *QUICK, "--judge", "none"]) == 0
    assert by_label(out)["l1"].results["ssim"] == record.results["ssim"]
    assert by_label(out)["l1"].environment["command"].startswith("bench train --variants l1 ")
    assert by_label(out)["l1"].details["scored_by"]["command"].startswith("bench score ")
    assert invoke(["report", str(out), str(finished), "--to", str(tmp_path / "both")]) == 0
    assert (tmp_path / "both" / "index.html").is_file()

    checkpoint = out / "runs" / record.id / "checkpoint.safetensors"
    sources = out / str(record.gallery.sources)  # type: ignore[union-attr]
    new = ["generate", "--checkpoint", str(checkpoint), "--images", str(sources), "--device", "cpu"]
    assert invoke([*new, "--to", str(tmp_path / "new")]) == 0
    for path in sources.iterdir():
        assert (tmp_path / "new" / path.name).read_bytes() == (wanted / path.name).read_bytes()
    assert invoke([*new, "--to", str(tmp_path / "new")]) == 2


def test_dry_run_shows_the_grid_and_writes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert invoke([*GRID, "--out", str(out), "--dry-run"]) == 0
    shown = capfd.readouterr().out
    assert "l1+cgan" in shown
    assert "nothing was written" in shown
    assert not out.exists()


def test_sizes_sweeps_and_own_folders(tmp_path: Path, write_pairs) -> None:  # type: ignore[no-untyped-def]
    write_pairs(tmp_path / "mine", {"train": 5, "test": 3}, size_px=32)
    out = tmp_path / "out"
    arguments = [
        "--dataset",
        "mine",
        "--data-root",
        str(tmp_path / "mine"),
        "--variants",
        "l1+cgan,encdec:l1",
    ]
    grid = [*arguments, "--direction", "target2source", "--set", "size_px=32,64", "--steps", "3", *SMALL[4:]]
    assert invoke(["run", *grid, *QUICK, "--out", str(out)]) == 0
    runs = [record for record in read_records(out) if record.kind == "run"]
    assert {(run.label, run.spec["training"]["size_px"]) for run in runs} == {
        (f"{name}[size_px={size}]", size) for name in ("l1+cgan", "encdec:l1") for size in (32, 64)
    }
    assert {run.direction for run in runs} == {"target2source"}


@pytest.mark.parametrize("kind", ["variants", "datasets", "metrics", "suites", "judges", "fields"])
def test_lists(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = {
        "variants": "l1+cgan/16", "datasets": "edges2shoes", "metrics": "hf_ratio",
        "suites": "receptive-field", "judges": "fcn8s", "fields": "lambda_l1",
    }  # fmt: skip
    assert invoke(["list", kind]) == 0
    assert wanted[kind] in capfd.readouterr().out


def test_a_list_without_a_kind_shows_the_names_of_all(capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke(["list"]) == 0
    *paragraphs, more = re.sub(r", ?\n", ", ", capfd.readouterr().out).splitlines()
    shown = {kind: names.split(", ") for kind, _, names in (text.partition(": ") for text in paragraphs)}
    assert list(shown) == list(KINDS)
    assert {"l1", "l1+cgan/16", "no-dropout"} <= set(shown["variants"])
    assert "any other name" not in shown["datasets"]
    for kind in ("suites", "metrics", "judges", "fields"):
        assert invoke(["list", kind]) == 0
        full = [line.split()[0] for line in capfd.readouterr().out.splitlines() if line[0] != " "]
        assert [name.strip() for name in shown[kind]] == full
    assert "bench list variants" in more
    assert invoke(["list", "variant"]) == 2
    assert "did you mean 'variants'" in capfd.readouterr().err


def test_judge_train_says_how_well_it_sees(finished: Path, capfd: pytest.CaptureFixture[str]) -> None:
    size = ["--size", "32", "--train-limit", "60", "--device", "cpu"]
    assert invoke(["judge", "train", "--dataset", "toycity", *size]) == 0
    shown = capfd.readouterr().out
    hash_used = by_label(finished)["real"].results["fcn_class_iou"].protocol
    assert json.dumps(hash_used).count(shown.split("hash: ")[-1].strip()[:8]) >= 1

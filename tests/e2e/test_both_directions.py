"""`--both-directions`: the second generator of an unpaired training is a row of the opposite direction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from baselines.trainer import Trainer
from bench.cli.main import invoke
from bench.core.resources import cache_dir
from bench.data.open_dataset import open_dataset
from bench.records.record import RunRecord, read_records
from bench.spec.run_spec import RunSpec
from bench.stages.reproduce import chosen

CYCLE = "cyclegan[generator=resnet6,pool_size=3,receptive_field=16]"
DISCO = "discogan[gan_curriculum=2]"
GRID = [
    *(
        "run",
        "--dataset",
        "toycity",
        "--size",
        "64",
        "--base-filters",
        "4",
        "--steps",
        "4",
        "--device",
        "cpu",
    ),
    *("--threads", "1", "--train-limit", "12", "--test-limit", "4", "--judge", "none"),
    *("--metrics", "mae,label_class_iou,fcn_class_iou,fd_lite0"),
]
BOTH = [*GRID, "--variants", f"{CYCLE},{DISCO}", "--both-directions"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("both") / "out"
    assert invoke([*BOTH, "--out", str(out)]) == 0
    return out


def runs(out: Path) -> dict[str, RunRecord]:
    return {record.label: record for record in read_records(out) if record.kind == "run"}


def spec_of(record: RunRecord) -> RunSpec:
    return RunSpec.from_dict(record.spec)


@pytest.mark.parametrize("name", [CYCLE, DISCO])
def test_each_way_is_a_row_with_the_metrics_of_its_direction(finished: Path, name: str) -> None:
    there, back = (runs(finished)[label] for label in (name, f"{name} (back: photo2labels)"))
    assert [one.spec["data"]["direction"] for one in (there, back)] == ["labels2photo", "photo2labels"]
    assert (back.status, back.spec["back"], back.details["back_of"]) == ("finished", True, there.id)
    assert "back" not in there.spec
    assert there.results["label_class_iou"].value is None
    assert back.results["label_class_iou"].value is not None
    assert back.results["fcn_class_iou"].value is None
    assert there.results["mae"].value != back.results["mae"].value
    assert [entry["step"] for entry in back.history] == [entry["step"] for entry in there.history]
    assert {"loss_cycle", "loss_cycle_back"} <= back.history[-1].keys()
    page = (finished / "report" / "report.md").read_text(encoding="utf-8")
    assert "photo to labels" in page
    assert "(back: photo2labels)" in page


@pytest.mark.parametrize("name", [CYCLE, DISCO])
def test_its_predictions_are_those_of_the_second_generator(finished: Path, name: str) -> None:
    """Trained again here, and applied to the photos without the harness's own translation."""
    spec = spec_of(runs(finished)[name])
    data = open_dataset("toycity", direction="labels2photo")
    pairs = data.load("train", size_px=spec.training.load_size_px, cache=cache_dir(), limit=12)
    trainer = Trainer(spec.variant, spec.training, pairs, spec.seed, torch.device("cpu"))
    list(trainer.train(log_every=4))
    network: Any = trainer.objective.networks["generator_back"]
    test = data.load("test", size_px=64, cache=cache_dir(), limit=4)
    for name_of_image, photo in zip(test.names, test.target, strict=True):
        shown = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None] / 127.5 - 1
        with torch.no_grad():
            made = network(shown)[0].permute(1, 2, 0)
        wanted = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
        folder = finished / "predictions" / spec.turned().id
        found = np.asarray(Image.open(folder / f"{name_of_image}.png"))
        assert np.abs(found.astype(int) - wanted).max() <= 1  # rounding of float32
        assert (found == wanted).mean() > 0.999


def test_the_opposite_direction_has_its_reference_rows(finished: Path) -> None:
    rows = [
        (record.label, record.spec["data"]["direction"])
        for record in read_records(finished)
        if record.kind == "reference"
    ]
    assert len(rows) == len(set(rows)) == 8


def test_it_can_be_asked_for_later_and_trains_nothing_again(finished: Path, tmp_path: Path) -> None:
    """The second generator is kept in any case; what stands there does not change."""
    out = tmp_path / "out"
    assert invoke([*GRID, "--variants", CYCLE, "--out", str(out)]) == 0
    (record,) = runs(out).values()
    folder = out / "runs" / record.id
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {"checkpoint.safetensors", "checkpoint-back.safetensors"} <= set(before)
    assert invoke([*GRID, "--variants", CYCLE, "--both-directions", "--out", str(out)]) == 0
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert after == {name: time for name, time in before.items() if name != "checkpoint-back.safetensors"}
    one, other = (runs(folder)[f"{CYCLE} (back: photo2labels)"] for folder in (out, finished))
    assert replace(one.results["mae"]) == other.results["mae"]
    assert runs(out)[CYCLE].created == record.created


def test_scoring_again_takes_both(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = runs(finished)
    assert invoke(["score", str(finished), "--judge", "none", "--metrics", "psnr", "--device", "cpu"]) == 0
    after = runs(finished)
    assert before.keys() == after.keys()
    assert all(record.results["psnr"].value is not None for record in after.values())
    assert all(record.results["mae"] == before[label].results["mae"] for label, record in after.items())


def test_gate_and_comparison_take_both(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline, verdicts = tmp_path / "baseline.json", tmp_path / "verdicts.json"
    assert invoke(["baseline", str(finished), str(baseline)]) == 0
    assert invoke(["check", str(finished), "--baseline", str(baseline), "--json", str(verdicts)]) == 0
    assert f"photo2labels/64px/4 steps/{CYCLE} (back: photo2labels)" in verdicts.read_text(encoding="utf-8")
    capsys.readouterr()
    assert invoke(["compare", str(finished), str(finished)]) == 0
    assert f"{DISCO} (back: photo2labels)" in capsys.readouterr().out


def test_a_way_back_is_not_trained_again_by_itself(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, back = (runs(finished)[name] for name in (CYCLE, f"{CYCLE} (back: photo2labels)"))
    assert invoke(["reproduce", str(finished), "--run", back.id, "--device", "cpu"]) == 2
    assert f"{there.id}: reproduce that one" in capsys.readouterr().err
    assert chosen(list(runs(finished).values()), None).spec.get("back") is None


def test_worker_processes_score_both(finished: Path, tmp_path: Path) -> None:
    """Bit for bit what one process gives."""
    assert invoke([*BOTH, "--jobs", "2", "--out", str(tmp_path / "out")]) == 0
    one, other = (runs(out) for out in (finished, tmp_path / "out"))
    assert one.keys() == other.keys()
    assert all(
        record.results["fd_lite0"] == other[label].results["fd_lite0"] for label, record in one.items()
    )


def test_a_second_generator_that_is_gone_fails_its_row_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert invoke([*GRID, "--variants", CYCLE, "--out", str(out)]) == 0
    (record,) = runs(out).values()
    (out / "runs" / record.id / "checkpoint-back.safetensors").unlink()
    assert invoke([*GRID, "--variants", CYCLE, "--both-directions", "--out", str(out)]) == 4
    found = runs(out)
    assert found[CYCLE].status == "finished"
    failed = found[f"{CYCLE} (back: photo2labels)"]
    assert failed.status == "failed"
    assert "run again with --both-directions" in str(failed.error)
    assert "1 of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--variants", f"l1+cgan,{CYCLE}"], "found l1+cgan, which trains one"),
        (["--suite", "paired-or-not"], "found l1+cgan, which trains one"),
        (["--variants", CYCLE, "--source", "gray", "--direction", "gray2photo"], "found --source gray"),
        (
            ["--variants", CYCLE, "--val-share", "0.3", "--eval-every", "2", "--choose", "best:mae"],
            "--choose last with --both-directions",
        ),
    ],
)
def test_what_has_one_direction_is_refused(
    asked: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*GRID, *asked, "--both-directions", "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()

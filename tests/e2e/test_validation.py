"""`--val-share`, `--eval-every`, `--choose`: what they change, and that test images stay out of training."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from toy_pairs import generate

from baselines.trainer import Trainer
from bench.cli.main import invoke
from bench.core.resources import cache_dir
from bench.data.open_dataset import open_dataset
from bench.data.palette import paint
from bench.records.output_folder import RunFiles
from bench.records.record import RunRecord, read_records
from bench.stages import validation as validation_module

SIZE = 32
SMALL = ["--size", str(SIZE), "--base-filters", "8", "--device", "cpu", "--threads", "1", "--steps", "12"]
TOY = ["run", "--variants", "l1+cgan", "--dataset", "toycity", "--train-limit", "20", "--test-limit", "4"]
TOY += [*SMALL, "--metrics", "ssim,mae"]
SHARE = ["--val-share", "0.2"]
BEST = [*SHARE, "--eval-every", "4", "--choose", "best:hf_ratio"]  # which is best early: noise is sharp
CARD = """
domains = ["photo", "labels"]
roles = ["photo", "labels"]
direction = "labels2photo"
classes = [
"""


def run_of(out: Path) -> RunRecord:
    (found,) = (record for record in read_records(out) if record.kind == "run")
    return found


def points_of(record: RunRecord) -> list[dict[str, Any]]:
    points = record.details["validation"]["points"]
    return [{name: value for name, value in point.items() if name != "seconds"} for point in points]


def generator_of(out: Path) -> bytes:
    return RunFiles(out, run_of(out).id).checkpoint.read_bytes()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with validation images that nothing looks at."""
    out = tmp_path_factory.mktemp("plain") / "out"
    assert invoke([*TOY, *SHARE, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def best(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("best") / "out"
    assert invoke([*TOY, *BEST, "--keep", "all", "--out", str(out)]) == 0
    return out


def test_held_out_images_are_of_the_training_images_and_not_trained_on(plain: Path) -> None:
    data = run_of(plain).spec["data"]
    assert (data["train_n"], data["val_n"], data["test_n"]) == (16, 4, 4)
    whole = open_dataset("toycity")
    assert data["train_fingerprint"] != whole.fingerprint("train", 20)
    assert data["test_fingerprint"] == whole.fingerprint("test", 4)


def test_scoring_during_training_changes_no_weight_and_no_id(plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke([*TOY, *SHARE, "--eval-every", "5", "--out", str(out)]) == 0
    one, other = run_of(plain), run_of(out)
    assert one.id == other.id
    assert generator_of(plain) == generator_of(out)
    assert {k: r.value for k, r in one.results.items()} == {k: r.value for k, r in other.results.items()}
    assert [{**entry, "seconds": 0, "data_wait": 0} for entry in one.history] == [
        {**entry, "seconds": 0, "data_wait": 0} for entry in other.history
    ]
    assert "validation" not in one.details
    assert [point["step"] for point in points_of(other)] == [5, 10, 12]
    assert not list(out.rglob("validation.json"))


def test_the_best_step_is_what_a_training_of_that_length_ends_with(best: Path, tmp_path: Path) -> None:
    """Its generator and its value are those of a run that stops there."""
    record = run_of(best)
    held = record.details["validation"]
    step = held["chosen_step"]
    assert step < held["last_step"] == 12
    ratios = {point["step"]: point["hf_ratio"] for point in held["points"]}
    assert abs(ratios[step] - 1) == min(abs(ratio - 1) for ratio in ratios.values())
    short = tmp_path / "short"
    asked = [*TOY[: TOY.index("--steps")], "--steps", str(step), "--metrics", "ssim,mae", *SHARE]
    assert invoke([*asked, "--eval-every", str(step), "--out", str(short)]) == 0
    values = {key: result.value for key, result in run_of(short).results.items()}
    assert values == {key: result.value for key, result in record.results.items()}
    (only,) = points_of(run_of(short))
    assert only in points_of(record)
    files = RunFiles(best, record.id)
    assert files.checkpoint_at(12).is_file()  # --keep all: the last one too
    assert not files.best
    assert not files.validation.exists()
    assert record.spec["choice"]["metric"] == "hf_ratio"


def test_the_gap_is_that_of_the_scored_generator(best: Path) -> None:
    record = run_of(best)
    gap = record.details["validation"]["gap"]
    assert gap["n"] == 4
    for key in ("ssim", "mae"):
        assert gap["test"][key] == pytest.approx(record.results[key].value, abs=1e-12)
    assert gap["train"] != gap["test"]


@pytest.mark.parametrize("after", [5, 8, 11])
def test_interrupted_it_chooses_the_same(
    after: int, best: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def interrupted(self: Trainer) -> None:
        if self.steps_done == after:
            signal.raise_signal(signal.SIGINT)
        step(self)

    arguments = [*TOY, *BEST, "--out", str(tmp_path / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        assert invoke(arguments) == 130
    assert invoke(arguments) == 0
    assert generator_of(tmp_path / "out") == generator_of(best)
    assert points_of(run_of(tmp_path / "out")) == points_of(run_of(best))


def test_killed_after_a_better_step_than_the_saved_state_has_it_chooses_the_same(
    best: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state is saved at step 2 alone; the best generator, of step 4, is not in it. Then one is lost."""
    out, step, taken = tmp_path / "out", Trainer.step, []

    def broken(self: Trainer) -> None:
        if self.steps_done == 10:
            raise OSError("the machine is gone")
        step(self)

    arguments = [*TOY, *BEST, "--out", str(out)]
    saved = validation_module.Validation.visit
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", broken)
        patch.setattr("bench.stages.train.TrainingStage._save_state", _only_at_2)
        assert invoke([*arguments, "--checkpoint-every", "0"]) == 4
    assert RunFiles(out, run_of(best).id).state.is_file()
    with monkeypatch.context() as patch:
        patch.setattr(
            validation_module.Validation,
            "visit",
            lambda self, at, made: (taken.append(at), saved(self, at, made))[1],
        )
        assert invoke(arguments) == 0
    assert taken == [4, 8, 12]
    assert generator_of(out) == generator_of(best)
    assert points_of(run_of(out)) == points_of(run_of(best))


def _only_at_2(self: Any, trainer: Trainer) -> None:
    if trainer.steps_done == 2:
        trainer.save(self.files.state, self.spec.hash)


def test_a_lost_best_generator_is_said_and_trained_again(
    best: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out, step = tmp_path / "out", Trainer.step

    def broken(self: Trainer) -> None:
        if self.steps_done == 6:
            raise OSError("the machine is gone")
        step(self)

    arguments = [*TOY, *BEST, "--out", str(out)]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", broken)
        assert invoke([*arguments, "--checkpoint-every", "0"]) == 4
    (kept,) = RunFiles(out, run_of(best).id).best
    kept.write_bytes(b"damaged")
    capfd.readouterr()
    assert invoke(arguments) == 0
    assert "the best generator so far is gone" in capfd.readouterr().err
    assert generator_of(out) == generator_of(best)


def test_a_longer_run_of_keep_at_has_the_points_of_the_shorter(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke([*TOY, *SHARE, "--eval-every", "4", "--keep-at", "6", "--out", str(out)]) == 0
    steps = {
        record.spec["training"]["steps"]: [point["step"] for point in points_of(record)]
        for record in read_records(out)
        if record.kind == "run"
    }
    assert steps == {6: [4, 6], 12: [4, 6, 8, 12]}


def test_a_finished_run_without_a_curve_is_said(plain: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke([*TOY, *SHARE, "--eval-every", "5", "--out", str(plain)]) == 0
    assert "finished before, without --eval-every" in capfd.readouterr().err


@pytest.mark.parametrize("share", ["0", "0.2"])
def test_sample_sheets_show_and_name_what_is_no_test_image(share: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = [*TOY[: TOY.index("--steps")], "--steps", "1", "--val-share", share]
    assert invoke(["train", *asked[1:], "--out", str(out)]) == 0
    (run,) = (out / "runs").iterdir()
    sheet = np.asarray(Image.open(run / "samples" / "step-0000001.png").convert("RGB"))
    assert sheet.shape[0] > 4 * SIZE  # a caption above the rows
    sources = sheet[-4 * SIZE :, :SIZE].reshape(4, SIZE, SIZE, 3)
    dataset = open_dataset("toycity")
    train, test = (
        dataset.load(split, size_px=SIZE, cache=cache_dir(), limit=limit).source
        for split, limit in (("train", 20), ("test", 4))
    )
    for source in sources:
        assert any(np.array_equal(source, one) for one in train)
        assert not any(np.array_equal(source, one) for one in test)
    history = json.loads((run / "history.json").read_text())
    assert history["samples"] == ("validation images" if share != "0" else "training images")


# --- test images stay out ---------------------------------------------------------------------------------


def write_toy(root: Path, splits: dict[str, int], *, spoiled: bool = False) -> None:
    """Toycity as side-by-side files with a card; `spoiled`: other photos and labels in the test split."""
    toy = open_dataset("toycity").card
    classes = [f'  {{ name = "{c.name}", colour = {list(c.colour)}' for c in toy.classes]
    ids = [f", train_id = {c.train_id}" if c.train_id is not None else "" for c in toy.classes]
    root.mkdir(parents=True)
    lines = [f"{text}{number} }},\n" for text, number in zip(classes, ids, strict=True)]
    (root / "card.toml").write_text(CARD + "".join(lines) + "]\n")
    for split, count in splits.items():
        (root / split).mkdir()
        start = {"train": 0, "val": 200, "test": 0}[split]
        photos, labels = generate("test" if split == "test" else "train", count, SIZE, start=start)
        if spoiled and split == "test":
            photos, labels = 255 - photos, labels[::-1, ::-1]
        for place in range(count):
            pair = np.concatenate([photos[place], paint(labels[place], toy)], axis=1)
            Image.fromarray(pair).save(root / split / f"{place:03d}.png")


@pytest.mark.parametrize("own", [False, True], ids=["held out, with a judge", "own split"])
def test_no_test_image_reaches_training_samples_choice_or_judge(own: bool, tmp_path: Path) -> None:
    """Two data sets differ in all test images and nothing else: all but test values is equal to the last bit.

    Hashes and names do not count. The judge is trained too, and chooses the step.
    """
    splits = {"train": 24, **({"val": 4} if own else {}), "test": 3}
    judged = ["--choose", "best:fcn_pixel_acc", "--judge", "fcn-small", "--metrics", "ssim,fcn_pixel_acc"]
    asked = ["run", "--variants", "l1", "--dataset", "mine", *SMALL, "--eval-every", "4"]
    asked += ["--choose", "best:ssim", "--metrics", "ssim"] if own else [*SHARE, *judged]
    found = []
    for spoiled in (False, True):
        root, out = tmp_path / f"data-{spoiled}" / "mine", tmp_path / f"out-{spoiled}"
        write_toy(root, splits, spoiled=spoiled)
        assert invoke([*asked, "--data-root", str(root), "--out", str(out)]) == 0
        found.append((run_of(out), RunFiles(out, run_of(out).id)))
    (one, files), (other, other_files) = found
    assert one.results["ssim"].value != other.results["ssim"].value  # the test images do differ
    assert one.spec["data"]["test_fingerprint"] != other.spec["data"]["test_fingerprint"]
    assert_equal_weights(files.checkpoint, other_files.checkpoint)
    assert points_of(one) == points_of(other)
    validations = [record.details["validation"] for record in (one, other)]
    assert validations[0]["chosen_step"] == validations[1]["chosen_step"]
    assert validations[0]["gap"]["train"] == validations[1]["gap"]["train"]
    assert validations[0]["gap"]["test"] != validations[1]["gap"]["test"]
    judges = [(record.details.get("judge") or {}).get("hash") for record in (one, other)]
    assert judges[0] == judges[1]
    assert (judges[0] is None) == own
    sheets = [sorted(run.samples.glob("*.png")) for run in (files, other_files)]
    assert len(sheets[0]) == len(sheets[1]) > 3
    assert [path.read_bytes() for path in sheets[0]] == [path.read_bytes() for path in sheets[1]]


def assert_equal_weights(one: Path, other: Path) -> None:
    from safetensors.numpy import load_file

    left, right = load_file(one), load_file(other)
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name], err_msg=name)


# --- what cannot be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--eval-every", "4"], "expected validation images of toycity for --eval-every"),
        (["--choose", "best:ssim"], "expected --eval-every STEPS with --choose best:ssim"),
        ([*SHARE, "--eval-every", "4", "--choose", "ssim"], "expected --choose last or best:METRIC"),
        ([*SHARE, "--eval-every", "4", "--choose", "best:sim"], "did you mean"),
        ([*SHARE, "--eval-every", "4", "--choose", "best:diversity"], "which only describes"),
        ([*SHARE, "--eval-every", "4", "--eval-metrics", "sssim"], "did you mean"),
        ([*SHARE, "--eval-every", "12", "--choose", "best:ssim"], "expected --eval-every below the 12 steps"),
        ([*BEST, "--keep-at", "6"], "expected --choose last with --keep-at"),
        (["--val-share", "0.99"], "expected at least one image to train on and one for validation"),
        (
            [*SHARE, "--eval-every", "4", "--eval-metrics", "fcn_pixel_acc", "--judge", "none"],
            "expected metrics without a judge",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*TOY, *arguments, "--out", str(tmp_path / "out")]) == 2
    told = capfd.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_share_beside_a_split_of_its_own_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_toy(tmp_path / "mine", {"train": 4, "val": 2, "test": 2})
    asked = ["run", "--variants", "l1", "--dataset", "mine", "--data-root", str(tmp_path), *SMALL, *SHARE]
    assert invoke([*asked, "--out", str(tmp_path / "out")]) == 2
    assert "expected no --val-share for mine, whose own split val has 2 images" in capfd.readouterr().err


def test_validation_images_that_are_test_images_are_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "mine", tmp_path / "out"
    write_toy(root, {"train": 4, "val": 3, "test": 3})
    (root / "test" / "001.png").write_bytes((root / "val" / "002.png").read_bytes())
    asked = [
        "run",
        "--variants",
        "l1",
        "--dataset",
        "mine",
        "--data-root",
        str(root),
        *SMALL,
        "--judge",
        "none",
    ]
    assert invoke([*asked, "--metrics", "mae", "--eval-every", "9", "--out", str(out)]) == 0
    assert "1 of the 3 validation pairs of mine are test pairs too" in " ".join(
        capfd.readouterr().err.split()
    )
    assert run_of(out).details["validation"]["in_test"] == 1
    assert "1 of them are test images too" in (out / "report" / "report.md").read_text()


def test_a_metric_without_a_value_cannot_choose(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = [*TOY, *SHARE, "--eval-every", "4", "--choose", "best:label_pixel_acc"]
    assert invoke([*asked, "--out", str(tmp_path / "out")]) == 4
    assert "expected a value of label_pixel_acc to choose the step by, found none" in capfd.readouterr().err

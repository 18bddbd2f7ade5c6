"""Folders without pairs: variants that need none train on them; others, and scores of pairs, are left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.cli.main import invoke
from bench.records.record import RunRecord, per_image_path, read_records

SMALL = ["--size", "64", "--base-filters", "4", "--steps", "4", "--device", "cpu", "--threads", "1"]
CYCLE = "cyclegan[generator=resnet6,pool_size=3,receptive_field=16]"
NEED_PAIRS = (
    "ssim", "psnr", "mae", "lpips", "pixel_acc@5", "pixel_acc@10", "fcn_pixel_acc", "fcn_class_acc",
    "fcn_class_iou", "label_pixel_acc", "label_class_acc", "label_class_iou",
)  # fmt: skip
NEED_NONE = (
    "fd_lite0",
    "hf_ratio",
    "grid_artefact",
    "lab_l",
    "lab_a",
    "lab_b",
    "diversity",
    "source_response",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """9 and 13 training images, 6 and 5 test images: stripes across, and stripes down."""
    root, rng = tmp_path_factory.mktemp("data") / "stripes", np.random.default_rng(0)
    for folder, count, axis in (("trainA", 9, 0), ("trainB", 13, 1), ("testA", 6, 0), ("testB", 5, 1)):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            line = np.repeat(rng.integers(0, 256, (16, 1, 3), dtype=np.uint8), 4, axis=0)
            image = np.broadcast_to(line if axis == 0 else line.transpose(1, 0, 2), (64, 64, 3))
            noisy = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(root / folder / f"{'hv'[axis]}{number}.png")
    return root


def grid(folders: Path, out: Path, *more: str) -> list[str]:
    return ["run", "--dataset", "stripes", "--data-root", str(folders), *SMALL, "--out", str(out), *more]


@pytest.fixture(scope="module")
def finished(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unpaired") / "out"
    asked = ("--variants", f"{CYCLE},discogan", "--both-directions")
    assert invoke(grid(folders, out, *asked)) == 0
    return out


def rows(out: Path) -> dict[tuple[str, str], RunRecord]:
    return {(one.label, one.spec["data"]["direction"]): one for one in read_records(out)}


def test_both_variants_train_and_both_directions_are_scored(finished: Path) -> None:
    records = rows(finished)
    assert {record.status for record in records.values()} == {"finished"}
    assert {label for label, _ in records} == {
        CYCLE, "discogan", f"{CYCLE} (back: target2source)", "discogan (back: target2source)",
        "real", "copy", "random",
    }  # fmt: skip
    for record in records.values():
        assert record.spec["data"]["unpaired"] is True
        assert record.spec["data"]["test_n"] == 5
    run = records[CYCLE, "source2target"]
    assert run.spec["data"]["train_n"] == 13
    assert len(list((finished / "predictions" / run.id).glob("h*+v*.png"))) == 5


def test_scores_of_pairs_are_left_out_with_the_reason_and_the_others_are_given(finished: Path) -> None:
    records = rows(finished)
    for (label, _), record in records.items():
        for key in NEED_PAIRS:
            assert record.results[key].value is None
            assert "needs pairs" in str(record.results[key].reason), (label, key)
        if record.kind == "run":
            assert all(record.results[key].value is not None for key in NEED_NONE)
        columns = set(pd.read_parquet(per_image_path(finished, record.id)).columns)
        assert not columns & {"ssim", "psnr", "mae", "fcn_conf", "label_conf"}
    assert records["real", "source2target"].results["fd_lite0"].value is not None


def test_fd_lite0_knows_the_two_sides(finished: Path) -> None:
    """Real stripes of one side are nearer to those of that side than copies of the other side are."""
    records = rows(finished)
    for direction in ("source2target", "target2source"):
        real, copy = (records[row, direction].results["fd_lite0"].value or 0 for row in ("real", "copy"))
        assert real < copy


def test_the_report_says_that_there_are_no_pairs(finished: Path) -> None:
    page = (finished / "report" / "report.md").read_text(encoding="utf-8")
    assert page.count("The data is unpaired") == 2  # once for each direction
    assert "needs pairs, and this data set is unpaired" in page


def test_scoring_again_changes_nothing(finished: Path, folders: Path) -> None:
    before = rows(finished)
    command = [
        "score",
        str(finished),
        "--data-root",
        str(folders),
        "--device",
        "cpu",
        "--metrics",
        "fd_lite0",
    ]
    assert invoke(command) == 0
    for key, record in rows(finished).items():
        assert record.results["fd_lite0"] == before[key].results["fd_lite0"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--variants", f"{CYCLE},l1+cgan"], "trainA/ and trainB/ share no name, found l1+cgan"),
        (["--suite", "paired-or-not"], "share no name, found l1+cgan"),
        (["--variants", CYCLE, "--val-share", "0.3", "--eval-every", "2"], "needs pairs"),
    ],
)
def test_what_needs_pairs_is_refused_in_one_line(
    asked: list[str], said: str, folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(grid(folders, tmp_path / "out", *asked)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_info_and_verify_say_it(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", "info", "stripes", "--data-root", str(folders)]) == 0
    said = capsys.readouterr().out
    assert "unpaired: 9 images in trainA/, 13 in trainB/; an epoch is one of the longer side" in " ".join(
        said.split()
    )
    assert "unpaired: 6 images in testA/, 5 in testB/; 5 of each are used" in " ".join(said.split())
    assert invoke(["data", "verify", "stripes", "--data-root", str(folders)]) == 0


def test_a_record_of_pairs_says_nothing_of_it(tmp_path: Path) -> None:
    """Hashes and documents of pairs stay as they were."""
    assert (
        invoke(
            [
                "train",
                "--variants",
                "l1",
                "--dataset",
                "toycity",
                "--train-limit",
                "4",
                *SMALL,
                "--out",
                str(tmp_path),
            ]
        )
        == 0
    )
    (spec,) = tmp_path.glob("runs/*/spec.json")
    assert not {"unpaired", "back"} & {*json.loads(spec.read_text())["data"], *json.loads(spec.read_text())}

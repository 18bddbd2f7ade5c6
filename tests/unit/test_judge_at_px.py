"""A judge with a resolution of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.core.resources import cache_dir
from bench.data.open_dataset import open_dataset
from bench.records.judge_card import cards_of
from bench.records.panel import column, panel_of
from bench.records.record import RunRecord, read_per_image, read_records
from bench.scoring.judges import train_network, trained
from bench.scoring.judges.at_px import JudgeAtPx, enlarged
from bench.scoring.judges.choice import named
from bench.scoring.judges.train_network import to_images
from bench.scoring.judges.trained import get_judge
from bench.scoring.metrics.confusion import confusion_matrix, scores_from_confusion
from bench.scoring.metrics.segmentation import _aspect

PX, SIZE = 64, 32
RUN = [
    "run",
    "--variants",
    "l1",
    "--dataset",
    "toycity",
    "--size",
    str(SIZE),
    "--steps",
    "4",
    "--base-filters",
    "4",
]
RUN += ["--train-limit", "40", "--test-limit", "6", "--device", "cpu", "--threads", "1"]
RUN += ["--metrics", "fcn_pixel_acc,fcn_class_iou"]


@pytest.fixture(scope="module", autouse=True)
def _short_training() -> Iterator[None]:
    """Judges are trained for fewer steps: how good they are matters to nothing here."""
    whole = train_network.default_recipe
    with pytest.MonkeyPatch.context() as patch:
        for module in (train_network, trained):
            patch.setattr(module, "default_recipe", lambda *about: replace(whole(*about), steps=20))
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge_px") / "out"
    assert (
        invoke([*RUN, "--judge", f"fcn-small,judge_px={PX},fcn-small,judge_px=size", "--out", str(folder)])
        == 0
    )
    return folder


def by_label(out: Path) -> dict[str, RunRecord]:
    return {record.label: record for record in read_records(out)}


def test_real_photos_are_enlarged_and_compared_with_labels_at_the_judges_size(out: Path) -> None:
    """The `real` row's score, computed here step by step from the judge and the data set alone."""
    dataset = open_dataset("toycity")
    train, large, small = (
        dataset.load(split, size_px=size, cache=cache_dir(), limit=limit)
        for split, size, limit in (("train", PX, 40), ("test", PX, 6), ("test", SIZE, 6))
    )
    inner = get_judge("fcn-small", train, dataset.card, cache=cache_dir(), device="cpu", own_size=True)
    assert inner.meta["recipe"]["max_zoom"] == 1.0
    photos = to_images(np.array(small.target)).float()
    wanted = functional.interpolate(photos, (PX, PX), mode="bilinear", align_corners=False, antialias=True)
    seen = inner.segment(wanted.round().to(torch.uint8)).numpy()
    assert large.labels is not None
    matrix = confusion_matrix(np.array(large.labels), seen, inner.num_classes)
    pixel_acc, _, class_iou = scores_from_confusion(matrix, dataset.card.class_policy)
    results = by_label(out)["real"].results
    assert results["fcn_pixel_acc"].value == pytest.approx(float(pixel_acc), abs=1e-12)
    assert results["fcn_class_iou"].value == pytest.approx(float(class_iou), abs=1e-12)
    assert results["fcn_pixel_acc"].protocol["judge_hash"] == inner.hash


def test_the_protocol_says_so_and_another_resolution_is_another_protocol(out: Path) -> None:
    protocol = by_label(out)["l1"].results["fcn_pixel_acc"].protocol
    assert (protocol["judge_px"], protocol["judge_size_px"], protocol["size_px"]) == (PX, PX, SIZE)
    assert protocol["judge_input"] == "enlarged bilinearly"
    before = by_label(out)
    tables = {label: read_per_image(out, record) for label, record in before.items()}
    assert invoke([*RUN, "--judge", "fcn-small,judge_px=size", "--out", str(out)]) == 0
    after = by_label(out)["l1"].results["fcn_pixel_acc"].protocol
    assert "judge_px" not in after
    assert after["judge_size_px"] == SIZE
    for label, record in by_label(out).items():
        assert before[label].results["fcn_pixel_acc"].value != record.results["fcn_pixel_acc"].value
        # what this judge had found in one pass with the other, beside it
        (beside,) = panel_of(before[label])
        assert beside.results == record.results
        assert beside.judge["hash"] == record.details["judge"]["hash"]
        table, alone = tables[label], read_per_image(out, record)
        assert table is not None
        assert alone is not None
        confusions = np.stack(table[column("fcn_conf", beside.judge["hash"])].to_list())
        assert np.array_equal(confusions, np.stack(alone["fcn_conf"].to_list()))


def test_the_row_of_real_photos_has_the_cards_of_both(out: Path) -> None:
    found = cards_of(by_label(out)["real"].details)
    assert found[-1].judge == "fcn-small"
    for card in found:
        assert (card.n, card.size_px, card.dataset) == (6, SIZE, "toycity")
    real = by_label(out)["real"].results["fcn_pixel_acc"]
    (same,) = [card for card in found if card.judge_hash == real.protocol["judge_hash"]]
    assert same.real.pixel_acc == real.value


def test_a_wide_judge_is_trained_and_compared_at_its_rectangle(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Square images as a pair set has them, and a judge that sees them twice as wide as high."""
    asked, wide = [*RUN, "--judge", "fcn-small,judge_px=64x32", "--out", str(tmp_path / "out")], "64x32"
    assert invoke([*asked, "--dry-run"]) == 0
    assert "judge fcn-small,judge_px=64x32: training about " in capfd.readouterr().out
    assert invoke(asked) == 0
    dataset = open_dataset("toycity")
    train, seen, small = (
        dataset.load(split, size_px=size, cache=cache_dir(), limit=limit)
        for split, size, limit in (("train", wide, 40), ("test", wide, 6), ("test", SIZE, 6))
    )
    inner = get_judge("fcn-small", train, dataset.card, cache=cache_dir(), device="cpu", own_size=True)
    assert (inner.meta["size_px"], inner.meta["recipe"]["max_zoom"]) == (wide, 1.0)
    photos = to_images(np.array(small.target)).float()
    shown = functional.interpolate(photos, (32, 64), mode="bilinear", align_corners=False, antialias=True)
    guess = inner.segment(shown.round().to(torch.uint8)).numpy()
    assert seen.labels is not None
    assert guess.shape == seen.labels.shape == (6, 32, 64)
    matrix = confusion_matrix(np.array(seen.labels), guess, inner.num_classes)
    pixel_acc, _, class_iou = scores_from_confusion(matrix, dataset.card.class_policy)
    results = by_label(tmp_path / "out")["real"].results
    assert results["fcn_pixel_acc"].value == pytest.approx(float(pixel_acc), abs=1e-12)
    assert results["fcn_class_iou"].value == pytest.approx(float(class_iou), abs=1e-12)
    protocol = results["fcn_pixel_acc"].protocol
    assert (protocol["judge_px"], protocol["judge_hash"]) == (wide, inner.hash)
    assert protocol["judge_aspect"] == "images and labels are resized to 64x32 for the judge"


@pytest.mark.parametrize(
    ("size_px", "judge_px", "said"),
    [
        (256, 512, None),
        ("512x256", 512, "images and labels are squeezed to a square for the judge"),
        ("native", 512, "images and labels are squeezed to a square for the judge"),
        ("512x256", "1024x512", None),
        ("1024x512", "1024x512", None),
        (256, "1024x512", "images and labels are resized to 1024x512 for the judge"),
        ("500x256", "1024x512", "images and labels are resized to 1024x512 for the judge"),
        ("native", "1024x512", "images and labels are resized to 1024x512 for the judge"),
    ],
)
def test_another_aspect_than_the_judges_is_in_the_protocol(
    size_px: int | str, judge_px: int | str, said: str | None
) -> None:
    assert _aspect(size_px, judge_px).get("judge_aspect") == said


def test_the_judges_map_has_the_images_size() -> None:
    class Inner:
        num_classes = 3

        def segment(self, images: torch.Tensor) -> torch.Tensor:
            return images[:, 0].long() % 3

    judge = JudgeAtPx(Inner(), {"size_px": 64})  # type: ignore[arg-type]
    images = torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8)
    assert judge.segment(images).shape == (2, 32, 32)
    labels = [np.zeros((64, 64), np.uint8)] * 2
    assert judge.confusions(images, labels).sum() == 2 * 64 * 64


def test_images_of_the_judges_size_stay_as_they_are() -> None:
    images = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    assert enlarged(images, 64) is images
    flat = torch.full((1, 3, 32, 32), 77, dtype=torch.uint8)
    assert torch.equal(enlarged(flat, 64), torch.full((1, 3, 64, 64), 77, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("fcn-lite0", ("fcn-lite0", None)),
        ("auto,judge_px=256", ("auto", 256)),
        ("fcn-small,judge_px=size", ("fcn-small", "size")),
        ("auto,judge_px=1024x512", ("auto", "1024x512")),
    ],
)
def test_names(choice: str, expected: tuple[str, int | str | None]) -> None:
    assert named(choice) == expected


@pytest.mark.parametrize(
    "choice",
    [
        "fcn-small,px=64",
        "fcn-small,judge_px=8",
        "fcn-small,judge_px=x",
        "a,b=1,c=2",
        "fcn-small,judge_px=native",
        "fcn-small,judge_px=64x16",
        "fcn-small,judge_px=64x4096",
    ],
)
def test_names_that_cannot_be(choice: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="judge_px"):
        named(choice)
    assert invoke([*RUN, "--judge", choice, "--out", str(tmp_path / "out")]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()

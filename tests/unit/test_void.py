"""Labels that are mostly void, and what `bench data info` and `verify` say of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.core.progress import Reporter
from bench.data.acquire.prepare import info
from bench.data.acquire.verify import verify
from bench.data.cards import load_card
from bench.data.dataset import Dataset
from bench.data.open_dataset import open_dataset
from bench.spec.pairs_used import data_spec
from bench.spec.scoring_choice import ScoringChoice
from bench.stages.data_in_use import Workbench

COLOURS = np.array([entry.colour for entry in load_card("cityscapes").train_classes[:12]], np.uint8)
_CLASSES = ",\n".join(
    f'{{ name = "c{i}", colour = {colour.tolist()}, id = {i}, train_id = {i} }}'
    for i, colour in enumerate(COLOURS)
)
_CARD = 'domains = [{0}]\nroles = [{0}]\ndirection = "labels2photo"\nclasses = [\n{1},\n]\n'


def street(root: Path, domains: str) -> Dataset:
    """Label maps in source/, photos in target/, and a card with the domains in an order."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for index in range(3):
            labels = COLOURS[np.kron(rng.integers(0, 12, (4, 4)), np.ones((8, 8), int))]
            photo = np.clip(labels.astype(int) + rng.integers(-90, 90, labels.shape), 0, 255).astype(np.uint8)
            for side, image in (("source", labels), ("target", photo)):
                path = root / split / side / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)
    (root / "card.toml").write_text(_CARD.format(domains, _CLASSES))
    return open_dataset("street", root=root)


def bench_on(data: Dataset, cache: Path, **choice: bool) -> Workbench:
    return Workbench(data, data_spec(data, None, None), cache, "cpu", ScoringChoice(**choice), Reporter())


def test_labels_that_are_mostly_void_are_refused_unless_allowed(tmp_path: Path, cache: Path) -> None:
    data = street(tmp_path, '"labels", "photo"')
    for split in ("train", "test"):  # no colour of the card
        for path in sorted((tmp_path / split / "source").iterdir()):
            Image.fromarray(np.full((32, 32, 3), (1, 250, 250), np.uint8)).save(path)
    data = open_dataset("street", root=tmp_path)
    with pytest.raises(
        UsageError, match=r"test of street, found 100\.0% of their pixels void: .*--allow-void"
    ):
        bench_on(data, cache).test(32)
    assert bench_on(data, cache, allow_void=True).test(32).void_share == 1
    assert "more than half of labels is void: check that" in dict(info(data))["warning"]
    assert verify("street", tmp_path).notes[0].startswith("100.0% of the label pixels are void: check that")


def test_the_right_order_is_not_doubted(tmp_path: Path, cache: Path) -> None:
    data = street(tmp_path, '"labels", "photo"')
    assert bench_on(data, cache).test(32).void_share == 0
    rows = info(data)
    assert ("labels", "read as colours of the card") in rows
    assert ("void", "0.0% of the label pixels (all 3 test images)") in rows
    assert not {"warning", "note"} & {label for label, _ in rows}
    assert verify("street", tmp_path).notes == ()


def test_the_share_of_void_says_that_it_is_a_sample(tmp_path: Path) -> None:
    data = street(tmp_path, '"labels", "photo"')
    for index in range(3, 40):
        for side in ("source", "target"):
            (tmp_path / "test" / side / f"{index}.png").write_bytes(
                (tmp_path / "test" / side / "0.png").read_bytes()
            )
    data = open_dataset("street", root=tmp_path)
    assert ("void", "0.0% of the label pixels (a sample of 16 of 40 test images)") in info(data)


def test_what_lies_beside_is_said_by_info_verify_and_the_notes_of_a_run(tmp_path: Path) -> None:
    data = street(tmp_path, '"labels", "photo"')
    (tmp_path / "train" / "source" / "9.gif").touch()
    (tmp_path / "train" / "source" / ".DS_Store").touch()
    said = f"left out: 1 file with endings that are not read (.gif): {tmp_path}/train/source/9.gif"
    assert ("note", said) in info(data)
    assert verify("street", tmp_path).notes == (said,)
    assert data.file_notes() == [said]


def test_faults_that_are_alike_take_one_line(tmp_path: Path) -> None:
    data = street(tmp_path, '"labels", "photo"')
    assert data.root is not None
    for path in sorted((tmp_path / "test" / "source").iterdir()):
        Image.fromarray(np.full((32, 32), 200, np.uint8)).save(path)
    (line,) = verify("street", tmp_path).lines
    assert "test/source/0.png" in line
    assert line.endswith("(and 2 more like it)")


def test_a_mask_of_ids_beyond_the_card_says_what_to_add(tmp_path: Path) -> None:
    street(tmp_path, '"labels", "photo"')
    for split in ("train", "test"):
        for path in sorted((tmp_path / split / "source").iterdir()):
            Image.fromarray(np.full((32, 32), 12, np.uint8)).save(path)
    (line,) = verify("street", tmp_path).lines
    assert "(0-11) in" in line
    assert "found 12: add a class with that id to the card (without a train_id it is void)" in line


def test_generate_reads_ids_by_the_card_of_the_run_or_the_named_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "tree"
    card = load_card("cityscapes")
    ids = np.array([entry.id for entry in card.train_classes], np.uint8)
    colours = np.array([entry.colour for entry in card.train_classes], np.uint8)
    rng = np.random.default_rng(0)
    for split, city in (("train", "bonn"), ("val", "ulm")):
        for index in range(2):
            drawn = np.kron(rng.integers(0, 19, (4, 4)), np.ones((8, 8), int))
            stem = f"{city}_{index}_1"
            for tree, end, image in (
                ("leftImg8bit", "leftImg8bit", colours[drawn]), ("gtFine", "gtFine_labelIds", ids[drawn]),
            ):  # fmt: skip
                path = root / tree / split / city / f"{stem}_{end}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)
            if split == "val":
                (tmp_path / "new").mkdir(exist_ok=True)
                Image.fromarray(ids[drawn]).save(tmp_path / "new" / f"{stem}.png")
    out, quick = str(tmp_path / "out"), ["--device", "cpu", "--threads", "1"]
    train = ["--variants", "l1", "--size", "32", "--steps", "1", "--base-filters", "2", "--no-space-check"]
    data = ["--dataset", "cityscapes", "--data-root", str(root)]
    assert invoke(["train", *data, *train, "--out", out, *quick]) == 0
    assert invoke(["generate", out, "--data-root", str(root), *quick]) == 0
    (made,) = (tmp_path / "out" / "predictions").iterdir()
    (checkpoint,) = (tmp_path / "out" / "runs").glob("*/checkpoint.safetensors")
    new = ["generate", "--checkpoint", str(checkpoint), "--images", str(tmp_path / "new"), *quick]

    def same(to: str) -> bool:
        return all(
            np.array_equal(Image.open(tmp_path / to / path.name), Image.open(path)) for path in made.iterdir()
        )

    assert invoke([*new, "--to", str(tmp_path / "by-run")]) == 0
    assert same("by-run")
    checkpoint.with_name("spec.json").unlink()
    capsys.readouterr()
    assert invoke([*new, "--to", str(tmp_path / "none")]) == 2
    assert "name the card that says their colours by --dataset" in capsys.readouterr().err
    assert invoke([*new, "--to", str(tmp_path / "named"), "--dataset", "cityscapes"]) == 0
    assert same("named")


def test_an_own_folder_without_classes_has_no_fcn_score_because_of_that(tmp_path: Path, cache: Path) -> None:
    from bench.scoring.metrics.base import ScoringContext
    from bench.scoring.metrics.segmentation import SegmentationMetric

    for split in ("train", "test"):
        for side in ("source", "target"):
            path = tmp_path / split / side / "0.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(path)
    data = open_dataset("people", root=tmp_path)
    context = ScoringContext(
        card=data.card, size_px=32, target_role=data.target_role, row="run", device="cpu", cache=cache,
        test=data.load("test", size_px=32, cache=cache),
    )  # fmt: skip
    reasons = {
        one.reason for one in SegmentationMetric(context).compute().results if one.name.startswith("fcn")
    }
    assert reasons == {"data set people has no classes to compare"}

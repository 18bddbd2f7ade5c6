"""What label files hold: the faults that public reports describe, each with the value that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench.core.errors import UsageError
from bench.data.cache import FileHashes
from bench.data.cards import load_card, make_card
from bench.data.image_folder import list_images, read_images
from bench.data.open_dataset import open_dataset
from bench.data.palette import paint
from bench.data.types import VOID, DatasetCard
from bench.scoring.metrics.confusion import confusion_matrix, scores_from_confusion
from bench.stages.imported.gather import ForeignRequest, gather

CITYSCAPES = load_card("cityscapes")
IDS = np.array([entry.id for entry in CITYSCAPES.train_classes], np.uint8)
COLOURS = np.array([entry.colour for entry in CITYSCAPES.train_classes], np.uint8)
_MINE = {
    "name": "mine", "title": "mine", "version": "1", "licence": "mine", "homepage": "", "size_px": 64,
    "domains": ["photo", "labels"], "roles": ["photo", "labels"], "direction": "photo2labels",
    "layouts": ["folders"], "how_to_get": "mine", "splits": {"train": "train", "test": "test"},
}  # fmt: skip


def card_of(*classes: dict[str, Any]) -> DatasetCard:
    return make_card({**_MINE, "classes": [{"name": f"c{i}", **one} for i, one in enumerate(classes)]})


MASKS = card_of({"colour": [0, 0, 0], "train_id": 0}, {"colour": [255, 255, 255], "train_id": 1})


def save(path: Path, pixels: NDArray[Any], mode: str | None = None, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **how)
    return path


def blocks(seed: int, top: int = 19, side: int = 8) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, top, (side, side))
    return np.kron(small, np.ones((8, 8), int)).astype(np.uint8)


def a_quarter_wrong(train_ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    wrong = train_ids.copy()
    wrong[:32, :32] = (wrong[:32, :32] + 1) % 19
    return wrong


def own_palette(train_ids: NDArray[np.uint8]) -> Image.Image:
    """The colours of a label map, losslessly, with indices in an order of their own."""
    colours, index = np.unique(COLOURS[train_ids].reshape(-1, 3), axis=0, return_inverse=True)
    image = Image.fromarray(index.reshape(train_ids.shape).astype(np.uint8))
    image.putpalette(colours.tobytes())
    return image


def scored(root: Path, cache: Path, card: DatasetCard, **request: Any) -> tuple[float, float]:
    """Pixel accuracy and class IoU of root/pred against root/target."""
    asked = ForeignRequest(
        (root / "pred",), target=root / "target", card=card, direction="photo2labels", **request
    )
    found = gather(asked, FileHashes(cache / "hashes.json"))
    test, guesses = found.test(cache), found.prediction(0)
    from bench.data.palette import nearest_class

    total, count = np.zeros((len(card.train_classes),) * 2, np.int64), len(card.train_classes)
    assert test.labels is not None
    for index, truth in enumerate(test.labels):
        total += confusion_matrix(truth, nearest_class(guesses(index), card), count)
    pixel, _, iou = scores_from_confusion(total, card.class_policy)
    return round(float(pixel), 9), round(float(iou), 9)


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_a_black_and_white_mask_is_read_by_its_colours(tmp_path: Path, cache: Path, mode: str) -> None:
    truth, guess = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    truth[:, :32] = 255  # the object; the prediction misses it
    for index in range(2):
        save(tmp_path / "target" / f"{index}.png", truth, mode)
        save(tmp_path / "pred" / f"{index}.png", guess, mode)
    assert scored(tmp_path, cache, MASKS) == (0.5, 0.25)


def test_a_mask_of_train_ids_stays_one(tmp_path: Path, cache: Path) -> None:
    truth = np.zeros((64, 64), np.uint8)
    truth[:, :32], truth[:8] = 1, VOID
    for side in ("target", "pred"):
        save(tmp_path / side / "0.png", truth)
    assert scored(tmp_path, cache, MASKS) == (1.0, 1.0)


def test_a_jpeg_mask_is_read_by_the_nearest_level(tmp_path: Path, cache: Path) -> None:
    truth = np.zeros((64, 64), np.uint8)
    truth[:, :32] = 255
    for side in ("target", "pred"):
        save(tmp_path / side / "0.jpg", truth, quality=80)
    assert scored(tmp_path, cache, MASKS) == (1.0, 1.0)


def test_levels_that_may_mean_two_things_are_refused_until_said(tmp_path: Path, cache: Path) -> None:
    turned = card_of({"colour": [1, 1, 1], "train_id": 0}, {"colour": [0, 0, 0], "train_id": 1})
    for side in ("target", "pred"):
        save(tmp_path / side / "0.png", blocks(0, 2))
    with pytest.raises(UsageError, match=r"found 0-1 in .*: train ids as well as colours .*--label-values"):
        scored(tmp_path, cache, turned)
    assert scored(tmp_path, cache, turned, label_values="colours") == (1.0, 1.0)
    assert scored(tmp_path, cache, turned, label_values="trainids") == (1.0, 1.0)


@pytest.mark.parametrize("void", [False, True])
def test_train_ids_are_known_by_their_name(tmp_path: Path, cache: Path, void: bool) -> None:
    for index in range(4):
        truth = blocks(index)
        guess = a_quarter_wrong(truth)
        if void:
            truth[:, 32:40] = VOID
        name = f"city_{index:06d}_000019_gtFine_labelTrainIds.png"
        save(tmp_path / "target" / name, truth)
        save(tmp_path / "pred" / name, guess)
    wanted = 1 - 1024 / (4096 - 512) if void else 0.75
    assert scored(tmp_path, cache, CITYSCAPES)[0] == pytest.approx(wanted)


def test_train_ids_without_a_name_are_read_when_said(tmp_path: Path, cache: Path) -> None:
    for index in range(2):
        save(tmp_path / "target" / f"{index}.png", blocks(index))
        save(tmp_path / "pred" / f"{index}.png", a_quarter_wrong(blocks(index)))
    assert scored(tmp_path, cache, CITYSCAPES, label_values="trainids")[0] == 0.75
    truth = blocks(0)
    truth[:4] = VOID
    save(tmp_path / "target" / "0.png", truth)
    with pytest.raises(
        UsageError, match=r"\(0-33\) in .*0.png, found 255: all are train ids .*--label-values trainids"
    ):
        scored(tmp_path, cache, CITYSCAPES)


def test_train_ids_beside_ids_are_each_read_as_they_are(tmp_path: Path, cache: Path) -> None:
    for index in range(2):
        save(tmp_path / "target" / f"{index}_gtFine_labelIds.png", IDS[blocks(index)])
        save(tmp_path / "pred" / f"{index}_gtFine_labelTrainIds.png", blocks(index))
    assert scored(tmp_path, cache, CITYSCAPES)[0] == 1.0
    save(tmp_path / "pred" / "2.png", blocks(2))
    save(tmp_path / "target" / "2.png", IDS[blocks(2)])
    with pytest.raises(
        UsageError, match=r"train ids by name in .*0_gtFine_labelTrainIds.png but not in .*2.png"
    ):
        scored(tmp_path, cache, CITYSCAPES)


def test_ids_in_a_file_that_changes_them_are_refused(tmp_path: Path, cache: Path) -> None:
    save(tmp_path / "pred" / "0.png", IDS[blocks(0)])
    save(tmp_path / "target" / "0.jpg", IDS[blocks(0)], quality=95)
    with pytest.raises(UsageError, match=r"0.jpg, which changes them: get the original PNG"):
        scored(tmp_path, cache, CITYSCAPES)


@pytest.mark.parametrize("kinds", [("rgb", "p"), ("p", "rgb"), ("p", "p")])
def test_a_palette_with_an_order_of_its_own_is_read_by_colour(
    tmp_path: Path, cache: Path, kinds: tuple[str, str]
) -> None:
    for index in range(2):
        truth = blocks(index)
        for side, kind, train_ids in zip(
            ("target", "pred"), kinds, (truth, a_quarter_wrong(truth)), strict=True
        ):
            (tmp_path / side).mkdir(exist_ok=True)
            image = own_palette(train_ids) if kind == "p" else Image.fromarray(COLOURS[train_ids])
            image.save(tmp_path / side / f"{index}.png")
    assert scored(tmp_path, cache, CITYSCAPES)[0] == 0.75


def test_a_palette_in_the_order_of_the_ids_changes_no_cache_key(tmp_path: Path) -> None:
    facades = load_card("facades")
    colours = np.zeros((256, 3), np.uint8)
    for entry in facades.classes:
        colours[entry.id] = entry.colour
    turned = colours.copy()
    turned[1:13] = colours[12:0:-1]
    for index in range(5):
        for name, order in (("ids", colours), ("turned", turned)):
            image = Image.fromarray(np.full((16, 16), 3, np.uint8))
            image.putpalette(order.tobytes())
            (tmp_path / name).mkdir(exist_ok=True)
            image.save(tmp_path / name / f"{index}.png")
            save(tmp_path / name / f"{index}.jpg", np.zeros((16, 16, 3), np.uint8))
    for name, changed in (("ids", {}), ("turned", {"read by their palette's colours": 4})):
        data = open_dataset("facades", root=tmp_path / name)
        assert data.images.changes("train", range(4)) == changed


def test_a_palette_with_one_stranger_among_the_colours_of_the_card_is_refused(tmp_path: Path) -> None:
    """Its colours say one thing and its indices another; by index every pixel would be of a wrong class."""
    image = own_palette(blocks(0))
    palette = image.getpalette("RGB")
    assert palette is not None
    image.putpalette([*palette[:-3], 1, 2, 3])
    for split in ("train", "val"):
        save(tmp_path / split / "photo" / "0.png", np.zeros((64, 64, 3), np.uint8))
        (tmp_path / split / "labels").mkdir()
        image.save(tmp_path / split / "labels" / "0.png")
    data = open_dataset("cityscapes", root=tmp_path)
    with pytest.raises(UsageError, match=r"0\.png with its colour .* class, and \(1, 2, 3\) besides"):
        data.load("test", size_px=64, cache=tmp_path / "cache")


def test_a_palette_of_other_colours_is_read_by_index(tmp_path: Path, cache: Path) -> None:
    image = Image.fromarray(IDS[blocks(0)])
    image.putpalette(np.arange(768, dtype=np.uint16).astype(np.uint8).tobytes())
    for side in ("target", "pred"):
        (tmp_path / side).mkdir()
        image.save(tmp_path / side / "0.png")
    assert scored(tmp_path, cache, CITYSCAPES)[0] == 1.0


def test_a_data_set_reads_palettes_and_train_ids_as_scoring_does(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / "p" / split / "photo" / "0.png", COLOURS[blocks(0)])
        (tmp_path / "p" / split / "labels").mkdir()
        own_palette(blocks(0)).save(tmp_path / "p" / split / "labels" / "0.png")
        save(tmp_path / "t" / split / "photo" / "0_labelTrainIds.png", COLOURS[blocks(0)])
        save(tmp_path / "t" / split / "labels" / "0_labelTrainIds.png", blocks(0))
    for root in ("p", "t"):
        labels = open_dataset("cityscapes", root=tmp_path / root).load("test", size_px=64, cache=cache).labels
        assert labels is not None
        assert np.array_equal(labels[0], blocks(0)), root


def test_new_sources_are_read_as_those_of_the_training(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"size_px": 64, "channels": 3, "sample_type": "uint8", "nearest": True}
    for index in range(2):
        save(tmp_path / "ids" / f"{index}.png", IDS[blocks(index)])
        save(tmp_path / "train" / f"{index}_labelTrainIds.png", blocks(index))
        (tmp_path / "palette").mkdir(exist_ok=True)
        own_palette(blocks(index)).save(tmp_path / "palette" / f"{index}.png")
    with pytest.raises(UsageError, match=r"in colours.*ids/0.png \(gray values\): name the card .*--dataset"):
        list(read_images(list_images(tmp_path / "ids"), **asked))
    for name in ("ids", "train", "palette"):
        found = [image for _, image in read_images(list_images(tmp_path / name), card=CITYSCAPES, **asked)]
        assert np.array_equal(found, [paint(blocks(index), CITYSCAPES) for index in range(2)]), name


def test_values_that_no_class_has_say_what_to_add(tmp_path: Path, cache: Path) -> None:
    with_ids = card_of({"colour": [9, 0, 0], "train_id": 0, "id": 1}, {"colour": [0, 9, 0], "id": 2})
    without = card_of({"colour": [9, 0, 0], "train_id": 0}, {"colour": [0, 9, 0], "train_id": 1})
    for side in ("target", "pred"):
        save(tmp_path / side / "0.png", np.full((8, 8), 11, np.uint8))
    with pytest.raises(
        UsageError, match=r"mine \(1-2\) in .*found 11: add a class with that id .*it is void"
    ):
        scored(tmp_path, cache, with_ids)
    with pytest.raises(
        UsageError, match=r"mine \(0-1, 255\) in .*found 11: .*no class an id.*give the classes their"
    ):
        scored(tmp_path, cache, without)
    with pytest.raises(UsageError, match="expected classes with ids"):
        scored(tmp_path, cache, without, label_values="ids")

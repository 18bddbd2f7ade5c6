"""Foreign images as a test split: what is read, and what is refused before anything is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench.core.errors import UsageError
from bench.data.cache import FileHashes
from bench.data.cards import load_card
from bench.data.palette import paint
from bench.stages.imported.gather import ForeignRequest, gather
from bench.stages.imported.images import ForeignImages

TOYCITY = load_card("toycity")


def noise(index: int, size: tuple[int, ...] = (32, 32, 3)) -> NDArray[np.uint8]:
    return np.random.default_rng([index, *size]).integers(0, 256, size, dtype=np.uint8)


def save(path: Path, pixels: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def folder(root: Path, count: int = 3, end: str = ".png", **how: Any) -> Path:
    for index in range(count):
        save(root / f"{index}{end}", noise(index, **how))
    return root


def gathered(cache: Path, *folders: Path, **request: Any) -> ForeignImages:
    return gather(ForeignRequest(folders, **request), FileHashes(cache / "hashes.json"))


def test_images_are_read_as_they_are(tmp_path: Path, cache: Path) -> None:
    guess, target = folder(tmp_path / "guess", end="_fake_B.png"), folder(tmp_path / "truth")
    save(guess / "1_fake_B.png", noise(77))
    found = gathered(cache, guess, target=target)
    assert (found.size_px, found.data.name, found.data.test_n, found.data.train_n) == (32, "truth", 3, 0)
    test = found.test(cache)
    assert np.array_equal(test.target, np.stack([noise(i) for i in range(3)]))
    assert test.labels is None
    assert not found.has_sources
    assert np.array_equal(found.prediction(0)(1), noise(77))


def test_the_fingerprint_is_of_targets_not_of_predictions(tmp_path: Path, cache: Path) -> None:
    target = folder(tmp_path / "truth")
    one, other = folder(tmp_path / "one"), folder(tmp_path / "other")
    save(other / "1.png", noise(9))
    a, b = gathered(cache, one, target=target), gathered(cache, other, target=target)
    assert a.data == b.data
    assert a.fingerprint(0) != b.fingerprint(0)
    save(target / "1.png", noise(10))
    assert gathered(cache, one, target=target).data.test_fingerprint != a.data.test_fingerprint


def test_labels_as_ids_or_colours_or_from_the_source(tmp_path: Path, cache: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 5, (3, 32, 32)).astype(np.uint8)
    guess, target = folder(tmp_path / "guess"), folder(tmp_path / "truth")
    for index in range(3):
        save(tmp_path / "ids" / f"{index}_labelIds.png", np.repeat(np.repeat(ids[index], 2, 0), 4, 1))
        save(tmp_path / "colours" / f"{index}_gtFine_color.png", paint(ids[index], TOYCITY))
    given: list[dict[str, Any]] = [
        {"labels": tmp_path / "ids"}, {"labels": tmp_path / "colours"}, {"source": tmp_path / "colours"},
    ]  # fmt: skip
    for request in given:
        found = gathered(cache, guess, target=target, card=TOYCITY, **request)
        labels = found.test(cache).labels
        assert labels is not None
        assert np.array_equal(labels, ids), request
    with pytest.raises(UsageError, match="--dataset CARD with --labels"):
        gathered(cache, guess, target=target, labels=tmp_path / "ids")


def test_label_maps_as_predictions(tmp_path: Path, cache: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 5, (2, 32, 32)).astype(np.uint8)
    for index in range(2):
        save(tmp_path / "guess" / f"{index}.png", ids[index])
        save(tmp_path / "truth" / f"{index}.png", paint(ids[index], TOYCITY))
    request = {"target": tmp_path / "truth", "card": TOYCITY, "direction": "photo2labels"}
    found = gathered(cache, tmp_path / "guess", **request)
    assert found.target_role == "labels"
    assert np.array_equal(found.prediction(0)(1), paint(ids[1], TOYCITY))
    assert np.array_equal(found.test(cache).labels, ids)  # type: ignore[arg-type]


def test_sizes(tmp_path: Path, cache: Path) -> None:
    target = folder(tmp_path / "truth")
    wide = folder(tmp_path / "wide", size=(32, 64, 3))
    with pytest.raises(UsageError, match=r"one size, found .*wide/0.png \(64x32\) but 3 of another: .*32x32"):
        gathered(cache, wide, target=target)
    as_it_is = gathered(cache, wide, target=wide)
    assert (as_it_is.size_px, as_it_is.resized_from, as_it_is.aspect_changed) == ("64x32", None, None)
    assert as_it_is.test(cache).target.shape == (3, 32, 64, 3)
    found = gathered(cache, wide, target=target, size_px=16)
    assert (found.size_px, found.resized_from) == (16, "64x32")
    assert found.aspect_changed == "64x32 px to 16x16 px, in 3 of 6 images"
    assert found.prediction(0)(0).shape == found.test(cache).target[0].shape == (16, 16, 3)
    assert gathered(cache, folder(tmp_path / "same"), target=target, size_px=32).resized_from is None


def test_mixed_sizes_are_scored_as_they_are_if_each_prediction_fits_its_target(
    tmp_path: Path, cache: Path
) -> None:
    sizes = [(32, 48, 3), (40, 32, 3), (32, 32, 3)]
    for index, size in enumerate(sizes):
        save(tmp_path / "guess" / f"{index}.png", noise(index, size))
        save(tmp_path / "truth" / f"{index}.png", noise(index + 5, size))
        save(tmp_path / "ids" / f"{index}.png", np.full((2 * size[0], 2 * size[1]), index, np.uint8))
    request = {"target": tmp_path / "truth", "labels": tmp_path / "ids", "card": TOYCITY}
    found = gathered(cache, tmp_path / "guess", **request)
    assert found.size_px == "native"
    test = found.test(cache)
    assert [image.shape for image in test.target] == sizes
    assert test.labels is not None
    assert [labels.shape for labels in test.labels] == [size[:2] for size in sizes]  # as large as the images
    assert np.array_equal(found.prediction(0)(1), noise(1, sizes[1]))
    save(tmp_path / "guess" / "1.png", noise(1, (32, 40, 3)))
    with pytest.raises(
        UsageError, match=r"size of its target, found .*1.png \(32x40\) and .*1.png \(40x32\)"
    ):
        gathered(cache, tmp_path / "guess", **request)


def test_modes(tmp_path: Path, cache: Path) -> None:
    target, guess = folder(tmp_path / "truth"), folder(tmp_path / "guess")
    save(guess / "2.png", noise(2, (32, 32)))
    with pytest.raises(
        UsageError, match=r"one mode, found .*0.png \(colour\) but 1 of another: .*2.png \(gray"
    ):
        gathered(cache, guess, target=target)
    gray = folder(tmp_path / "gray", size=(32, 32))
    with pytest.raises(UsageError, match=r"\(colour\) but .*gray/0.png \(gray\): convert .* --as colour"):
        gathered(cache, gray, target=target)
    assert gathered(cache, gray, target=gray).test(cache).target.shape == (3, 32, 32, 1)
    alpha = folder(tmp_path / "alpha", size=(32, 32, 4))
    with pytest.raises(UsageError, match="flatten it"):
        gathered(cache, alpha, target=target).prediction(0)(0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_that_are_no_numbers_are_refused(tmp_path: Path, cache: Path, value: float) -> None:
    save(tmp_path / "truth" / "0.tiff", np.zeros((32, 32), np.float32))
    save(tmp_path / "guess" / "0.tiff", np.full((32, 32), value, np.float32))
    found = gathered(cache, tmp_path / "guess", target=tmp_path / "truth", data_range=(0.0, 1.0))
    with pytest.raises(UsageError, match=r"guess/0\.tiff, found values that are NaN or infinite"):
        found.prediction(0)(0)


def test_damaged_images_are_named(tmp_path: Path, cache: Path) -> None:
    target, guess = folder(tmp_path / "truth"), folder(tmp_path / "guess")
    (guess / "1.png").write_bytes((guess / "1.png").read_bytes()[:400])
    found = gathered(cache, guess, target=target)  # the header is whole
    with pytest.raises(UsageError, match=r"whole image in .*guess/1.png"):
        found.prediction(0)(1)
    (guess / "2.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"guess/2.png, found an empty file"):
        gathered(cache, guess, target=target)


def test_own_targets_must_be_the_same(tmp_path: Path, cache: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for place in (one, other):
        folder(place, end="_fake_B.png")
        folder(place, end="_real_B.png")
    assert gathered(cache, one, other).data.test_n == 3
    save(other / "1_real_B.png", noise(5))
    with pytest.raises(UsageError, match=r"others in .*other than in .*one \(1\): .*--target DIR"):
        gathered(cache, one, other)
    assert gathered(cache, one, other, target=one).data.test_n == 3
    with pytest.raises(UsageError, match=r"expected --target DIR, or targets .*found none"):
        gathered(cache, folder(tmp_path / "plain"))


def test_names_of_rows_must_differ(tmp_path: Path, cache: Path) -> None:
    target = folder(tmp_path / "truth")
    same = [folder(tmp_path / side / "out") for side in "ab"]
    with pytest.raises(UsageError, match=r"2 different names .*found out, out: give them by --name"):
        gathered(cache, *same, target=target)
    assert [n for n, _ in gathered(cache, *same, target=target, names=("a", "b")).rows] == ["a", "b"]
    with pytest.raises(UsageError, match="each folder of predictions once"):
        gathered(cache, same[0], same[0], target=target, names=("a", "b"))


def test_training_targets_are_as_many_as_test_images(tmp_path: Path, cache: Path) -> None:
    target, guess = folder(tmp_path / "truth"), folder(tmp_path / "guess")
    found = gathered(cache, guess, target=target, train_target=folder(tmp_path / "train", count=9))
    train = found.train(cache)
    assert train is not None
    assert np.array_equal(train, np.stack([noise(i) for i in (0, 3, 6)]))
    assert gathered(cache, guess, target=target).train(cache) is None

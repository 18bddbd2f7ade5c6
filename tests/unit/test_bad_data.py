"""Bad input: one line that names the place, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.core.errors import UsageError
from bench.data.open_dataset import open_dataset

SIZE = 16


def save(path: Path, shape: tuple[int, ...] = (SIZE, 2 * SIZE, 3), mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, shape).astype(np.uint8)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    for split, count in (("train", 3), ("val", 2)):
        for index in range(count):
            save(tmp_path / "maps" / split / f"{index}.png")
    return tmp_path / "maps"


@pytest.fixture
def facades(tmp_path: Path) -> Path:
    for index in range(5):
        save(tmp_path / "facades" / f"{index}.jpg", (SIZE, SIZE, 3))
        ids = np.full((SIZE, SIZE), index + 1, np.uint8)
        Image.fromarray(ids).save(tmp_path / "facades" / f"{index}.png")
    return tmp_path / "facades"


def refused(name: str, root: Path, cache: Path, *said: str, source: str = "paired") -> None:
    """Opening or loading is refused in one line that says all of `said`; no decoded split is left."""

    def use() -> None:
        data = open_dataset(name, root=root, source=source)
        for split in data.splits:
            data.load(split, size_px=8, cache=cache)

    with pytest.raises(UsageError) as caught:
        use()
    message = str(caught.value)
    assert "\n" not in message
    for part in said:
        assert part in message, message
    assert not [path for path in cache.glob("decoded/*") if path.name.startswith(".tmp")]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def seen_through(path: Path) -> None:
    image = Image.open(path).convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.arange(2 * SIZE, dtype=np.uint8), (SIZE, 1))))
    image.save(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (truncate, "cannot be read"),
        (lambda path: path.write_bytes(b""), "0 bytes"),
        (lambda path: path.write_text("<html>not found</html>"), "cannot be read"),
        (lambda path: save(path, (SIZE, SIZE, 3)), "found 16x16"),
        (lambda path: save(path, (SIZE, 2 * SIZE + 1, 3)), "found 33x16"),
        (lambda path: save(path, mode="L"), "(gray)"),
        (lambda path: seen_through(path), "flatten"),
        (lambda path: save(path, mode="I;16"), "(16-bit)"),
    ],
    ids=["truncated", "empty", "no-image", "square", "odd", "gray", "rgba", "16-bit"],
)
@pytest.mark.parametrize("where", ["train/0", "train/1", "val/1"])
def test_an_image_that_is_not_as_expected_is_named(
    maps: Path, cache: Path, spoil: Callable[[Path], object], said: str, where: str
) -> None:
    path = maps / f"{where}.png"
    spoil(path)
    refused("maps", maps, cache, str(path), said)


def test_truncated_jpeg(facades: Path, cache: Path) -> None:
    truncate(facades / "3.jpg")
    refused("facades", facades, cache, str(facades / "3.jpg"), "truncated")


def test_another_mode_than_the_first_image_of_an_own_folder(tmp_path: Path, cache: Path) -> None:
    for name, mode in (("a", "L"), ("b", "RGB")):
        save(tmp_path / "train" / f"{name}.png", mode=mode)
        save(tmp_path / "test" / f"{name}.png", mode="L")
    first, other = tmp_path / "train" / "a.png", tmp_path / "train" / "b.png"
    refused("mine", tmp_path, cache, "gray", str(first), str(other), "colour")


def test_a_card_for_colour_refuses_a_gray_data_set(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / split / "1.png", mode="L")
    refused("maps", tmp_path, cache, "expected colour", "train/1.png (gray)")


@pytest.mark.parametrize(("gone", "kept"), [("2.png", "2.jpg"), ("2.jpg", "2.png")])
def test_a_missing_half_is_named(facades: Path, cache: Path, gone: str, kept: str) -> None:
    (facades / gone).unlink()
    refused("facades", facades, cache, str(facades / kept), str(facades / gone))


def test_a_missing_half_of_official_cityscapes_is_named(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / f"leftImg8bit/{split}/bonn/bonn_1_1_leftImg8bit.png")
        save(tmp_path / f"gtFine/{split}/bonn/bonn_1_1_gtFine_labelIds.png")
    (tmp_path / "gtFine/val/bonn/bonn_1_1_gtFine_labelIds.png").unlink()
    refused("cityscapes", tmp_path, cache, "bonn_1_1_leftImg8bit.png", "bonn_1_1_gtFine_labelIds.png")


def test_a_missing_half_in_folders_and_halves_of_two_sizes(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "test"):
        for half in ("source", "target"):
            save(tmp_path / split / half / "a.png", (SIZE, SIZE, 3))
    save(tmp_path / "test" / "source" / "a.png", (SIZE, 20, 3))
    refused("mine", tmp_path, cache, "20x16", "16x16", "test/source/a.png", "test/target/a.png")
    save(tmp_path / "train" / "target" / "b.png", (SIZE, SIZE, 3))
    refused("mine", tmp_path, cache, "train/target/b.png", "train/source/b.png")
    for path in (tmp_path / "train" / "source").iterdir():
        path.unlink()
    (tmp_path / "train" / "source").rmdir()
    refused("mine", tmp_path, cache, "found no source/")


def test_label_values_outside_the_classes(facades: Path, cache: Path) -> None:
    Image.fromarray(np.full((SIZE, SIZE), 13, np.uint8)).save(facades / "1.png")
    refused("facades", facades, cache, str(facades / "1.png"), "1-12", "found 13")


def test_label_maps_of_a_mode_that_holds_no_ids(facades: Path, cache: Path) -> None:
    for index in range(5):
        Image.fromarray(np.full((SIZE, SIZE), 3, np.uint16)).save(facades / f"{index}.png")
    refused("facades", facades, cache, "single-channel ids", "16-bit")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_or_empty_split(maps: Path, cache: Path, split: str) -> None:
    for path in (maps / split).iterdir():
        path.unlink()
    name = {"train": "train", "val": "test"}[split]
    refused("maps", maps, cache, f"split '{name}'", str(maps / split), "found none")
    (maps / split).rmdir()
    refused("maps", maps, cache, f"split '{name}'", f"{split}/", "no such folder")


def test_two_images_of_one_name(maps: Path, cache: Path) -> None:
    save(maps / "train" / "1.jpg")
    refused("maps", maps, cache, "'1'", "1.jpg", "1.png")


def test_missing_data_says_where_it_was_looked_for_and_how_to_get_it(tmp_path: Path, cache: Path) -> None:
    refused(
        "cityscapes", tmp_path, cache, str(tmp_path / "cityscapes"), "register", "--data-root", "data prepare"
    )
    refused("maps", tmp_path / "nowhere", cache, str(tmp_path / "nowhere"), "bench data fetch maps")
    with pytest.raises(UsageError, match="in data/maps, found none"):
        open_dataset("maps")


def test_an_unknown_name_is_no_folder_of_ones_own(maps: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'maps'"):
        open_dataset("mapss", root=maps)
    with pytest.raises(UsageError, match="--data-root mine=DIR"):
        open_dataset("mine")
    with pytest.raises(UsageError, match="train/ and test/"):
        open_dataset("mine", root=tmp_path)


def test_derived_sources_that_cannot_be(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / "photos" / split / "a.png", (SIZE, 20, 3))
        save(tmp_path / "gray" / split / "a.png", (SIZE, 20, 3), mode="L")
    refused("photos", tmp_path / "photos", cache, "--source gray", "20x16")
    refused("gray", tmp_path / "gray", cache, "expected colour", source="gray")
    refused("photos", tmp_path / "photos", cache, "'sketch'", "edges", source="sketch")

"""Layouts, directions and what pixels come out: generated data in every layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from toy_pairs import generate

from baselines.sizes import ImageSize
from bench.core.errors import UsageError
from bench.data.cards import load_card
from bench.data.dataset import Dataset
from bench.data.open_dataset import open_dataset
from bench.data.palette import decode_colours, paint
from bench.data.types import VOID
from bench.spec.pairs_used import data_spec, open_again

SIZE = 16
Halves = Callable[[int], tuple[Image.Image, Image.Image]]


def noise(seed: int, shape: tuple[int, ...] = (SIZE, SIZE, 3), top: int = 256) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, top, shape).astype(np.uint8)


def save(image: NDArray[np.generic] | Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(path)
    return path


def side_by_side(root: Path, counts: dict[str, int], size: int = SIZE, suffix: str = "png") -> None:
    for number, (split, count) in enumerate(counts.items()):
        for index in range(1, count + 1):
            save(noise(100 * number + index, (size, 2 * size, 3)), root / split / f"{index}.{suffix}")


def two_folders(root: Path, left: str, right: str, count: int = 2) -> None:
    for split in ("train", "test"):
        for index in range(count):
            save(noise(index), root / split / left / f"{index}.png")
            save(noise(50 + index), root / split / right / f"{index}.png")


def halves(dataset: Dataset, split: str, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    assert dataset.root is not None
    folder = dataset.root / {"train": "train", "test": "val"}[split]
    pixels = np.asarray(Image.open(folder / f"{index}.png"))
    return pixels[:, :SIZE], pixels[:, SIZE:]


@pytest.mark.parametrize("nested", [True, False])
def test_side_by_side_pairs_are_read_exactly_at_their_own_size(
    tmp_path: Path, cache: Path, nested: bool
) -> None:
    root = tmp_path / "maps" if nested else tmp_path / "elsewhere"
    side_by_side(root, {"train": 11, "val": 2})
    data = open_dataset("maps", root=tmp_path if nested else root)
    assert (data.layout, data.direction, data.splits) == ("pairs", "map2aerial", {"train": 11, "test": 2})
    assert data.names("train") == tuple(str(i) for i in range(1, 12))  # 2 before 10
    pairs = data.load("train", size_px=SIZE, cache=cache)
    left, right = halves(data, "train", 10)
    assert np.array_equal(pairs.source[9], right)
    assert np.array_equal(pairs.target[9], left)
    assert pairs.labels is None
    assert pairs.void_share is None


def test_the_other_direction_turns_source_and_target_and_shares_no_cache(tmp_path: Path, cache: Path) -> None:
    side_by_side(tmp_path, {"train": 3, "val": 1})
    there = open_dataset("maps", root=tmp_path, direction="map2aerial").load("train", size_px=8, cache=cache)
    back = open_dataset("maps", root=tmp_path, direction="aerial2map").load("train", size_px=8, cache=cache)
    assert there.key != back.key
    assert np.array_equal(there.source, back.target)
    assert np.array_equal(there.target, back.source)
    with pytest.raises(UsageError, match="aerial2map, map2aerial, found 'photo2map'"):
        open_dataset("maps", root=tmp_path, direction="photo2map")


def test_photos_are_resized_bicubic_and_colour_labels_nearest(tmp_path: Path, cache: Path) -> None:
    side_by_side(tmp_path, {"train": 1, "val": 1})
    data = open_dataset("cityscapes", root=tmp_path)
    photo, colours = halves(data, "train", 1)
    pairs = data.load("train", size_px=6, cache=cache)
    bicubic = Image.fromarray(photo).resize((6, 6), Image.Resampling.BICUBIC)
    nearest = Image.fromarray(colours).resize((6, 6), Image.Resampling.NEAREST)
    assert np.array_equal(pairs.target[0], np.asarray(bicubic))
    assert np.array_equal(pairs.source[0], np.asarray(nearest))
    assert pairs.labels is not None
    assert np.array_equal(pairs.labels[0], decode_colours(np.asarray(nearest), data.card))
    assert pairs.void_share == (pairs.labels == VOID).mean()


def test_jpeg_blur_becomes_void_and_flat_regions_keep_their_class(tmp_path: Path, cache: Path) -> None:
    card = load_card("cityscapes")
    ids = np.zeros((64, 64), np.uint8)
    ids[:, 32:] = 10  # road beside sky
    for split in ("train", "val"):
        pair = np.concatenate([noise(1, (64, 64, 3)), paint(ids, card)], axis=1)
        (tmp_path / split).mkdir()
        Image.fromarray(pair).save(tmp_path / split / "1.jpg", quality=75)
    pairs = open_dataset("cityscapes", root=tmp_path).load("test", size_px=64, cache=cache)
    assert pairs.labels is not None
    decided = pairs.labels[0] != VOID
    assert decided.mean() > 0.9
    assert (pairs.labels[0] == ids)[decided].mean() > 0.97


def test_official_cityscapes_is_read_by_id_and_painted(tmp_path: Path, cache: Path) -> None:
    card = load_card("cityscapes")
    ids = np.arange(34, dtype=np.uint8).repeat(2)[: 4 * 16].reshape(4, 16)
    for split, city in (("train", "aachen"), ("val", "lindau")):
        stem = f"{city}_000000_000019"
        save(noise(3, (4, 16, 3)), tmp_path / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
        save(ids, tmp_path / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png")
        save(ids, tmp_path / "gtFine" / split / city / f"{stem}_gtFine_instanceIds.png")
    data = open_dataset("cityscapes", root=tmp_path)
    assert (data.layout, data.splits) == ("official", {"train": 1, "test": 1})
    assert data.names("test") == ("lindau_000000_000019",)
    pairs = data.load("test", size_px=8, cache=cache)
    stored = np.asarray(Image.fromarray(ids).resize((8, 8), Image.Resampling.NEAREST))
    by_id = {c.id: c for c in card.classes}
    expected = [[VOID if by_id[v].train_id is None else by_id[v].train_id for v in row] for row in stored]
    assert pairs.labels is not None
    assert pairs.labels[0].tolist() == expected
    assert pairs.source[0].tolist() == [[list(by_id[v].colour) for v in row] for row in stored]


def test_prepared_folders(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "test"):
        save(noise(1), tmp_path / split / "photo" / "a.png")
        save(noise(2, (SIZE, SIZE), 34), tmp_path / split / "labels" / "a.png")
    data = open_dataset("cityscapes", root=tmp_path)
    assert data.layout == "prepared"
    pairs = data.load("test", size_px=SIZE, cache=cache)
    assert np.array_equal(pairs.target[0], noise(1))
    assert pairs.labels is not None


def test_cmp_facades_keeps_palette_ids_and_tests_every_fifth(tmp_path: Path, cache: Path) -> None:
    for index in range(10):
        save(noise(index, (20, 30, 3)), tmp_path / f"cmp_b{index:04d}.jpg")
        ids = Image.fromarray(noise(index, (20, 30), 12) + np.uint8(1))
        ids.putpalette([0] * 39)
        save(ids.convert("P") if ids.mode != "P" else ids, tmp_path / f"cmp_b{index:04d}.png")
    (tmp_path / "label_names.txt").write_text("1 background\n")
    data = open_dataset("facades", root=tmp_path)
    assert (data.layout, data.splits) == ("cmp", {"train": 8, "test": 2})
    assert data.names("test") == ("cmp_b0004", "cmp_b0009")
    pairs = data.load("test", size_px=30, cache=cache)
    stored = Image.fromarray(noise(4, (20, 30), 12)).resize((30, 30), Image.Resampling.NEAREST)
    assert pairs.labels is not None
    assert np.array_equal(pairs.labels[0], np.asarray(stored))
    assert np.array_equal(pairs.source[0], paint(pairs.labels[0], data.card))
    assert pairs.void_share == 0


@pytest.mark.parametrize(("left", "right"), [("source", "target"), ("A", "B")])
def test_own_folder_with_halves_in_folders(tmp_path: Path, cache: Path, left: str, right: str) -> None:
    two_folders(tmp_path, left, right)
    data = open_dataset("mine", root=tmp_path)
    assert (data.name, data.layout, data.direction) == ("mine", "folders", "source2target")
    assert (data.source_role, data.target_role, data.sample_type) == ("image", "image", "uint8")
    pairs = data.load("train", size_px=SIZE, cache=cache)
    assert np.array_equal(pairs.source[1], noise(1))
    back = open_dataset("mine", root=tmp_path, direction="target2source")
    assert np.array_equal(back.load("train", size_px=SIZE, cache=cache).source[1], noise(51))


def test_own_folder_side_by_side_in_gray(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "val"):
        save(noise(4, (SIZE, 2 * SIZE)), tmp_path / "mine" / split / "x.png")
    data = open_dataset("mine", root=tmp_path)
    assert (data.layout, data.splits) == ("pairs", {"train": 1, "test": 1})
    assert (data.source_channels, data.target_channels) == (1, 1)
    pairs = data.load("test", size_px=SIZE, cache=cache)
    assert np.array_equal(pairs.target[0, ..., 0], noise(4, (SIZE, 2 * SIZE))[:, SIZE:])


@pytest.mark.parametrize(("width", "height"), [(16, 8), (8, 16), (20, 25)])
def test_side_by_side_halves_of_any_aspect_are_read_and_said(
    tmp_path: Path, cache: Path, width: int, height: int
) -> None:
    pixels = noise(3, (height, 2 * width, 3))
    for split in ("train", "test"):
        save(pixels, tmp_path / split / "a.png")
    if width < height:
        with pytest.raises(
            UsageError, match=rf"--layout pairs reads it as two halves of {width}x{height}, --source"
        ):
            open_dataset("mine", root=tmp_path)
    data = open_dataset("mine", root=tmp_path, layout="pairs" if width < height else None)
    pairs = data.load("test", size_px=f"{width}x{height}", cache=cache)
    assert np.array_equal(pairs.source[0], pixels[:, :width])
    assert np.array_equal(pairs.target[0], pixels[:, width:])
    assert open_again(data_spec(data, None, None), tmp_path).layout == "pairs"  # a job, a later score
    said = "\n".join(data.file_notes())
    assert "1 files of split train are cut into halves that are not square" in said
    assert data.squeezed(16, "train") == f"{width}x{height} px to 16x16 px"


def test_one_column_of_narrow_images_is_read_as_pairs_when_that_is_said(tmp_path: Path, cache: Path) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    Image.fromarray(noise(3, (20, 32, 3))).save(file, "PNG")
    image = {"bytes": file.getvalue(), "path": "a.png"}
    pq.write_table(pa.table({"image": [image] * 5}), tmp_path / "all.parquet")
    with pytest.raises(UsageError, match="--layout parquet reads it as two halves of 16x20"):
        open_dataset("mine", root=tmp_path / "all.parquet")
    data = open_dataset("mine", root=tmp_path / "all.parquet", layout="parquet")
    assert data.sides_line == "left half of column image is the source, right half of column image the target"
    assert data.own_sizes("test") == [ImageSize(16, 20)]
    again = open_again(data_spec(data, None, None), tmp_path / "all.parquet")
    assert again.own_sizes("test") == [ImageSize(16, 20)]


def test_square_halves_are_cut_without_a_note(tmp_path: Path, cache: Path) -> None:
    side_by_side(tmp_path, {"train": 1, "test": 1})
    assert open_dataset("mine", root=tmp_path).file_notes() == []


def test_a_pair_of_odd_width_has_no_halves(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "test"):
        save(noise(3, (SIZE, 35, 3)), tmp_path / split / "a.png")
    data = open_dataset("mine", root=tmp_path)
    with pytest.raises(UsageError, match=r"side-by-side pair of even width in .*a\.png, found 35x16"):
        data.load("train", size_px=SIZE, cache=cache)


def test_sixteen_bit_depth_keeps_its_values(tmp_path: Path, cache: Path) -> None:
    depth = np.random.default_rng(0).integers(0, 65536, (SIZE, SIZE)).astype(np.uint16)
    depth[0, :2] = (0, 65535)
    for split in ("train", "test"):
        save(noise(1), tmp_path / split / "source" / "a.png")
        save(depth, tmp_path / split / "target" / "a.png")
    data = open_dataset("depth", root=tmp_path)
    assert (data.source_channels, data.target_channels, data.sample_type) == (3, 1, "uint16")
    whole = data.load("train", size_px=SIZE, cache=cache)
    assert (whole.source.dtype, whole.target.dtype) == (np.uint8, np.uint16)
    assert np.array_equal(whole.target[0, ..., 0], depth)
    small = data.load("train", size_px=5, cache=cache)
    assert set(small.target.ravel().tolist()) <= set(depth.ravel().tolist())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            np.uint8([0, 1, 3, 255]),
            "source: values 0 to 3 of 255 (2 of 2 training images looked at); if they are label ids",
        ),
        (
            np.uint16([0, 700, 9500]),
            "source: values 0 to 9500 of 65535 (2 of 2 training images looked at); networks and",
        ),
        (np.uint8([0, 255]), ""),  # a mask
        (np.uint8([0, 90, 200]), ""),
        (np.uint16([0, 40_000]), ""),
    ],
)
def test_values_that_fill_little_of_their_range_are_said(
    tmp_path: Path, cache: Path, values: NDArray[np.generic], said: str
) -> None:
    pixels = np.resize(values, (SIZE, SIZE))
    for split in ("train", "test"):
        for name in "ab":
            save(pixels, tmp_path / split / "source" / f"{name}.png")
            save(noise(1), tmp_path / split / "target" / f"{name}.png")
    every = open_dataset("mine", root=tmp_path).file_notes()  # also that both splits hold the same files
    notes = [note for note in every if ": values " in note]
    assert notes == [] if not said else (len(notes) == 1 and notes[0].startswith(said)), notes


def test_whole_numbers_of_colours_in_npy_that_fill_little_of_16_bits_are_said(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split / "source").mkdir(parents=True)
        np.save(tmp_path / split / "source" / "a.npy", noise(2).astype(np.int64))
        save(noise(1), tmp_path / split / "target" / "a.png")
    data = open_dataset("mine", root=tmp_path)
    assert data.source_mode == "16-bit colour"
    assert any("of 65535" in note and "--data-range source=LOW,HIGH" in note for note in data.file_notes())
    ranged = open_dataset("mine", root=tmp_path, ranges={"source": (0.0, 255.0)})
    assert not any("of 65535" in note for note in ranged.file_notes())


def test_own_card_in_the_folder(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "card.toml").write_text(
        'domains = ["photo", "labels"]\nroles = ["photo", "labels"]\ndirection = "labels2photo"\n'
        'classes = [{ name = "a", colour = [9, 0, 0], train_id = 0 }, '
        '{ name = "b", colour = [0, 9, 0], train_id = 1 }]\n'
    )
    ids = noise(7, (SIZE, SIZE), 2)
    ids[0, 0] = 255
    for split in ("train", "test"):
        save(noise(1), tmp_path / split / "photo" / "a.png")
        save(ids, tmp_path / split / "labels" / "a.png")
    data = open_dataset("leaves", root=tmp_path)
    assert (data.direction, data.source_channels) == ("labels2photo", 3)
    pairs = data.load("train", size_px=SIZE, cache=cache)
    assert pairs.labels is not None
    assert np.array_equal(pairs.labels[0], ids)
    (tmp_path / "card.toml").write_text("kind = 3\n")
    with pytest.raises(UsageError, match=r"card\.toml: unknown key 'kind'"):
        open_dataset("leaves", root=tmp_path)


def test_gray_source_of_plain_photos(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "test"):
        save(noise(1, (SIZE, 20, 3)), tmp_path / split / "a.png")
    data = open_dataset("mine", root=tmp_path, source="gray")
    assert (data.layout, data.direction, data.source) == ("photos", "gray2photo", "gray")
    assert (data.source_role, data.target_role) == ("image", "photo")
    assert (data.source_channels, data.target_channels) == (1, 3)
    pairs = data.load("train", size_px=8, cache=cache)
    red, green, blue = np.moveaxis(pairs.target[0].astype(np.float64), -1, 0)
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(pairs.source[0, ..., 0] - luminance).max() <= 1


def test_edge_source_is_canny_black_on_white(tmp_path: Path, cache: Path) -> None:
    from skimage.feature import canny

    square = np.full((32, 64, 3), 30, np.uint8)
    square[8:24, 40:56] = 220  # in the right half
    for split in ("train", "val"):
        save(square, tmp_path / split / "1.png")
    data = open_dataset("edges2shoes", root=tmp_path, source="edges")
    assert data.direction == "edges2photo"
    pairs = data.load("train", size_px=32, cache=cache)
    assert set(np.unique(pairs.source).tolist()) == {0, 255}
    expected = canny(pairs.target[0, ..., 0] / 255.0, sigma=1.0)
    assert np.array_equal(pairs.source[0, ..., 0] == 0, expected)
    assert 30 < expected.sum() < 120
    left = open_dataset("edges2shoes", root=tmp_path, source="edges", direction="photo2edges")
    assert left.load("train", size_px=32, cache=cache).source.min() == 255  # the left half is flat


def test_derived_source_keeps_the_label_maps(tmp_path: Path, cache: Path) -> None:
    side_by_side(tmp_path, {"train": 1, "val": 1})
    paired = open_dataset("cityscapes", root=tmp_path).load("test", size_px=8, cache=cache)
    data = open_dataset("cityscapes", root=tmp_path, source="gray")
    gray = data.load("test", size_px=8, cache=cache)
    assert gray.key != paired.key
    assert gray.labels is not None
    assert np.array_equal(gray.labels, paired.labels)
    with pytest.raises(UsageError, match="label maps"):
        open_dataset("cityscapes", root=tmp_path, source="gray", direction="photo2labels")


def test_exif_orientation_is_honoured(tmp_path: Path, cache: Path) -> None:
    upright = noise(9, (SIZE, 2 * SIZE, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: to be rotated by 90 degrees clockwise
    for split in ("train", "test"):
        path = tmp_path / split / "a.png"
        path.parent.mkdir()
        Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(path, exif=exif)
    pairs = open_dataset("mine", root=tmp_path).load("train", size_px=SIZE, cache=cache)
    assert np.array_equal(np.concatenate([pairs.source[0], pairs.target[0]], axis=1), upright)


def test_limit_takes_evenly_spaced_pairs(tmp_path: Path, cache: Path) -> None:
    side_by_side(tmp_path, {"train": 10, "val": 1})
    data = open_dataset("maps", root=tmp_path)
    assert data.names("train", 5) == ("1", "3", "5", "7", "9")
    assert data.names("train", 3) == ("1", "4", "7")
    assert data.names("train", 99) == data.names("train")
    few = data.load("train", size_px=8, cache=cache, limit=5)
    whole = data.load("train", size_px=8, cache=cache)
    assert np.array_equal(few.source, whole.source[::2])
    assert len({data.fingerprint("train"), data.fingerprint("train", 5), data.fingerprint("test")}) == 3


def test_toycity_is_drawn_large_enough_then_resized(cache: Path) -> None:
    data = open_dataset("toycity")
    assert data.splits == {"train": 400, "test": 100}
    pairs = data.load("test", size_px=36, cache=cache, limit=2)
    photos, ids = generate("test", 1, 64, start=50)
    assert np.array_equal(
        pairs.target[1], np.asarray(Image.fromarray(photos[0]).resize((36, 36), Image.Resampling.BICUBIC))
    )
    assert pairs.labels is not None
    assert np.array_equal(
        pairs.labels[1], np.asarray(Image.fromarray(ids[0]).resize((36, 36), Image.Resampling.NEAREST))
    )
    assert np.array_equal(pairs.source[1], paint(pairs.labels[1], data.card))
    native = data.load("test", size_px=64, cache=cache, limit=2)
    assert np.array_equal(native.target[1], photos[0])

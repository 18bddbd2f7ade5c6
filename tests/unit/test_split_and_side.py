"""Which split an image is in, and which half of a pair it is: never guessed where names can say otherwise."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet as pq

from bench.core.errors import UsageError
from bench.data.acquire.verify import verify
from bench.data.dataset import Dataset
from bench.data.open_dataset import open_dataset
from bench.spec.pairs_used import data_spec, open_again

SIZE = 32
TRAIN, TEST = range(6), range(6, 10)


@pytest.fixture(autouse=True)
def own_cache(cache: Path) -> Path:
    """Parquet files and archives are unpacked into the cache."""
    return cache


def flat(level: int, *, red: bool, width: int = SIZE) -> NDArray[np.uint8]:
    image = np.zeros((SIZE, width, 3), np.uint8)
    image[..., 0 if red else 1] = level
    return image


def save(file: Path, image: NDArray[np.generic]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file)


def write_halves(root: Path, left: str, right: str, numbers: range = range(10), width: int = SIZE) -> None:
    for number in numbers:
        save(root / left / f"{number}.png", flat(10 + number, red=True, width=width))
        save(root / right / f"{number}.png", flat(10 + number, red=False, width=width))


def opened(root: Path, **more: str) -> Dataset:
    return open_dataset("mine", root=root, **more)  # type: ignore[arg-type]


def levels(data: Dataset, split: str, cache: Path) -> list[int]:
    """The red level of each source, less 10: the number of its pair."""
    return [int(image[0, 0, 0]) - 10 for image in data.load(split, size_px=SIZE, cache=cache).source]


# --- splits ---------------------------------------------------------------------------------------------


def csv_rows(numbers: range) -> str:
    return "source,target\n" + "".join(f"x/{n}.png,y/{n}.png\n" for n in numbers)


def json_lines(numbers: range) -> str:
    return "".join(json.dumps({"source": f"x/{n}.png", "target": f"y/{n}.png"}) + "\n" for n in numbers)


LISTS: dict[str, tuple[str, Callable[[range], str]]] = {
    "pairs_train.csv": ("pairs_{}.csv", csv_rows),
    "train_pairs.csv": ("{}_pairs.csv", csv_rows),
    "train-list.jsonl": ("{}-list.jsonl", json_lines),
    "my.train.v2.csv": ("my.{}.v2.csv", csv_rows),
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_with_a_split_in_their_names_are_that_split(kind: str, tmp_path: Path, cache: Path) -> None:
    name, rows = LISTS[kind]
    write_halves(tmp_path, "x", "y")
    for split, numbers in (("train", TRAIN), ("test", TEST)):
        (tmp_path / name.format(split)).write_text(rows(numbers))
    data = opened(tmp_path)
    assert levels(data, "train", cache) == list(TRAIN)
    assert levels(data, "test", cache) == list(TEST)
    (tmp_path / name.format("test")).write_text("")
    with pytest.raises(UsageError, match="nothing in it"):
        opened(tmp_path)


def test_one_list_whose_name_has_a_split_in_it_is_no_split(tmp_path: Path) -> None:
    write_halves(tmp_path, "x", "y")
    (tmp_path / "my_test_data.csv").write_text(csv_rows(range(10)))
    data = opened(tmp_path)
    assert data.splits == {"train": 8, "test": 2}
    assert any("every fifth" in note for note in data.notes)


SPLIT_COLUMNS = {
    "no header": "",
    "another name": "source,target,usage\n",
    "two words": "source,target,Split Name\n",
    "after another": "set,source,target,split\n",
}


@pytest.mark.parametrize("head", SPLIT_COLUMNS)
def test_a_column_of_splits_counts_whatever_it_is_called(head: str, tmp_path: Path, cache: Path) -> None:
    write_halves(tmp_path, "x", "y")
    before = "lego," if head == "after another" else ""
    rows = [f"{before}x/{n}.png,y/{n}.png,{'train' if n in TRAIN else 'Test'}\n" for n in range(10)]
    (tmp_path / "pairs.csv").write_text(SPLIT_COLUMNS[head] + "".join(rows))
    data = opened(tmp_path)
    assert levels(data, "train", cache) == list(TRAIN)
    assert levels(data, "test", cache) == list(TEST)


def test_a_first_row_without_its_last_cell_does_not_hide_the_column(tmp_path: Path, cache: Path) -> None:
    write_halves(tmp_path, "x", "y")
    rows = ["x/0.png,y/0.png\n", *(f"x/{n}.png,y/{n}.png,{'train' if n < 6 else 'test'}\n" for n in TEST)]
    rows += ["x/1.png,y/1.png,train\n"]
    (tmp_path / "pairs.csv").write_text("source,target,split\n" + "".join(rows))
    data = opened(tmp_path)
    assert levels(data, "test", cache) == list(TEST)
    assert "not read: 1 rows of no split" in data.notes


def test_more_cells_than_columns_are_refused(tmp_path: Path) -> None:
    write_halves(tmp_path, "x", "y")
    rows = "".join(f"x/{n}.png,y/{n}.png,train\n" for n in range(10))
    (tmp_path / "pairs.csv").write_text("source,target\n" + rows)
    with pytest.raises(UsageError, match="expected a name for each of 3 columns in the first row"):
        opened(tmp_path, layout="list")


@pytest.mark.parametrize("how", ["pipes", "blanks", "a blank line"])
def test_lists_as_people_write_them(how: str, tmp_path: Path, cache: Path) -> None:
    write_halves(tmp_path, "x", "y")
    text = "source,target,split\n" + "".join(
        f'"x/{n}.png","y/{n}.png","{"train" if n in TRAIN else "test"}"\n' for n in range(10)
    )
    text = {"pipes": text.replace(",", "|"), "blanks": text.replace(",", ", "), "a blank line": "\n" + text}[
        how
    ]
    (tmp_path / "pairs.csv").write_text(text)
    assert levels(opened(tmp_path), "test", cache) == list(TEST)


def test_an_image_in_two_rows_is_said_as_such(tmp_path: Path) -> None:
    write_halves(tmp_path, "x", "y")
    for row, why in (
        ("x/1.png,y/1.png", "with the same partner"),
        ("x/1.png,y/2.png", "add a column 'name'"),
    ):
        (tmp_path / "pairs.csv").write_text(csv_rows(range(10)) + f"{row}\n")
        with pytest.raises(UsageError, match=why):
            opened(tmp_path)


def table_of(numbers: range, **more: list[object]) -> pa.Table:
    import io

    def cell(level: int, *, red: bool) -> dict[str, object]:
        held = io.BytesIO()
        Image.fromarray(flat(10 + level, red=red)).save(held, "PNG")
        return {"bytes": held.getvalue(), "path": None}

    halves = {"source": [cell(n, red=True) for n in numbers], "target": [cell(n, red=False) for n in numbers]}
    return pa.table({**halves, **more})


@pytest.mark.parametrize("name", ["mine-{}.parquet", "mine-{}-00000-of-00001.parquet", "0000_{}.parquet"])
def test_parquet_with_a_split_in_its_name_is_that_split(name: str, tmp_path: Path, cache: Path) -> None:
    for split, numbers in (("train", TRAIN), ("test", TEST)):
        pq.write_table(table_of(numbers), tmp_path / name.format(split))
    data = opened(tmp_path)
    assert levels(data, "train", cache) == list(TRAIN)
    assert levels(data, "test", cache) == list(TEST)


def test_a_column_of_splits_in_bytes_decides_and_one_of_numbers_is_said(tmp_path: Path, cache: Path) -> None:
    named: list[object] = [b"train" if n in TRAIN else b"test" for n in range(10)]
    pq.write_table(table_of(range(10), split=named), tmp_path / "data.parquet")
    assert levels(opened(tmp_path), "test", cache) == list(TEST)
    pq.write_table(table_of(range(10), split=[n % 2 for n in range(10)]), tmp_path / "data.parquet")
    assert any(
        note.startswith("column split names no split of train, test") for note in opened(tmp_path).notes
    )


def test_a_table_of_another_purpose_beside_parquet_images_is_passed_over(tmp_path: Path, cache: Path) -> None:
    for split, numbers in (("train", TRAIN), ("test", TEST)):
        pq.write_table(table_of(numbers), tmp_path / f"{split}.parquet")
    pq.write_table(pa.table({"caption": ["a"]}), tmp_path / "annotations.parquet")
    assert levels(opened(tmp_path), "test", cache) == list(TEST)


def test_columns_of_arrays_in_parquet_are_said(tmp_path: Path) -> None:
    pq.write_table(table_of(range(10), depth=[[[1.0]]] * 10), tmp_path / "data.parquet")
    assert any("values in column depth" in note for note in opened(tmp_path).notes)


def test_an_archive_replaced_by_one_of_equal_size_and_time_is_read_anew(tmp_path: Path, cache: Path) -> None:
    archive = tmp_path / "mine.zip"

    def write(offset: int) -> int:
        """Three pairs a split in a file format without compression; returns the size of the archive."""
        with zipfile.ZipFile(archive, "w") as zipped:
            for place in ("train/A", "train/B", "test/A", "test/B"):
                for number in range(3):
                    save(tmp_path / "image.bmp", flat(10 + offset + number, red=place.endswith("A")))
                    zipped.write(tmp_path / "image.bmp", f"{place}/{number}.bmp")
        os.utime(archive, ns=(10**18, 10**18))
        return archive.stat().st_size

    before = write(0)
    assert levels(opened(archive), "test", cache) == [0, 1, 2]
    assert write(3) == before
    assert levels(opened(archive), "test", cache) == [3, 4, 5]


# --- halves -----------------------------------------------------------------------------------------------

UNNAMED = {
    "trainA trainB": ("trainA", "trainB", "testA", "testB"),
    "train/A train/B": ("train/A", "train/B", "test/A", "test/B"),
    "train/source train/target": ("train/source", "train/target", "test/source", "test/target"),
}


@pytest.mark.parametrize("layout", UNNAMED)
@pytest.mark.parametrize("direction", ["sketch2photo", "photo2sketch"])
def test_a_direction_whose_names_the_folders_do_not_bear_is_refused(
    layout: str, direction: str, tmp_path: Path
) -> None:
    left, right, *test = UNNAMED[layout]
    write_halves(tmp_path, left, right)
    write_halves(tmp_path, *test)
    with pytest.raises(UsageError, match=f"expected a direction of mine among .* found '{direction}'"):
        opened(tmp_path, direction=direction)
    assert opened(tmp_path, direction="AtoB").splits == {"train": 10, "test": 10}


@pytest.mark.parametrize("direction", ["a2z", "z2a"])
def test_a_direction_whose_names_columns_do_not_bear_is_refused(direction: str, tmp_path: Path) -> None:
    write_halves(tmp_path, "x", "y")
    (tmp_path / "pairs.csv").write_text(csv_rows(range(10)))
    with pytest.raises(
        UsageError, match=r"expected columns of images called a and z .* found source, target"
    ):
        opened(tmp_path, direction=direction)


def test_a_domain_with_a_2_in_its_name_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, f"{split}/s1", f"{split}/s2")
    with pytest.raises(UsageError, match="rename the two folders that are a pair, s1 and s2"):
        opened(tmp_path)
    (tmp_path / "card.toml").write_text('domains = ["s1", "s2"]\ndirection = "s12s2"\n')
    with pytest.raises(UsageError, match="names without a 2"):
        opened(tmp_path)


@pytest.mark.parametrize("folders", [("day", "night"), ("images", "annotations"), ("a1", "b1", "c1")])
def test_folders_of_the_same_wide_names_are_not_cut_into_halves(
    folders: tuple[str, ...], tmp_path: Path
) -> None:
    for split in ("train", "test"):
        for folder in folders:
            write_halves(tmp_path, f"{split}/{folder}", f"{split}/{folder}", width=2 * SIZE)
    with pytest.raises(UsageError, match="--layout pairs reads each file as two halves"):
        opened(tmp_path)
    assert opened(tmp_path, layout="pairs").splits["train"] == 10 * len(folders)


def test_one_image_without_a_partner_does_not_make_two_folders_side_by_side(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, f"{split}/photo", f"{split}/sketch")
    (tmp_path / "train" / "photo" / "3.png").unlink()
    with pytest.raises(UsageError, match="--direction photo2sketch or sketch2photo"):
        opened(tmp_path)
    with pytest.raises(UsageError, match=r"expected the other half of .*sketch/3\.png"):
        opened(tmp_path, direction="photo2sketch")


@pytest.mark.parametrize("names", [("{}_0", "{}_1"), ("real_{}", "sketch_{}"), ("Photo{}", "Label{}")])
def test_pairs_in_one_folder_by_number_or_start_are_not_cut(names: tuple[str, str], tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(4):
            for name in names:
                image = flat(number, red=True, width=2 * SIZE)
                save(tmp_path / split / f"{name.format(number)}.png", image)
    with pytest.raises(UsageError, match="found files in twos"):
        opened(tmp_path)


def test_partners_in_a_format_that_is_not_read_are_named(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, f"{split}/rgb", f"{split}/rgb", width=2 * SIZE)
        (tmp_path / split / "depth").mkdir()
        for number in range(10):
            (tmp_path / split / "depth" / f"{number}.exr").write_bytes(b"exr")
    with pytest.raises(UsageError, match=r"train/depth/, whose files have the names .* found 0\.exr"):
        opened(tmp_path)
    assert opened(tmp_path, layout="pairs").splits == {"train": 10, "test": 10}
    rows = "".join(f"train/rgb/{n}.png,train/depth/{n}.exr\n" for n in range(10))
    (tmp_path / "pairs.csv").write_text("rgb,depth\n" + rows)
    with pytest.raises(UsageError, match=r"in column depth of .* found .*0\.exr"):
        opened(tmp_path, layout="list")


def test_plain_photos_twice_as_wide_as_high_are_whole_where_that_is_said(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, split, split, width=2 * SIZE)
    half = opened(tmp_path, source="gray")
    assert half.sides_line == "right half is the target, left half is not used"
    whole = opened(tmp_path, source="gray", layout="photos")
    assert (whole.layout, whole.sides_line) == ("photos", "")
    assert whole.load("test", size_px="64x32", cache=cache).target[0].shape == (32, 64, 3)


CLASSES = """
[[classes]]
name = "road"
colour = [128, 64, 128]
train_id = 0
id = 0
[[classes]]
name = "sky"
colour = [70, 130, 180]
train_id = 1
id = 1
"""


@pytest.mark.parametrize("direction", ["fine2coarse", "coarse2fine"])
def test_of_two_label_maps_predictions_are_held_against_the_target(
    direction: str, tmp_path: Path, cache: Path
) -> None:
    card = 'domains = ["fine", "coarse"]\nroles = ["labels", "labels"]\ndirection = "fine2coarse"\n'
    (tmp_path / "card.toml").write_text(card + CLASSES)
    for split in ("train", "test"):
        for number in range(3):
            save(tmp_path / split / "fine" / f"{number}.png", np.zeros((SIZE, SIZE), np.uint8))
            save(tmp_path / split / "coarse" / f"{number}.png", np.ones((SIZE, SIZE), np.uint8))
    data = opened(tmp_path, direction=direction)
    held = data.load("test", size_px=SIZE, cache=cache).labels
    assert held is not None
    of_target = 1 if direction == "fine2coarse" else 0
    assert np.unique(held[0]).tolist() == np.unique(data.file_labels("test")(0)).tolist() == [of_target]


def test_masks_of_0_and_255_are_not_taken_for_train_ids(tmp_path: Path, cache: Path) -> None:
    card = 'domains = ["photo", "labels"]\nroles = ["image", "labels"]\ndirection = "labels2photo"\n'
    (tmp_path / "card.toml").write_text(card + CLASSES)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:, : SIZE // 2] = 255
    for split in ("train", "test"):
        for number in range(3):
            save(tmp_path / split / "photo" / f"{number}.png", flat(number, red=True))
            save(tmp_path / split / "labels" / f"{number}.png", mask)
    with pytest.raises(UsageError, match="a mask of 0 and 255 holds no ids"):
        opened(tmp_path).load("train", size_px=SIZE, cache=cache)


# --- what is left over ------------------------------------------------------------------------------------


def test_a_second_folder_of_a_split_is_said(tmp_path: Path) -> None:
    for split in ("train", "training", "test"):
        write_halves(tmp_path, f"{split}/A", f"{split}/B")
    assert "not read: training/ beside them" in opened(tmp_path).notes


def test_a_split_that_only_the_right_half_has_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, f"A/{split}", f"B/{split}")
    write_halves(tmp_path, "B/val", "B/val")
    with pytest.raises(UsageError, match=r"expected val/ in .*A as in .*B, found none"):
        opened(tmp_path)


def test_a_third_column_of_images_is_said(tmp_path: Path) -> None:
    write_halves(tmp_path, "x", "y")
    rows = "".join(f"x/{n}.png,y/{n}.png,y/{n}.png\n" for n in range(10))
    (tmp_path / "pairs.csv").write_text("source,target,mask\n" + rows)
    assert "not read: the images in column mask" in opened(tmp_path).notes
    (tmp_path / "pairs.csv").unlink()
    (tmp_path / "tables").mkdir()
    table = table_of(range(10))
    pq.write_table(table.append_column("mask", table.column("target")), tmp_path / "tables" / "data.parquet")
    assert "not read: the images in column mask" in opened(tmp_path / "tables").notes


def test_a_manifest_of_another_purpose_is_passed_over(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, f"{split}/A", f"{split}/B")
    (tmp_path / "manifest.json").write_text('{"name": "a web page", "icons": []}')
    assert not verify("mine", tmp_path).lines
    (tmp_path / "manifest.json").write_text('{"schema": 1}')
    with pytest.raises(UsageError, match="prepare the folder again"):
        verify("mine", tmp_path)


# --- the other way: what is no fault goes on working --------------------------------------------------------


def test_what_layout_chose_is_opened_again_without_it(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for folder in ("day", "night"):
            write_halves(tmp_path, f"{split}/{folder}", f"{split}/{folder}", width=2 * SIZE)
    for more in ({"layout": "pairs"}, {"layout": "photos", "source": "gray"}, {"source": "gray"}):
        data = data_spec(opened(tmp_path, **more), None, None)
        assert data_spec(open_again(data, tmp_path), None, None) == data


@pytest.mark.parametrize("layout", [None, "photos"])
def test_photos_in_folders_of_equal_names_are_photos(layout: str | None, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for folder in ("cats", "dogs", "cows"):
            write_halves(tmp_path, f"{split}/{folder}", f"{split}/{folder}")
    data = open_dataset("mine", root=tmp_path, source="gray", layout=layout)
    assert (data.layout, data.splits) == ("photos", {"train": 30, "test": 30})


def test_side_by_side_pairs_of_a_known_data_set_in_folders_are_read(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for city in ("paris", "rome"):
            write_halves(tmp_path, f"{split}/{city}", f"{split}/{city}", width=2 * SIZE)
    assert open_dataset("maps", root=tmp_path).splits == {"train": 20, "test": 20}


def test_columns_called_like_the_direction_are_read(tmp_path: Path, cache: Path) -> None:
    write_halves(tmp_path, "x", "y")
    rows = "".join(f"x/{n}.png,y/{n}.png\n" for n in range(10))
    (tmp_path / "pairs.csv").write_text("edited_image,input_image\n" + rows)
    data = opened(tmp_path, direction="edited_image2input_image", layout="list")
    assert levels(data, "test", cache) == [4, 9]


def test_images_in_parquet_may_be_called_phase(tmp_path: Path) -> None:
    table = table_of(range(10)).rename_columns(["magnitude", "phase"])
    pq.write_table(table, tmp_path / "data.parquet")
    assert opened(tmp_path).sides_line == "column magnitude is the source, column phase the target"


def test_a_stray_parquet_does_not_hinder_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, f"{split}/depth", f"{split}/rgb")
    pq.write_table(pa.table({"image": table_of(range(1)).column("source")}), tmp_path / "thumbs.parquet")
    assert opened(tmp_path, direction="depth2rgb").layout == "folders"


def test_what_images_were_made_from_is_no_half(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, f"{split}/wide", f"{split}/wide", width=2 * SIZE)
    rows = "".join(f"train/wide/{n}.png,c{n}.mp4\n" for n in range(10))
    (tmp_path / "pairs.csv").write_text("pair,clip\n" + rows)
    (tmp_path / "c0.mp4").write_bytes(b"film")
    assert opened(tmp_path, layout="list").splits == {"train": 8, "test": 2}
    (tmp_path / "test" / "preview").mkdir()
    (tmp_path / "test" / "preview" / "other.gif").write_bytes(b"GIF89a")
    assert opened(tmp_path, layout="pairs").splits == {"train": 10, "test": 10}


def test_a_split_column_of_a_later_list_counts_for_its_rows(tmp_path: Path, cache: Path) -> None:
    write_halves(tmp_path, "x", "y")
    (tmp_path / "test-bench.csv").write_text("source,target\nx/9.png,y/9.png\n")
    rows = "".join(f"x/{n}.png,y/{n}.png,{'train' if n < 6 else 'test'}\n" for n in range(9))
    (tmp_path / "train-set.csv").write_text("source,target,split\n" + rows)
    data = opened(tmp_path)
    assert sorted(levels(data, "test", cache)) == [6, 7, 8, 9]


def test_a_column_of_other_words_for_splits_is_none(tmp_path: Path) -> None:
    write_halves(tmp_path, "x", "y")
    rows = "".join(f"x/{n}.png,y/{n}.png,{'dev' if n % 2 else 'eval'}\n" for n in range(10))
    (tmp_path / "pairs.csv").write_text("source,target,device\n" + rows)
    assert opened(tmp_path).splits == {"train": 8, "test": 2}


def test_an_empty_split_of_the_right_half_is_no_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_halves(tmp_path, f"A/{split}", f"B/{split}")
    (tmp_path / "B" / "val").mkdir()
    assert opened(tmp_path).splits == {"train": 10, "test": 10}


def test_a_direction_that_names_nothing_is_refused_in_an_archive_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as zipped:
        save(tmp_path / "image.png", flat(1, red=True))
        for place in ("train/A", "train/B", "test/A", "test/B"):
            zipped.write(tmp_path / "image.png", f"{place}/1.png")
    with pytest.raises(UsageError, match="expected a direction of mine among"):
        opened(tmp_path / "mine.zip", direction="sketch2photo")


def test_images_in_parquet_in_an_archive_are_named_by_the_archive(tmp_path: Path, cache: Path) -> None:
    pq.write_table(table_of(range(10)), tmp_path / "data.parquet")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as zipped:
        zipped.write(tmp_path / "data.parquet", "data.parquet")
    said = "\n".join(opened(tmp_path / "mine.zip").lines)
    assert str(cache) not in said
    assert "mine.zip!data.parquet" in said

"""Every layout with every kind of files; what two layouts, no layout and half a pair come to."""

from __future__ import annotations

import shutil
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layout_writers import (
    CELLS,
    KINDS,
    LAYOUTS,
    SIDE_BY_SIDE,
    SIZE,
    SPLITS,
    colour,
    csv_list,
    depth,
    folders,
    halves,
    ids,
    pairs,
    write,
)  # fmt: skip
from numpy.typing import NDArray
from PIL import Image

from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.data.dataset import Dataset
from bench.data.layouts import AmbiguousLayoutError, UnpairedError
from bench.data.measured import in_levels
from bench.data.open_dataset import open_dataset, turned_round
from bench.data.pixels import pixel_fingerprint
from bench.data.types import DataRange
from bench.spec.pairs_used import data_spec, open_again

PNG = KINDS["png"]


@pytest.fixture(autouse=True)
def own_cache(cache: Path) -> Path:
    """Archives and parquet files are unpacked into the cache."""
    return cache


def save(path: Path, pixels: NDArray[np.generic]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def deep(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    return pixels if pixels.ndim == 3 else pixels[..., None]


def as_levels(values: NDArray[np.generic], known: DataRange | None) -> NDArray[np.generic]:
    """What networks see of floats: levels of the range of training."""
    assert (known is None) == (values.dtype != np.float32)
    return values if known is None else in_levels(values, known)


@pytest.mark.parametrize(("row", "kind"), CELLS)
def test_every_layout_with_every_kind_of_files(row: str, kind: str, tmp_path: Path, cache: Path) -> None:
    data = open_dataset("mine", root=write(row, KINDS[kind], tmp_path))
    assert data.splits == {"train": 3, "test": 2}
    if not row.startswith("parquet"):  # whose images are written out as folders or side by side
        assert data.layout == LAYOUTS[row][0]
    for split, names in SPLITS.items():
        assert [name.removeprefix("cats__") for name in data.names(split)] == list(names)
        arrays = data.load(split, size_px=SIZE, cache=cache, limit=2)
        for place, name in enumerate(names[:2]):
            left, right = map(deep, halves(KINDS[kind], name))
            if arrays.labels is not None:
                assert np.array_equal(arrays.target[place], left)
                assert np.array_equal(arrays.labels[place], right[..., 0])
            elif kind == "jpg":
                assert np.abs(arrays.source[place].astype(int) - left).max() <= 4
                assert np.abs(arrays.target[place].astype(int) - right).max() <= 4
            else:
                assert np.array_equal(arrays.source[place], as_levels(left, data.source_range))
                assert np.array_equal(arrays.target[place], as_levels(right, data.target_range))
            if right.dtype == np.float32:
                assert arrays.values is not None
                assert np.array_equal(arrays.values[place], right)
    assert (arrays.labels is not None) == bool(KINDS[kind].card)


def test_the_table_leaves_out_only_halves_of_two_modes() -> None:
    left_out = {(row, kind) for row in LAYOUTS for kind in KINDS} - set(CELLS)
    assert {row for row, _ in left_out} == set(SIDE_BY_SIDE)
    assert {kind for _, kind in left_out} == {
        "colour and 16-bit", "colour and floats", "5 channels and colour as npy", "colour and ids",
        "colour and palette",
    }  # fmt: skip


def pixels_of(data: Dataset, cache: Path) -> str:
    return pixel_fingerprint(data.load("test", size_px=SIZE, cache=cache))


def test_the_same_pixels_have_one_fingerprint_in_every_layout(tmp_path: Path, cache: Path) -> None:
    found, files = {}, {}
    for row in LAYOUTS:
        (folder := tmp_path / row.replace("/", "-").replace("*", "")).mkdir()
        data = open_dataset("mine", root=write(row, PNG, folder))
        found[row], files[row] = pixels_of(data, cache), data.fingerprint("test")
    nested = found.pop("train/cats/*")  # the class is part of its names
    assert len(set(found.values())) == 1
    assert nested not in found.values()
    assert len(set(files.values())) == 3  # the other, over files, stays in the run's hash

    pixels = halves(PNG, "3")[0].copy()
    pixels[0, 0, 0] ^= 1
    changed = tmp_path / "changed"
    folders(changed, PNG)
    assert pixels_of(open_dataset("mine", root=changed), cache) in found.values()
    save(changed / "test" / "A" / "3.png", pixels)
    assert pixels_of(open_dataset("mine", root=changed), cache) not in found.values()


# --- which half is which --------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "source"), [("AtoB", 0), ("BtoA", 1), ("atob", 0), ("source2target", 0)])
def test_directions_by_letter_and_by_domain_say_which_half_is_which(
    asked: str, source: int, tmp_path: Path, cache: Path
) -> None:
    data = open_dataset("mine", root=write("train/*", PNG, tmp_path), direction=asked)
    assert data.direction == ("source2target", "target2source")[source]
    arrays = data.load("test", size_px=SIZE, cache=cache)
    assert np.array_equal(arrays.source[0], halves(PNG, "3")[source])
    said = (
        "left half is the source, right half the target",
        "right half is the source, left half the target",
    )
    assert data.sides_line == said[source]


MAPS_FOLDERS = {  # of maps, aerial left, whose source is the map
    ("source", "target"): ("map", "aerial"),
    ("A", "B"): ("aerial", "map"),
    ("aerial", "map"): ("aerial", "map"),
    ("Input", "Output"): ("map", "aerial"),
}


@pytest.mark.parametrize("names", MAPS_FOLDERS)
def test_source_and_target_follow_the_direction_of_the_card(names: tuple[str, str], tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in names:
            save(tmp_path / split / name / "1.png", colour(1))
    data = open_dataset("maps", root=tmp_path)
    (pair,) = data.images.found.splits["test"]  # type: ignore[union-attr]
    held = dict(zip(names, MAPS_FOLDERS[names], strict=True))
    assert [held[file.parent.name] for file in pair.files] == ["aerial", "map"]
    source = next(name for name, domain in held.items() if domain == "map")
    assert data.sides_line.startswith(f"{source}/")
    assert "is the source" in data.sides_line


def labelled(root: Path, left: str, right: str, *, labels_in: str) -> None:
    for split in ("train", "test"):
        for folder in (left, right):
            pixels = ids(1) if folder == labels_in else colour(2)
            save(root / split / folder / "1.png", pixels)
    (root / "card.toml").write_text(KINDS["colour and ids"].card)


def test_labels_in_source_are_read_as_the_source_of_labels2photo(tmp_path: Path, cache: Path) -> None:
    labelled(tmp_path, "source", "target", labels_in="source")
    arrays = open_dataset("mine", root=tmp_path).load("test", size_px=SIZE, cache=cache)
    assert arrays.labels is not None
    assert np.array_equal(arrays.labels[0], ids(1))
    assert np.array_equal(arrays.target[0], colour(2))
    assert arrays.void_share == 0


def test_ids_on_the_photos_side_are_refused_at_any_size(tmp_path: Path) -> None:
    apart = KINDS["colour and ids"].card.replace("id = 1 }", "id = 50 }").replace("id = 2 }", "id = 99 }")
    (tmp_path / "card.toml").write_text(apart)
    for split in ("train", "test"):
        for index in range(2):
            save(tmp_path / split / "photo" / f"{index}.png", np.array([0, 50, 99], np.uint8)[ids(index)])
            save(tmp_path / split / "labels" / f"{index}.png", colour(index))
    with pytest.raises(UsageError, match="the other way round"):
        open_dataset("mine", root=tmp_path)


@pytest.mark.parametrize("folders_", [("source", "target"), ("A", "B"), ("photo", "labels")])
def test_label_maps_on_the_photos_side_are_refused(folders_: tuple[str, str], tmp_path: Path) -> None:
    photos = {"source": "source", "A": "B", "photo": "labels"}[folders_[0]]
    labelled(tmp_path, *folders_, labels_in=next(name for name in folders_ if name != photos))
    with pytest.raises(UsageError, match="the other way round"):
        open_dataset("mine", root=tmp_path)


def test_pix2pixhd_pairs_label_with_img_and_says_what_it_leaves(tmp_path: Path) -> None:
    for split in ("train", "test"):
        stem = "aachen_000000_000019"
        save(tmp_path / f"{split}_label" / f"{stem}_gtFine_labelIds.png", ids(1) + np.uint8(7))
        save(tmp_path / f"{split}_inst" / f"{stem}_gtFine_instanceIds.png", ids(1))
        save(tmp_path / f"{split}_img" / f"{stem}_leftImg8bit.png", colour(1))
    for name, source in (("mine", "train_label"), ("cityscapes", "train_label")):
        data = open_dataset(name, root=tmp_path)
        assert (data.layout, data.names("train")) == ("suffixed", ("aachen_000000_000019",))
        assert data.sides_line.startswith(f"{source}/")
        assert any("train_inst/" in note for note in data.notes)


# --- pairs by name --------------------------------------------------------------------------------------


def test_pairs_in_two_splits_are_said(tmp_path: Path) -> None:
    for split, seeds in (("train", (1, 2, 3)), ("test", (2, 9)), ("val", (8,))):
        for seed in seeds:
            save(tmp_path / split / "A" / f"{split}{seed}.png", colour(seed))
            save(tmp_path / split / "B" / f"{split}{seed}.png", colour(seed + 50))
    notes = open_dataset("mine", root=tmp_path).file_notes()
    assert notes == [
        "1 of 2 pairs of split test are in split train as well, such as "
        f"{tmp_path}/test/A/test2.png: take them out of one"
    ]
    save(tmp_path / "train" / "B" / "train2.png", colour(99))
    assert open_dataset("mine", root=tmp_path).file_notes() == []


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
    root = write("train/A train/B", PNG, tmp_path)
    for name in ("1", "10"):
        (root / "train" / "B" / f"{name}.png").unlink()
    with pytest.raises(UsageError, match=r"2 halves missing: also 10\.png\): add them or remove"):
        open_dataset("mine", root=root)


def test_nfc_and_nfd_names_are_one_and_endings_are_tried_for_what_is_left(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / split / "A" / f"{unicodedata.normalize('NFD', 'café')}.png", colour(1))
        save(tmp_path / split / "B" / f"{unicodedata.normalize('NFC', 'café')}.png", colour(2))
        save(tmp_path / split / "A" / "wine_label.png", colour(1))  # an ordinary word: equal as it is
        save(tmp_path / split / "B" / "wine_label.png", colour(2))
        save(tmp_path / split / "A" / "face_sketch.png", colour(1))
        save(tmp_path / split / "B" / "face.png", colour(2))
    names = open_dataset("mine", root=tmp_path).names("train")
    assert [unicodedata.normalize("NFC", name) for name in names] == ["café", "face", "wine_label"]


@pytest.mark.parametrize("row", ["trainA trainB", "train/A train/B"])
def test_halves_without_a_common_name_are_unpaired(row: str, tmp_path: Path, cache: Path) -> None:
    """All training images are used, of the test only as many as both sides have; none counts twice there."""
    root = write(row, PNG, tmp_path)
    for half in ("A", "B"):
        for folder in root.rglob(f"*{half}"):
            for file in sorted(folder.iterdir()):
                file.rename(folder / f"{half}{file.name}")
    (train,), (test,) = (
        [folder for folder in root.rglob("*B") if split in str(folder.relative_to(root))]
        for split in ("train", "test")
    )
    for number in range(4):
        save(train / f"more{number}.png", colour(number))
        save(test / f"more{number}.png", colour(number))
    data = open_dataset("mine", root=root)
    assert data.unpaired
    lefts, rights = len(SPLITS["train"]), len(SPLITS["train"]) + 4
    assert data.splits == {"train": rights, "test": len(SPLITS["test"])}
    assert f"unpaired: {lefts} images in " in " ".join(data.notes)
    assert f"{len(SPLITS['test'])} of each are used, evenly spaced" in " ".join(data.notes)
    names = [name.split("+") for name in data.names("train")]
    assert [len({name[side] for name in names}) for side in (0, 1)] == [lefts, rights]
    assert len({name[1] for name in (one.split("+") for one in data.names("test"))}) == data.splits["test"]
    arrays = data.load("test", size_px=SIZE, cache=cache)
    assert arrays.labels is None
    turned = turned_round(data)
    assert turned.direction == "target2source"
    assert turned.fingerprint("test") == data.fingerprint("test")
    assert np.array_equal(turned.load("test", size_px=SIZE, cache=cache).source, arrays.target)


def test_pairs_in_one_split_only_are_refused(tmp_path: Path) -> None:
    root = write("trainA trainB", PNG, tmp_path)
    for name in SPLITS["test"]:
        (root / "testB" / f"{name}.png").rename(root / "testB" / f"zebra{name}.png")
    with pytest.raises(
        UnpairedError, match="pairs in all splits or in none, found equal names in split 'train'"
    ):
        open_dataset("mine", root=root)


def test_images_beside_nested_ones_are_said(tmp_path: Path) -> None:
    root = write("train/*", PNG, tmp_path)
    save(root / "train" / "thumbs" / "1.png", colour(1))
    data = open_dataset("mine", root=root)
    assert data.splits["train"] == 3
    assert any("not read: thumbs/" in note for note in data.notes)


# --- several layouts, and none --------------------------------------------------------------------------


def test_two_that_fit_are_named_and_refused_until_one_is_chosen(tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "mine"
    pairs(root, PNG)
    csv_list(root, PNG)
    with pytest.raises(AmbiguousLayoutError, match=r"pairs \(.*list \(.*--layout pairs or list") as caught:
        open_dataset("mine", root=root)
    assert caught.value.layouts == ("pairs", "list")
    assert open_dataset("mine", root=root, layout="pairs").layout == "pairs"
    chosen = open_dataset("mine", root=root, layout="list")
    assert chosen.layout == "list"
    again = open_again(data_spec(chosen, None, None), root)  # as later stages of a run do
    assert again.layout == "list"
    with pytest.raises(UsageError, match="expected --layout among pairs"):
        open_dataset("mine", root=root, layout="zip")
    with pytest.raises(UsageError, match=r"expected layout parquet in .*, found pairs, list"):
        open_dataset("mine", root=root, layout="parquet")


def test_nothing_that_fits_says_what_is_there(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / split / "before" / "1.png", colour(1))
        save(tmp_path / split / "after" / "1.png", colour(2))
    with pytest.raises(UsageError, match=r"after/, before/.*--direction after2before or before2after"):
        open_dataset("mine", root=tmp_path)
    for direction, source in (("before2after", "before/"), ("after2before", "after/")):
        data = open_dataset("mine", root=tmp_path, direction=direction)
        assert (data.direction, data.card.domains) == (direction, ("after", "before"))
        assert data.sides_line.startswith(f"{source} is the source")
        assert open_again(data_spec(data, None, None), tmp_path).direction == direction
    (tmp_path / "card.toml").write_text('domains = ["before", "after"]\ndirection = "before2after"\n')
    data = open_dataset("mine", root=tmp_path)
    assert data.sides_line == "before/ is the source, after/ the target"


def test_a_folder_with_one_folder_is_looked_into_unless_it_is_another_data_set(tmp_path: Path) -> None:
    pairs(tmp_path / "outer" / "inner", PNG)
    (tmp_path / "outer" / "__MACOSX" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / ".git").mkdir()
    assert open_dataset("mine", root=tmp_path / "outer").splits == {"train": 3, "test": 2}
    (tmp_path / "outer" / "inner").rename(tmp_path / "outer" / "facades")
    with pytest.raises(UsageError, match="expected data set cityscapes"):
        open_dataset("cityscapes", root=tmp_path / "outer")


@pytest.mark.parametrize("halves_", [("source", "target"), ("A", "B")])
def test_two_folders_without_splits_give_every_fifth_pair_to_the_test(
    halves_: tuple[str, str], tmp_path: Path
) -> None:
    for index in range(10):
        for name in halves_:
            save(tmp_path / name / f"{index}.png", colour(index))
    data = open_dataset("mine", root=tmp_path)
    assert (data.layout, data.names("test")) == ("domains", ("4", "9"))
    assert data.notes == ("no splits are named, so every fifth pair is for the test",)
    for name in halves_:
        for index in range(4, 10):
            (tmp_path / name / f"{index}.png").unlink()
    with pytest.raises(UsageError, match=r"expected 5 pairs or more .* found 4: name the splits"):
        open_dataset("mine", root=tmp_path)


# --- lists, archives, parquet ---------------------------------------------------------------------------


def test_a_list_without_header_given_itself(tmp_path: Path) -> None:
    for index in range(5):
        save(tmp_path / "x" / f"{index}.png", colour(index))
        save(tmp_path / "y" / f"{index}.png", colour(index))
    rows = [f"x/{index}.png\ty/{index}.png" for index in range(5)]
    (tmp_path / "list.tsv").write_text("\n".join(rows))
    data = open_dataset("mine", root=tmp_path / "list.tsv")
    assert (data.layout, data.splits) == ("list", {"train": 4, "test": 1})
    assert "left is column 1, as the first of two" in data.notes
    (tmp_path / "other.csv").write_text("\n".join(row.replace("\t", ",") for row in rows[:2]))
    assert open_again(data_spec(data, None, None), data.root).names("test") == data.names("test")
    assert invoke(["data", "info", "mine", "--data-root", f"mine={tmp_path / 'list.tsv'}"]) == 0


def test_a_list_that_names_a_missing_file_says_where(tmp_path: Path) -> None:
    root = write("list.csv", PNG, tmp_path)
    (root / "images" / "b" / "10.png").unlink()
    with pytest.raises(UsageError, match=r"images/b/10\.png, as row 3 of .*pairs\.csv says in column B"):
        open_dataset("mine", root=root)


def listed(root: Path, head: str, *rows: str) -> Path:
    """A folder with `s/0.png` to `s/4.png` and `t/0.png` ..., twice as wide as high, and a list of rows."""
    for name in "st":
        for index in range(5):
            save(root / name / f"{index}.png", np.tile(colour(index), (1, 2, 1)))
    (root / "pairs.csv").write_text("\n".join([head, *rows]))
    return root


@pytest.mark.parametrize("head", ["source,target", "photo,drawing"])
def test_images_whose_partner_in_a_list_is_missing_are_not_cut_into_halves(head: str, tmp_path: Path) -> None:
    rows = [f"s/{index}.png,t/{index}.png" for index in range(5)]
    root = listed(tmp_path, head, *rows)
    (root / "t" / "0.png").unlink()
    with pytest.raises(UsageError, match=r"t/0\.png, as row 1 of"):
        open_dataset("mine", root=root)
    shutil.rmtree(root / "t")
    with pytest.raises(UsageError, match=r"as row 1 of|found none in target"):
        open_dataset("mine", root=root)


def test_a_side_by_side_list_may_name_its_pairs(tmp_path: Path) -> None:
    root = listed(tmp_path, "name,file", *(f"{index}.png,s/{index}.png" for index in range(5)))
    assert open_dataset("mine", root=root).sides_line.startswith("left half of column file")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    root = listed(tmp_path, "image,image", *(f"s/{index}.png,t/{index}.png" for index in range(5)))
    with pytest.raises(UsageError, match=r"columns of different names in .* found 'image' twice"):
        open_dataset("mine", root=root / "pairs.csv")


def test_an_image_in_two_splits_of_a_list_is_refused(tmp_path: Path) -> None:
    rows = [f"s/{index}.png,t/{index}.png,{'test' if index > 3 else 'train'}" for index in range(5)]
    root = listed(tmp_path, "source,target,split", *rows, "s/4.png,t/4.png,train")
    with pytest.raises(UsageError, match=r"each image in one split of .*4\.png in train and in test"):
        open_dataset("mine", root=root)


def test_rows_of_splits_that_are_not_read_are_said_by_name(tmp_path: Path) -> None:
    rows = [f"s/{i}.png,t/{i}.png,{split}" for i, split in enumerate(["train", "Test", "trian", "x", "x"])]
    notes = open_dataset("mine", root=listed(tmp_path, "source,target,split", *rows)).notes
    assert {"not read: 1 rows of split 'trian'", "not read: 2 rows of split 'x'"} <= set(notes)


def test_a_list_in_an_archive_may_not_name_files_outside_it(tmp_path: Path) -> None:
    secret = save(tmp_path / "secret.png", colour(1))
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        rows = [f"{secret},{secret},{split}" for split in ("train", "test")]
        archive.writestr("pairs.csv", "\n".join(["A,B,split", *rows]))
    with pytest.raises(UsageError, match="expected paths inside the archive"):
        open_dataset("mine", root=tmp_path / "evil.zip")


def test_an_archive_that_leaves_its_folder_is_refused_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("train/1.png", "x")
        archive.writestr("../outside.png", "x")
    with pytest.raises(UsageError, match=r"\.\./outside\.png"):
        open_dataset("mine", root=tmp_path / "evil.zip")
    assert not list((cache / "unpacked").rglob("*.png"))
    assert not list(tmp_path.rglob("outside.png"))


def test_an_archive_that_lies_in_the_folder_is_read(tmp_path: Path) -> None:
    made = write("zip", PNG, tmp_path)
    (tmp_path / "downloads").mkdir()
    shutil.move(made, tmp_path / "downloads" / "archive.zip")
    data = open_dataset("mine", root=tmp_path / "downloads")
    assert (data.layout, data.splits) == ("folders", {"train": 3, "test": 2})
    assert any("archive.zip is read unpacked" in note for note in data.notes)
    assert open_again(data_spec(data, None, None), data.root).splits == data.splits  # a job's root


def test_parquet_of_one_split_and_without_names(tmp_path: Path) -> None:
    cells = [{"bytes": PNG.content(colour(index), is_right=False), "path": None} for index in range(6)]
    pq.write_table(pa.table({"imageA": cells, "imageB": cells}), tmp_path / "train-00000-of-00001.parquet")
    data = open_dataset("mine", root=tmp_path)
    assert data.names("test") == ("000004",)
    assert data.sides_line == "column imageA is the source, column imageB the target"
    assert any("every fifth" in note for note in data.notes)
    assert open_again(data_spec(data, None, None), data.root).splits == {"train": 5, "test": 1}


def cells_of(*seeds: int) -> list[dict[str, object]]:
    return [{"bytes": PNG.content(colour(seed), is_right=False), "path": None} for seed in seeds]


def test_a_column_of_splits_in_parquet_decides(tmp_path: Path, cache: Path) -> None:
    splits = ["train", "test", "train", "Test", "extra", "train"]
    table = {"input": cells_of(*range(6)), "target": cells_of(*range(6)), "split": splits}
    pq.write_table(pa.table(table), tmp_path / "data.parquet")
    data = open_dataset("mine", root=tmp_path)
    assert (data.names("train"), data.names("test")) == (("000000", "000002", "000005"), ("000001", "000003"))
    assert np.array_equal(data.load("test", size_px=SIZE, cache=cache).source[1], colour(3))
    assert "not read: 1 rows of split 'extra'" in data.notes
    pq.write_table(pa.table(table | {"split": ["train"] * 6}), tmp_path / "data.parquet")
    with pytest.raises(UsageError, match=r"expected split 'test' of mine in column split of"):
        open_dataset("mine", root=tmp_path)
    pq.write_table(pa.table(table | {"split": ["a"] * 6}), tmp_path / "data.parquet")
    assert open_dataset("mine", root=tmp_path).splits == {"train": 5, "test": 1}


def test_a_half_in_parquet_without_images_is_refused(tmp_path: Path) -> None:
    table = pa.table({"input": cells_of(*range(6)), "target": [f"t/{index}.png" for index in range(6)]})
    pq.write_table(table, tmp_path / "data.parquet")
    with pytest.raises(UsageError, match=r"columns input and target of .* found none in target"):
        open_dataset("mine", root=tmp_path)


def test_parquet_without_images_is_no_data_set(tmp_path: Path) -> None:
    pq.write_table(pa.table({"caption": ["a"]}), tmp_path / "train.parquet")
    with pytest.raises(UsageError, match="expected columns of images"):
        open_dataset("mine", root=tmp_path / "train.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(UsageError, match=r"expected a parquet file, found .*broken\.parquet"):
        open_dataset("mine", root=tmp_path / "broken.parquet")


# --- official Cityscapes ----------------------------------------------------------------------------------

KIND_OF = {
    "official": "gtFine labelIds",
    "official-trainids": "gtFine labelTrainIds",
    "official-color": "gtFine color",
    "official-coarse": "gtCoarse labelIds", "official-coarse-trainids": "gtCoarse labelTrainIds",
    "official-coarse-color": "gtCoarse color",
}  # fmt: skip


def official(root: Path, *kinds: str) -> None:
    """A tree whose every pixel is sky: id 23, train id 10."""
    stored = {
        "labelIds": np.full((SIZE, SIZE), 23, np.uint8),
        "labelTrainIds": np.full((SIZE, SIZE), 10, np.uint8),
        "color": np.tile(np.array([70, 130, 180], np.uint8), (SIZE, SIZE, 1)),
    }
    for split in ("train", "val"):
        city = f"{split}/ulm/ulm_000000_000019"
        save(root / "leftImg8bit" / f"{city}_leftImg8bit.png", colour(1))
        for kind in kinds:
            tree, what = kind.split()
            save(root / tree / f"{city}_{tree}_{what}.png", stored[what])


@pytest.mark.parametrize("layout", KIND_OF)
def test_every_kind_of_official_label_maps(layout: str, tmp_path: Path, cache: Path) -> None:
    official(tmp_path, KIND_OF[layout])
    data = open_dataset("cityscapes", root=tmp_path)
    assert data.layout == layout
    arrays = data.load("test", size_px=SIZE, cache=cache)
    assert arrays.labels is not None
    assert np.array_equal(arrays.labels[0], np.full((SIZE, SIZE), 10))
    assert np.array_equal(arrays.source[0][0, 0], [70, 130, 180])


def test_equal_names_in_several_cities_are_pairs_of_their_own(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "val"):
        for city, value in (("bonn", 7), ("ulm", 23)):
            for index in range(2):
                save(tmp_path / "leftImg8bit" / split / city / f"{index}_leftImg8bit.png", colour(value))
                labels = np.full((SIZE, SIZE), value, np.uint8)
                save(tmp_path / "gtFine" / split / city / f"{index}_gtFine_labelIds.png", labels)
    data = open_dataset("cityscapes", root=tmp_path)
    assert data.names("test") == ("bonn__0", "bonn__1", "ulm__0", "ulm__1")
    arrays = data.load("test", size_px=SIZE, cache=cache)
    assert arrays.labels is not None
    assert [int(one[0, 0]) for one in arrays.labels] == [0, 0, 10, 10]
    (tmp_path / "gtFine" / "val" / "ulm" / "1_gtFine_labelIds.png").unlink()
    with pytest.raises(UsageError, match=r"val/ulm/1_gtFine_labelIds\.png, found no such file"):
        open_dataset("cityscapes", root=tmp_path)


def test_of_several_official_kinds_the_best_is_read_and_the_others_are_said(tmp_path: Path) -> None:
    official(tmp_path, *KIND_OF.values())
    data = open_dataset("cityscapes", root=tmp_path)
    assert data.layout == "official"
    assert all(f"--layout {name}" in " ".join(data.notes) for name in KIND_OF if name != "official")
    for layout in KIND_OF:
        assert open_dataset("cityscapes", root=tmp_path, layout=layout).layout == layout


REFUSED = {  # layout and kind of photo and of label map -> why
    ("official", "gray"): "expected colour images in cityscapes",
    ("official", "16-bit"): "expected colour images in cityscapes",
    ("cmp", "gray"): "expected colour images in facades",
    ("cmp", "16-bit labels"): "expected RGB colours or single-channel ids",
}


@pytest.mark.parametrize(("layout", "kind"), REFUSED)
def test_kinds_that_the_card_of_a_layout_rules_out(layout: str, kind: str, tmp_path: Path) -> None:
    photo = {"gray": ids(1), "16-bit": depth(1)}.get(kind, colour(1))
    labels = depth(1) if kind == "16-bit labels" else np.full((SIZE, SIZE), 7, np.uint8)
    if layout == "official":
        official(tmp_path, "gtFine labelIds")
        for file in tmp_path.rglob("*_leftImg8bit.png"):
            save(file, photo)
    else:
        for index in range(5):
            save(tmp_path / f"{index}.jpg", photo)
            save(tmp_path / f"{index}.png", labels)
    with pytest.raises(UsageError, match=REFUSED[layout, kind]):
        open_dataset("cityscapes" if layout == "official" else "facades", root=tmp_path)


@pytest.mark.parametrize("ending", ["jpg", "bmp", "tif", "webp"])
def test_official_files_of_another_ending_are_not_found(ending: str, tmp_path: Path) -> None:
    official(tmp_path, "gtFine labelIds")
    for file in [*tmp_path.rglob("*_leftImg8bit.png")]:
        save(file.with_suffix(f".{ending}"), colour(1))
        file.unlink()
    with pytest.raises(UsageError, match=r"found no such file: add it"):
        open_dataset("cityscapes", root=tmp_path)


def test_cmp_without_jpeg_is_no_layout(tmp_path: Path) -> None:
    for index in range(5):
        save(tmp_path / f"{index}.bmp", colour(1))
    with pytest.raises(UsageError, match=r"layouts prepared, pairs, cmp.*found none"):
        open_dataset("facades", root=tmp_path)


def test_a_direction_names_two_of_several_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for side in ("photo", "labels", "depth"):
            save(tmp_path / split / side / "1.png", colour(1))
    data = open_dataset("mine", root=tmp_path, direction="photo2depth")
    assert (data.layout, data.direction) == ("folders", "photo2depth")
    assert any("not read: labels/ beside them" in note for note in data.notes)


def test_an_archive_is_one_data_set_whatever_its_folders_are_called(tmp_path: Path) -> None:
    root = write("train/A train/B", PNG, tmp_path)
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for file in sorted(root.rglob("*.*")):
            archive.write(file, f"facades/facades/{file.relative_to(root)}")
    assert open_dataset("other", root=tmp_path / "archive.zip").splits == {"train": 3, "test": 2}

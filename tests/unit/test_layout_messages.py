"""What is said of files in any layout: the right side, the right place, and what to do."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from layout_writers import KINDS, SIZE, colour, depth, write
from PIL import Image
from pyarrow import parquet as pq

from bench.cli.main import invoke
from bench.core import shown_paths
from bench.core.errors import UsageError
from bench.data.acquire.verify import verify
from bench.data.open_dataset import open_dataset


@pytest.fixture(autouse=True)
def own_cache(cache: Path) -> Path:
    """Archives and parquet files are unpacked into the cache."""
    return cache


def refusal(root: Path, cache: Path) -> str:
    """Why a data set is refused, when it is opened or when its training images are read; one line."""
    with pytest.raises(UsageError) as caught:
        open_dataset("mine", root=root).load("train", size_px=SIZE, cache=cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- a file of another mode ----------------------------------------------------------------------------

SIDES = {  # row of the table -> where left and right lie in it
    "train/A train/B": ("train/A", "train/B"),
    "A/train B/train": ("A/train", "B/train"),
    "trainA trainB": ("trainA", "trainB"),
    "list.csv": ("images/a", "images/b"),
}


@pytest.mark.parametrize("side", [0, 1], ids=["left", "right"])
@pytest.mark.parametrize("row", SIDES)
def test_a_file_of_another_mode_is_compared_with_a_file_of_its_side(
    row: str, side: int, tmp_path: Path, cache: Path
) -> None:
    root = write(row, KINDS["colour and 16-bit"], tmp_path)
    folder = root / SIDES[row][side]
    Image.fromarray((depth, colour)[side](5)).save(folder / "10.png")
    mode, other = (("colour", "16-bit"), ("16-bit", "colour"))[side]
    assert refusal(root, cache) == (
        f"expected a {mode} image as in {folder / '1.png'}, found {folder / '10.png'} ({other}): convert it"
    )


def test_a_side_by_side_file_of_another_mode_says_which_half(tmp_path: Path, cache: Path) -> None:
    root = write("train/*", KINDS["png"], tmp_path)
    Image.fromarray(np.zeros((SIZE, 2 * SIZE), np.uint8)).save(root / "train" / "10.png")
    assert refusal(root, cache) == (
        f"expected a colour image as in the left half of {root / 'train' / '1.png'}, found the left half of "
        f"{root / 'train' / '10.png'} (gray): convert it"
    )


# --- lists that cannot be read --------------------------------------------------------------------------

UNREADABLE = {
    "not UTF-8": ("pairs.csv", "A,B\nzwölf.png,b.png\n".encode("latin-1"), "not UTF-8 at byte 6"),
    "UTF-16": ("pairs.csv", "A,B\na.png,b.png\n".encode("utf-16"), "not UTF-8 at byte 0"),
    "half a JSON": ("pairs.json", b'[{"A": "a.png", "B": ', "no whole JSON: Expecting value"),
    "half a line": ("pairs.jsonl", b'{"A": "a.png", "B": "b.png"}\n{"A": ', "no whole JSON"),
    "empty CSV": ("pairs.csv", b"", "nothing in it"),
    "empty JSON": ("pairs.json", b" \n", "nothing in it"),
    "two columns of one name": ("pairs.csv", b"A,A\na.png,b.png\n", "found 'A' twice"),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_list_that_cannot_be_read_is_said_beside_another_layout(fault: str, tmp_path: Path) -> None:
    name, content, why = UNREADABLE[fault]
    root = write("train/*", KINDS["png"], tmp_path)
    assert open_dataset("mine", root=root).notes == ()
    (root / name).write_bytes(content)
    (said,) = open_dataset("mine", root=root).notes
    assert str(root / name) in said
    assert why in said


@pytest.mark.parametrize("fault", UNREADABLE)
@pytest.mark.parametrize("layout", [None, "list"])
def test_a_list_that_cannot_be_read_is_why_nothing_is_found(
    fault: str, layout: str | None, tmp_path: Path
) -> None:
    name, content, why = UNREADABLE[fault]
    root = write("list.csv", KINDS["png"], tmp_path)
    (root / "pairs.csv").unlink()
    (root / name).write_bytes(content)
    if layout is None:
        (said,) = [line for line in open_dataset("mine", root=root).notes if name in line]
        assert why in said  # images/a/ and images/b/ are a layout of their own
    (root / "images" / "a").rename(root / "images" / "first")
    with pytest.raises(UsageError) as caught:
        open_dataset("mine", root=root, layout=layout)
    assert str(root / name) in str(caught.value)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_without_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write("train/*", KINDS["png"], tmp_path)
    (root / "pairs.csv").write_text("A,B\n")
    read = Path.read_text

    def denied(path: Path, *args: object, **named: object) -> str:
        if path.name == "pairs.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", denied)
    (said,) = open_dataset("mine", root=root).notes
    assert said == f"expected a list of pairs in {root / 'pairs.csv'}, found none that can be read " + (
        "(Permission denied)"
    )


def test_files_of_another_purpose_are_passed_over(tmp_path: Path) -> None:
    root = write("train/*", KINDS["png"], tmp_path)
    (root / "info.json").write_text('{"author": "nobody", "tags": {"a": 1}}')
    (root / "losses.csv").write_text("step,loss\n1,0.5\n")
    (root / "names.json").write_text('["a", "b"]')
    assert open_dataset("mine", root=root).notes == ()


MISSING = {
    "csv": ("pairs.csv", "A,B\nold/1.png,old/2.png\n"),
    "json": ("pairs.json", '{"test": [{"A": "old/1.png", "B": "old/2.png"}]}'),
    "lines": ("pairs.jsonl", '["old/1.png", "old/2.png"]\n'),
}


@pytest.mark.parametrize("kind", MISSING)
def test_a_list_whose_images_are_all_missing_is_said(kind: str, tmp_path: Path) -> None:
    name, content = MISSING[kind]
    root = write("train/*", KINDS["png"], tmp_path)
    (root / name).write_text(content)
    (said,) = open_dataset("mine", root=root).notes
    assert said == f"not read: {root / name}, as none of the images that it names is there, such as old/1.png"


@pytest.mark.parametrize("layout", [None, "list"])
def test_a_list_whose_images_are_all_missing_is_why_nothing_is_found(
    layout: str | None, tmp_path: Path
) -> None:
    (tmp_path / "pairs.csv").write_text(MISSING["csv"][1])
    with pytest.raises(UsageError, match=r"is there, such as old/1\.png"):
        open_dataset("mine", root=tmp_path, layout=layout)


def test_a_list_of_one_column_of_names_is_no_list_of_pairs(tmp_path: Path) -> None:
    """As metadata.csv of the Hugging Face image folders: its names are relative to elsewhere."""
    root = write("train/*", KINDS["png"], tmp_path)
    (root / "metadata.csv").write_text("file_name,text\nold/1.png,a house\n")
    assert open_dataset("mine", root=root).notes == ()


def test_a_broken_list_of_a_split_is_refused_beside_whole_ones(tmp_path: Path) -> None:
    root = write("list.csv", KINDS["png"], tmp_path)
    rows = (root / "pairs.csv").read_text().splitlines()
    (root / "pairs.csv").unlink()
    for split in ("train", "test"):
        (root / f"{split}.csv").write_text("\n".join([rows[0], *(row for row in rows if split in row)]))
    assert open_dataset("mine", root=root).splits == {"train": 3, "test": 2}
    (root / "val.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"val\.csv, found none that can be read \(not UTF-8"):
        open_dataset("mine", root=root)


# --- pairs by the ends of their names, in one folder ------------------------------------------------------


def _flat(root: Path, ends: tuple[str, str], wide: int, names: tuple[str, ...] = ("1", "2", "10")) -> Path:
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        for name in names:
            for seed, end in enumerate(ends):
                pixels = np.concatenate([colour(seed)] * wide, axis=1)
                Image.fromarray(pixels).save(root / split / f"{name}{end}.png")
    return root


@pytest.mark.parametrize("wide", [1, 2, 3], ids=["square", "twice as wide", "wide"])
@pytest.mark.parametrize(
    "ends",
    [
        ("_A", "_B"),
        ("_real", "_fake"),
        ("-input", "-target"),
        ("_source", "_target"),
        ("_left", "_right"),
        ("", "_mask"),
        ("A", "B"),
        ("_real_A", "_real_B"),
    ],
)
def test_pairs_by_the_ends_of_names_are_no_halves(ends: tuple[str, str], wide: int, tmp_path: Path) -> None:
    root = _flat(tmp_path / "mine", ends, wide)
    with pytest.raises(UsageError) as caught:
        open_dataset("mine", root=root)
    said = str(caught.value)
    one, other = (f"1{end}.png" for end in sorted(ends))
    assert f"found files in twos, such as {root / 'train' / one} and {other}" in said
    assert "move them to two folders (train/A/ and train/B/), or list the pairs in a CSV file" in said
    assert open_dataset("mine", root=root, layout="pairs").splits == {"train": 6, "test": 6}
    if wide == 1:
        photos = open_dataset("mine", root=root, source="gray")
        assert photos.layout == "photos"
        assert photos.splits == {"train": 6, "test": 6}


def test_a_few_others_beside_them_change_nothing(tmp_path: Path) -> None:
    names = tuple(str(number) for number in range(10))
    root = _flat(tmp_path / "mine", ("_A", "_B"), 2, names)
    Image.fromarray(colour(1)).save(root / "train" / "logo.png")
    with pytest.raises(UsageError, match="found files in twos"):
        open_dataset("mine", root=root)


@pytest.mark.parametrize(
    "names",
    [
        ("cat_1", "cat_2", "dog_1", "dog_2"),  # numbers
        ("1_day", "1_night", "2_rain", "2_snow"),  # other ends in each
        ("1_a", "1_b", "1_c", "2_a", "2_b", "2_c"),  # threes
        ("1_a", "2_a", "3_a", "4_b"),
        ("bonn_000001_leftImg8bit", "bonn_000002_leftImg8bit"),
        ("a", "b", "c", "d"),
    ],
)
def test_other_names_are_side_by_side(names: tuple[str, ...], tmp_path: Path) -> None:
    root = _flat(tmp_path / "mine", ("", ""), 2, names)
    assert open_dataset("mine", root=root).splits == {"train": len(names), "test": len(names)}


# --- archives ---------------------------------------------------------------------------------------------


def archive_of(row: str, root: Path, into: Path) -> Path:
    """`root` as the archive of a row of the table, its files below `mine/`."""
    if row == "zip":
        with zipfile.ZipFile(into.with_suffix(".zip"), "w") as zipped:
            for file in sorted(path for path in root.rglob("*") if path.is_file()):
                zipped.write(file, f"mine/{file.relative_to(root)}")
        return into.with_suffix(".zip")
    with tarfile.open(into.with_name(f"{into.name}.tar.gz"), "w:gz") as tar:
        tar.add(root, "mine")
    return into.with_name(f"{into.name}.tar.gz")


@pytest.mark.parametrize("row", ["zip", "tar.gz"])
def test_files_in_an_archive_are_named_as_the_archive_and_their_place_in_it(
    row: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write("train/A train/B", KINDS["png"], tmp_path)
    for name in ("2", "10"):
        file = root / "train" / "B" / f"{name}.png"
        file.write_bytes(file.read_bytes()[:400])
    (root / "train" / "A" / "9.gif").write_bytes(b"GIF89a")
    (root / "pairs.csv").write_text("")
    archive = archive_of(row, root, tmp_path / "packed")

    data = open_dataset("mine", root=archive)
    assert data.found_line.startswith(f"{archive}!mine (layout folders: ")
    assert any(f"{archive}!mine/train/A/9.gif" in note for note in data.file_notes())
    assert any(f"{archive}!mine/pairs.csv" in note for note in data.notes)
    everything = [refusal(archive, cache), *data.lines, *data.file_notes()]
    assert f"{archive}!mine/train/B/2.png" in everything[0]
    assert not [line for line in everything if str(cache) in line]

    broken = verify("mine", archive).lines
    assert len(broken) == 1
    assert broken[0].endswith("(and 1 more like it)")
    assert f"{archive}!mine/train/B/2.png" in broken[0]

    monkeypatch.setattr(shown_paths, "_stand_for", {})  # as in a worker, which is given the folder
    assert data.root is not None
    assert f"{archive}!mine/train/B/2.png" in refusal(data.root, cache)


@pytest.mark.parametrize("files", [("train.parquet",), ("train.parquet", "test.parquet")], ids=len)
def test_images_in_parquet_are_named_as_the_file_and_their_row(
    files: tuple[str, ...], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [KINDS["png"].content(colour(number), is_right=False) for number in range(5)]
    # of a single file, row 4 is for the test
    halves = {"input": whole, "target": [*whole[:3], whole[3][:60], whole[4]]}
    cells = {column: [{"bytes": one, "path": None} for one in images] for column, images in halves.items()}
    for file in files:
        pq.write_table(pa.table(cells), tmp_path / file)
    named = tmp_path / (files[0] if len(files) == 1 else "*.parquet")

    assert f"{named}!train/target/000003.png" in refusal(tmp_path, cache)
    data = open_dataset("mine", root=tmp_path)
    assert data.found_line.startswith(f"{named} (unpacked) (layout folders: from parquet, ")
    said = [*data.lines, *data.file_notes(), *verify("mine", tmp_path).lines]
    assert not [line for line in said if str(cache) in line]

    monkeypatch.setattr(shown_paths, "_stand_for", {})  # as in a worker, which is given the folder
    assert data.root is not None
    assert f"{named}!train/target/000003.png" in refusal(data.root, cache)


def test_the_top_of_an_archive_is_named_as_unpacked(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write("train/*", KINDS["png"], tmp_path)
    with zipfile.ZipFile(tmp_path / "maps.zip", "w") as zipped:
        for file in root.rglob("*.png"):
            zipped.write(file, file.relative_to(root))
    data = open_dataset("mine", root=tmp_path / "maps.zip")
    assert data.found_line == f"{tmp_path / 'maps.zip'} (unpacked) (layout pairs: images in train/)"
    assert invoke(["data", "info", "mine", "--data-root", str(tmp_path / "maps.zip")]) == 0
    printed = "".join(capsys.readouterr().out.split())  # a table, wrapped
    assert f"{tmp_path / 'maps.zip'}(unpacked)" in printed
    assert str(cache) not in printed


@pytest.mark.parametrize("given", ["file", "folder"])
@pytest.mark.parametrize("ending", [".7z", ".RAR", ".tar.zst"])
@pytest.mark.parametrize("name", ["mine", "maps"])
def test_archives_of_other_kinds_are_refused_in_one_line(
    name: str, ending: str, given: str, tmp_path: Path
) -> None:
    archive = tmp_path / "downloads" / f"{name}{ending}"
    archive.parent.mkdir()
    archive.write_bytes(b"7z\xbc\xaf\x27\x1c")
    with pytest.raises(UsageError) as caught:
        open_dataset(name, root=archive if given == "file" else archive.parent)
    assert str(caught.value) == (
        f"expected a zip or tar archive, found {archive}, which is not read: unpack it and give the folder, "
        "or make a zip or tar of it"
    )


def test_an_archive_of_another_kind_beside_its_unpacked_folder_is_passed_over(tmp_path: Path) -> None:
    write("train/*", KINDS["png"], tmp_path)
    (tmp_path / "mine.7z").write_bytes(b"7z")
    assert open_dataset("mine", root=tmp_path).splits == {"train": 3, "test": 2}

"""prepare, verify and info, on a small generated tree of the official layout."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.core.errors import UsageError
from bench.core.files import sha256_file
from bench.data.acquire.prepare import card_rows, info, prepare
from bench.data.acquire.verify import MANIFEST, read_manifest, verify
from bench.data.cards import load_card
from bench.data.open_dataset import open_dataset

HEIGHT, WIDTH = 45, 91  # odd on purpose
PAIRS = {"train": (("aachen", 3), ("bochum", 2)), "val": (("lindau", 2),)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """leftImg8bit/ and gtFine/ with blocks of ids 0-33, and files of other kinds to be passed over."""
    rng = np.random.default_rng(0)
    root = tmp_path / "official"
    for split, cities in PAIRS.items():
        for city, count in cities:
            photos, labels = (root / part / split / city for part in ("leftImg8bit", "gtFine"))
            photos.mkdir(parents=True)
            labels.mkdir(parents=True)
            for number in range(count):
                stem = f"{city}_{number:06d}_000019"
                blocks = rng.integers(0, 34, (9, 13), dtype=np.uint8)
                ids = blocks.repeat(5, axis=0).repeat(7, axis=1)[:HEIGHT, :WIDTH]
                photo = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
                Image.fromarray(photo).save(photos / f"{stem}_leftImg8bit.png")
                Image.fromarray(ids).save(labels / f"{stem}_gtFine_labelIds.png")
                Image.fromarray(photo).save(labels / f"{stem}_gtFine_color.png")
                (labels / f"{stem}_gtFine_polygons.json").write_text("{}")
    return root


def photo_of(tree: Path, stem: str = "aachen_000001_000019") -> Path:
    return tree / "leftImg8bit" / "train" / "aachen" / f"{stem}_leftImg8bit.png"


def labels_of(tree: Path, stem: str = "aachen_000001_000019") -> Path:
    return tree / "gtFine" / "train" / "aachen" / f"{stem}_gtFine_labelIds.png"


def test_copies_have_the_size_the_ids_and_the_names_of_the_originals(tree: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    card = load_card("cityscapes")
    out = prepare(card, tree, tmp_path / "small", size_px=32, progress=lambda *step: steps.append(step))
    assert steps == [(done, 7) for done in range(1, 8)]
    assert sorted(p.name for p in out.iterdir()) == [MANIFEST, "test", "train"]
    assert len(list(out.glob("train/photo/*.png"))) == len(list(out.glob("train/labels/*.png"))) == 5
    assert len(list(out.glob("test/labels/*.png"))) == 2

    with Image.open(labels_of(tree)) as original, Image.open(photo_of(tree)) as big:
        ids = np.asarray(original)
        bicubic = np.asarray(big.resize((32, 32), Image.Resampling.BICUBIC))
    with Image.open(out / "train/labels/aachen_000001_000019.png") as small:
        assert (small.mode, small.size) == ("L", (32, 32))
        copied = np.asarray(small)
    centre = (np.arange(32) + 0.5) / 32  # nearest neighbour, written out
    nearest = ids[(centre * HEIGHT).astype(int)[:, None], (centre * WIDTH).astype(int)]
    assert np.array_equal(copied, nearest)
    with Image.open(out / "train/photo/aachen_000001_000019.png") as small:
        assert np.array_equal(np.asarray(small), bicubic)


def test_the_manifest_holds_every_hash(tree: Path, tmp_path: Path) -> None:
    out = prepare(load_card("cityscapes"), tree, tmp_path / "small", size_px=32)
    manifest = read_manifest(out)
    assert (manifest["dataset"], manifest["version"], manifest["size_px"]) == ("cityscapes", "gtFine", 32)
    assert manifest["splits"] == {"train": 5, "test": 2}
    assert manifest["files"] == {
        path.relative_to(out).as_posix(): sha256_file(path) for path in sorted(out.rglob("*.png"))
    }
    again = prepare(load_card("cityscapes"), tree, tmp_path / "again", size_px=32)
    assert (again / MANIFEST).read_bytes() == (out / MANIFEST).read_bytes()


def test_a_prepared_copy_opens_as_the_data_set(tree: Path, tmp_path: Path) -> None:
    out = prepare(load_card("cityscapes"), tree, tmp_path / "small", size_px=32)
    small, official = (open_dataset("cityscapes", root=root) for root in (out, tree))
    assert (small.layout, official.layout) == ("prepared", "official")
    assert small.splits == official.splits == {"train": 5, "test": 2}
    assert small.names("train") == official.names("train")
    ours, theirs = (d.load("train", size_px=32, cache=tmp_path / "cache") for d in (small, official))
    assert ours.labels is not None
    assert theirs.labels is not None
    assert np.array_equal(ours.labels, theirs.labels)
    assert np.array_equal(ours.target, theirs.target)


def test_an_existing_folder_is_refused_and_untouched(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="new folder"):
        prepare(load_card("cityscapes"), tree, out, size_px=32)
    assert [p.name for p in out.iterdir()] == ["mine.txt"]


def test_a_missing_half_is_named(tree: Path, tmp_path: Path) -> None:
    labels_of(tree).unlink()
    with pytest.raises(UsageError, match="aachen_000001_000019"):
        prepare(load_card("cityscapes"), tree, tmp_path / "small", size_px=32)


def spoil(tree: Path, how: str) -> Path:
    """Damage one file of the tree and return it."""
    file = photo_of(tree) if how in ("truncated", "gray") else labels_of(tree)
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:200])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "gray":
        Image.new("L", (WIDTH, HEIGHT)).save(file)
    elif how == "colour":
        Image.new("RGB", (WIDTH, HEIGHT)).save(file)
    elif how == "id":
        Image.new("L", (WIDTH, HEIGHT), 77).save(file)
    else:
        Image.new("L", (WIDTH, HEIGHT - 1)).save(file)
    return file


@pytest.mark.parametrize("how", ["truncated", "empty", "gray", "colour", "id", "size"])
def test_a_bad_file_is_named_and_nothing_is_left(tree: Path, tmp_path: Path, how: str) -> None:
    file = spoil(tree, how)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError) as caught:
        prepare(load_card("cityscapes"), tree, tmp_path / "small", size_px=32)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_an_interrupt_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        prepare(load_card("cityscapes"), tree, tmp_path / "small", size_px=32, progress=interrupt)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_without_the_tree_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="register"):
        prepare(load_card("cityscapes"), tmp_path / "other", tmp_path / "small", size_px=32)


def test_a_data_set_without_official_tree_needs_no_preparing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="facades: it is read as it is"):
        prepare(load_card("facades"), tmp_path, tmp_path / "out", size_px=32)
    assert not (tmp_path / "out").exists()


def test_verify_lists_missing_extra_and_changed_files(tree: Path, tmp_path: Path) -> None:
    out = prepare(load_card("cityscapes"), tree, tmp_path / "small", size_px=32)
    good = verify("cityscapes", out)
    assert good.ok
    assert good.checked == 14
    assert good.lines == ()
    missing, changed = sorted(out.glob("train/photo/*.png"))[:2]
    missing.unlink()
    changed.write_bytes(changed.read_bytes() + b"\0")
    shutil.copy(changed, out / "train/photo/extra.png")
    report = verify("cityscapes", out)
    assert not report.ok
    assert report.missing == (missing.relative_to(out).as_posix(),)
    assert report.extra == ("train/photo/extra.png",)
    assert report.changed == (changed.relative_to(out).as_posix(),)
    assert "1 missing, 1 extra, 1 changed" in report.summary
    assert len(report.lines) == 3


def test_verify_without_manifest_decodes_and_names_every_bad_pair(tree: Path) -> None:
    report = verify("cityscapes", tree)
    assert (report.ok, report.method, report.checked) == (True, "decoded", 7)
    files = [spoil(tree, "truncated"), labels_of(tree, "aachen_000002_000019")]
    Image.new("L", (WIDTH, HEIGHT), 99).save(files[1])
    report = verify("cityscapes", tree)
    assert not report.ok
    assert len(report.broken) == 2
    assert all(str(file) in line for file, line in zip(files, report.broken, strict=True))


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 99}', '{"schema": 1, "files": 3}'])
def test_a_damaged_manifest_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(UsageError, match=r"manifest|files"):
        verify("cityscapes", tmp_path)


def test_info_says_what_is_there(tree: Path, tmp_path: Path) -> None:
    out = prepare(load_card("cityscapes"), tree, tmp_path / "small", size_px=32)
    rows = dict(info(open_dataset("cityscapes", root=out)))
    assert "prepared" in rows["found"]
    assert rows["pairs"] == "train 5, test 2"
    assert rows["direction"] == "labels2photo (3 to 3 channels, uint8)"
    assert rows["first image"].startswith("32x32 px")
    assert rows["prepared"] == "32 px, 14 files with hashes"
    assert rows["classes"].startswith("19: road, sidewalk")
    ids = np.concatenate([np.asarray(Image.open(p)).ravel() for p in out.glob("test/labels/*.png")])
    evaluated = [c.id for c in load_card("cityscapes").train_classes]
    assert float(rows["void"].split("%")[0]) == pytest.approx(
        100 * (1 - np.isin(ids, evaluated).mean()), abs=4
    )


def test_info_of_the_embedded_set_and_of_a_card() -> None:
    rows = dict(info(open_dataset("toycity")))
    assert rows["pairs"] == "train 400, test 100"
    assert "package" in rows["found"]
    assert dict(card_rows(load_card("cityscapes")))["how to get it"].startswith("register")
    assert json.dumps(rows)  # plain texts


def test_verify_finds_two_folders_by_the_direction(tmp_path: Path) -> None:
    for split, domain in itertools.product(("train", "test"), ("depth", "rgb")):
        (tmp_path / split / domain).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / split / domain / "a.png")
    with pytest.raises(UsageError, match="by --direction depth2rgb"):
        verify("mine", tmp_path)
    assert verify("mine", tmp_path, direction="depth2rgb").summary.startswith("2 pairs decoded")

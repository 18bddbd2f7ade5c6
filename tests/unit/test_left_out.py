"""What is not read is said, and why; what systems leave behind is passed over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bench.data.cache import FileHashes
from bench.data.layouts import images
from bench.data.left_out import left_out
from bench.stages.imported.gather import ForeignRequest, gather


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_every_reason_has_a_line(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.JFIF", "c.ppm", "d.gif", "e.heic", "notes.txt", "more/f.png", "none")
    touch(tmp_path, "g_rec_A.png")
    used = [tmp_path / name for name in ("a.png", "b.JFIF", "c.ppm")]
    assert [file for file in images(tmp_path) if file.name != "g_rec_A.png"] == used
    unused, unread, below = left_out(used)
    assert unused == f"1 file that play no part here: {tmp_path}/g_rec_A.png"
    assert unread.startswith("4 files with endings that are not read (.gif, .heic, .txt, none): ")
    assert unread.endswith(f"{tmp_path}/d.gif, {tmp_path}/e.heic, {tmp_path}/none and 1 more")  # images first
    assert below == f"1 file in folders below those that hold the others: {tmp_path}/more/f.png"


def test_files_of_systems_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", ".DS_Store", "._a.png", "Thumbs.db", "desktop.ini")
    touch(tmp_path, ".hidden/b.png", "__MACOSX/._a.png")
    assert images(tmp_path) == [tmp_path / "a.png"]
    assert left_out([tmp_path / "a.png"]) == []


def test_scoring_names_what_it_leaves_out(tmp_path: Path, cache: Path) -> None:
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        for name, kind in (("0.jpg", "JPEG"), ("1.jfif", "JPEG"), ("2.ppm", "PPM"), ("3.gif", "GIF")):
            Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / side / name, kind)
    asked = ForeignRequest((tmp_path / "pred",), target=tmp_path / "target")
    found = gather(asked, FileHashes(cache / "hashes.json"))
    assert found.matched.names == ("0", "1", "2")
    (note,) = found.notes
    assert note.startswith("left out: 2 files with endings that are not read (.gif)")
    assert "pred/3.gif" in note
    assert "target/3.gif" in note

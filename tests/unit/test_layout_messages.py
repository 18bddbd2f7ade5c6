"""What is said of files in any layout: the right side, the right place, and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from layout_writers import KINDS, SIZE, colour, depth, write
from PIL import Image

from bench.core.errors import UsageError
from bench.data.datasets import open_dataset


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

"""The recipes of datasets/README.md and the cards of the paper's data sets, run on a few generated images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layout_writers import colour
from numpy.typing import NDArray
from PIL import Image

from bench.cli.main import invoke
from bench.data.cards import load_card
from bench.data.open_dataset import open_dataset
from bench.records.record import read_records

README = Path(__file__).resolve().parents[2] / "datasets" / "README.md"
SIZE = 32
Draw = Callable[[int], NDArray[Any]]
_TINY = ("--variants", "l1", "--steps", "1", "--size", str(SIZE), "--base-filters", "4", "--judge", "none")


def recipe(name: str) -> str:
    """The card of a recipe, as the document has it."""
    blocks = re.findall(rf"```toml recipe={name}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def sketch(seed: int) -> NDArray[Any]:
    """Black lines on white."""
    lines = np.full((SIZE, SIZE), 255, np.uint8)
    lines[seed % SIZE] = lines[:, (seed * 7) % SIZE] = 0
    return lines


def street_depth(seed: int) -> NDArray[Any]:
    """Nearer at the bottom, in millimetres, 0 for none."""
    metres = np.repeat(np.linspace(60000, 1500, SIZE)[:, None], SIZE, axis=1).astype(np.uint16)
    metres[: 1 + seed % 4] = 0
    return metres


def photo(seed: int) -> NDArray[Any]:
    return np.kron(colour(seed), np.ones((SIZE // 16, SIZE // 16, 1), np.uint8))


def cutout(seed: int) -> NDArray[Any]:
    """The photo's middle on white."""
    image = np.full((SIZE, SIZE, 3), 255, np.uint8)
    image[8:24, 8:24] = photo(seed)[8:24, 8:24]
    return image


def write(root: Path, halves: dict[str, Draw], card: str) -> Path:
    for split, count in (("train", 3), ("test", 2)):
        for name, draw in halves.items():
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                Image.fromarray(draw(index + 10 * count)).save(root / split / name / f"{index}.png")
    if card:
        (root / "card.toml").write_text(card)
    return root


RECIPES: dict[str, tuple[dict[str, Draw], str, Sequence[int]]] = {  # halves, direction, channels
    "sketch": ({"sketch": sketch, "portrait": photo}, "sketch2portrait", (1, 3)),
    "depth": ({"depth": street_depth, "street": photo}, "depth2street", (1, 3)),
    "background": ({"photo": photo, "cutout": cutout}, "photo2cutout", (3, 3)),
}


def run(name: str, root: Path, out: Path, *more: str) -> str:
    """Train, score and report; returns the direction that the records state."""
    asked = ["--dataset", name, "--data-root", f"{name}={root}", "--out", str(out), "--metrics", "mae,ssim"]
    assert invoke(["run", *asked, *_TINY, *more]) == 0
    assert (out / "report" / "index.html").is_file()
    records = [record for record in read_records(out) if record.kind == "run"]
    assert [record.status for record in records] == ["finished"]
    assert records[0].results["mae"].value is not None
    return str(records[0].spec["data"]["direction"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_as_documented(name: str, tmp_path: Path, cache: Path) -> None:
    halves, direction, channels = RECIPES[name]
    root = write(tmp_path / "data", halves, recipe(name))
    data = open_dataset("mine", root=root)
    assert (data.source_channels, data.target_channels) == tuple(channels)
    assert run("mine", root, tmp_path / "out") == direction


def test_gray_to_rgb_runs_as_documented(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for index in range(2):
            Image.fromarray(photo(index)).save(tmp_path / "data" / split / f"{index}.png")
    assert run("mine", tmp_path / "data", tmp_path / "out", "--source", "gray") == "gray2photo"


EDGES: Draw = lambda seed: np.repeat(sketch(seed)[..., None], 3, axis=2)  # noqa: E731
PAPER: dict[str, tuple[Draw, Draw, str]] = {  # left, right, the split beside train
    "maps": (photo, lambda seed: photo(seed) // 64 * 64, "val"),
    "edges2shoes": (EDGES, photo, "val"),
    "edges2handbags": (EDGES, photo, "val"),
    "night2day": (lambda seed: photo(seed) // 3, photo, "test"),
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_other_data_sets_are_read_by_their_cards(name: str, tmp_path: Path, cache: Path) -> None:
    left, right, other = PAPER[name]
    card = load_card(name)
    for split, count in (("train", 3), (other, 2)):
        (tmp_path / split).mkdir()
        for index in range(count):
            pair = np.concatenate([left(index), right(index)], axis=1)
            Image.fromarray(pair).save(tmp_path / split / f"{index}.jpg", quality=100, subsampling=0)
    data = open_dataset(name, root=tmp_path)
    arrays = data.load("test", size_px=SIZE, cache=cache)
    assert (data.layout, data.direction, len(arrays)) == ("pairs", card.direction, 2)
    turned = card.direction.startswith(card.domains[1])
    drawn = (right(0), left(0)) if turned else (left(0), right(0))
    for held, wanted in zip((arrays.source, arrays.target), drawn, strict=True):
        assert np.abs(held[0].astype(int) - wanted).max() <= 4
    assert invoke(["run", "--dataset", name, "--data-root", f"{name}={tmp_path}", *_TINY, "--dry-run"]) == 0


def test_results_on_a_folder_compare_with_results_on_its_archive(tmp_path: Path, cache: Path) -> None:
    import shutil

    halves, _, _ = RECIPES["background"]
    root = write(tmp_path / "data", halves, recipe("background"))
    shutil.make_archive(str(tmp_path / "packed"), "zip", root)
    side = tmp_path / "side"
    for split in ("train", "test"):
        (side / split).mkdir(parents=True)
        for file in (root / split / "photo").iterdir():
            pair = [np.asarray(Image.open(root / split / half / file.name)) for half in ("photo", "cutout")]
            Image.fromarray(np.concatenate(pair, axis=1)).save(side / split / file.name)
    (side / "card.toml").write_text(recipe("background"))
    outs = {name: tmp_path / f"out-{name}" for name in ("folder", "zip", "side")}
    for place, out in zip((root, tmp_path / "packed.zip", side), outs.values(), strict=True):
        run("mine", place, out)
    assert invoke(["compare", str(outs["folder"]), str(outs["zip"])]) == 0
    assert invoke(["compare", str(outs["folder"]), str(outs["side"])]) == 0

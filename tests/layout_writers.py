"""Writes the same pairs in every layout that people have, and in every kind of file."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

SPLITS = {"train": ("1", "2", "10"), "test": ("3", "4")}
SIZE = 16
Pixels = NDArray[Any]


@dataclass(frozen=True)
class Kind:
    """A kind of files: what left and right image hold, and how each is stored."""

    left: Callable[[int], Pixels]
    right: Callable[[int], Pixels]
    ending: str = "png"
    options: Mapping[str, Any] | None = None
    palette: bool = False  # of the right image
    card: str = ""  # content of card.toml beside the images

    @property
    def is_alike(self) -> bool:
        """Whether both halves fit into one image."""
        a, b = self.left(0), self.right(0)
        return a.dtype == b.dtype and a.shape == b.shape and not self.palette

    def save(self, pixels: Pixels, path: Path | io.BytesIO, *, is_right: bool) -> None:
        if self.ending == "npy":
            np.save(path, pixels)
            return
        image = Image.fromarray(pixels)
        if self.palette and is_right:
            image.putpalette([channel for value in range(256) for channel in (value * 20 % 256, 90, 7)])
        format_ = {"jpg": "JPEG", "tif": "TIFF"}.get(self.ending, self.ending.upper())
        image.save(path, format=format_, **(self.options or {}))

    def content(self, pixels: Pixels, *, is_right: bool) -> bytes:
        out = io.BytesIO()
        self.save(pixels, out, is_right=is_right)
        return out.getvalue()


def colour(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)


def gray(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE)).astype(np.uint8)


def depth(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 65536, (SIZE, SIZE)).astype(np.uint16)


def metres(seed: int) -> Pixels:
    return np.random.default_rng(seed).uniform(0.5, 80, (SIZE, SIZE)).astype(np.float32)


def five_channels(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 65536, (SIZE, SIZE, 5)).astype(np.uint16)


def ids(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 3, (SIZE, SIZE)).astype(np.uint8)


_CARD = """
domains = ["photo", "labels"]
roles = ["photo", "labels"]
direction = "labels2photo"
classes = [
  { name = "a", colour = [200, 0, 0], train_id = 0, id = 0 },
  { name = "b", colour = [0, 200, 0], train_id = 1, id = 1 },
  { name = "c", colour = [0, 0, 200], train_id = 2, id = 2 },
]
"""
KINDS: dict[str, Kind] = {
    "png": Kind(colour, colour),
    "jpg": Kind(colour, colour, "jpg", {"quality": 100, "subsampling": 0}),
    "bmp": Kind(colour, colour, "bmp"),
    "tif": Kind(colour, colour, "tif"),
    "webp": Kind(colour, colour, "webp", {"lossless": True}),
    "gray": Kind(gray, gray),
    "16-bit": Kind(depth, depth),
    "colour and 16-bit": Kind(colour, depth),
    "colour and floats": Kind(colour, metres, "tif"),
    "floats as npy": Kind(metres, metres, "npy"),
    "5 channels and colour as npy": Kind(five_channels, colour, "npy"),
    "colour and ids": Kind(colour, ids, card=_CARD),
    "colour and palette": Kind(colour, ids, palette=True, card=_CARD),
}


def seed_of(name: str) -> int:
    return 1000 + int(name)


def halves(kind: Kind, name: str) -> tuple[Pixels, Pixels]:
    """The left and the right image of a pair."""
    return kind.left(seed_of(name)), kind.right(seed_of(name) + 500)


def _card(root: Path, kind: Kind) -> None:
    root.mkdir(parents=True, exist_ok=True)
    if kind.card:
        (root / "card.toml").write_text(kind.card)


def _two(root: Path, kind: Kind, folders: Callable[[str], tuple[str, str]]) -> None:
    _card(root, kind)
    for split, names in SPLITS.items():
        for name in names:
            for side, (folder, pixels) in enumerate(zip(folders(split), halves(kind, name), strict=True)):
                path = root / folder / f"{name}.{kind.ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                kind.save(pixels, path, is_right=side == 1)


def joined(kind: Kind, name: str) -> Pixels:
    return np.concatenate(halves(kind, name), axis=1)


def pairs(root: Path, kind: Kind, folder: Callable[[str], str] = str) -> None:
    for split, names in SPLITS.items():
        for name in names:
            path = root / folder(split) / f"{name}.{kind.ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            kind.save(joined(kind, name), path, is_right=False)


def _rows(root: Path, kind: Kind) -> list[dict[str, str]]:
    _two(root, kind, lambda _split: ("images/a", "images/b"))
    return [
        {"A": f"images/a/{name}.{kind.ending}", "B": f"images/b/{name}.{kind.ending}", "split": split}
        for split, names in SPLITS.items()
        for name in names
    ]


def csv_list(root: Path, kind: Kind) -> None:
    lines = ["A,B,split", *(",".join(row.values()) for row in _rows(root, kind))]
    (root / "pairs.csv").write_text("\n".join(lines) + "\n")


def json_list(root: Path, kind: Kind) -> None:
    rows = _rows(root, kind)
    by_split = {split: [row for row in rows if row["split"] == split] for split in SPLITS}
    (root / "pairs.json").write_text(json.dumps(by_split))


def jsonl_list(root: Path, kind: Kind) -> None:
    (root / "pairs.jsonl").write_text("\n".join(json.dumps(row) for row in _rows(root, kind)))


def parquet(root: Path, kind: Kind) -> None:
    """Two columns of images, as `datasets` of Hugging Face writes them: bytes and the file's name."""
    _card(root, kind)
    for split, names in SPLITS.items():
        columns: dict[str, list[dict[str, Any]]] = {"imageA": [], "imageB": []}
        for name in names:
            for side, (column, pixels) in enumerate(zip(columns, halves(kind, name), strict=True)):
                content = kind.content(pixels, is_right=side == 1)
                columns[column].append({"bytes": content, "path": f"{name}.{kind.ending}"})
        (root / "data").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), root / "data" / f"{split}-00000-of-00001.parquet")


def parquet_side_by_side(root: Path, kind: Kind) -> None:
    for split, names in SPLITS.items():
        cells = [
            {"bytes": kind.content(joined(kind, name), is_right=False), "path": f"{name}.{kind.ending}"}
            for name in names
        ]
        (root / split).mkdir(parents=True)
        pq.write_table(pa.table({"image": cells}), root / split / "0000.parquet")


def zipped(root: Path, kind: Kind) -> None:
    folders(root / "inside", kind)
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as archive:
        for file in sorted((root / "inside").rglob("*.*")):
            archive.write(file, f"mine/{file.relative_to(root / 'inside')}")


def tarred(root: Path, kind: Kind) -> None:
    suffixed(root / "inside", kind)
    with tarfile.open(root.with_name(f"{root.name}.tar.gz"), "w:gz") as archive:
        archive.add(root / "inside", "mine")


def folders(root: Path, kind: Kind) -> None:
    _two(root, kind, lambda split: (f"{split}/A", f"{split}/B"))


def suffixed(root: Path, kind: Kind) -> None:
    _two(root, kind, lambda split: (f"{split}A", f"{split}B"))


Writer = Callable[[Path, Kind], None]
# Name of the table's row -> (the layout that is recognised, what writes it, where it is below the folder).
LAYOUTS: dict[str, tuple[str, Writer, str]] = {
    "train/*": ("pairs", pairs, ""),
    "Train/*": ("pairs", lambda root, kind: pairs(root, kind, str.capitalize), ""),
    "train/cats/*": ("pairs", lambda root, kind: pairs(root, kind, lambda split: f"{split}/cats"), ""),
    "train/A train/B": ("folders", folders, ""),
    "train/a train/b": ("folders", lambda r, k: _two(r, k, lambda s: (f"{s}/a", f"{s}/b")), ""),
    "A/train B/train": ("domains", lambda r, k: _two(r, k, lambda s: (f"A/{s}", f"B/{s}")), ""),
    "a/Train b/Train": (
        "domains",
        lambda r, k: _two(r, k, lambda s: (f"a/{s.title()}", f"b/{s.title()}")),
        "",
    ),
    "trainA trainB": ("suffixed", suffixed, ""),
    "train_A train_B": ("suffixed", lambda r, k: _two(r, k, lambda s: (f"{s}_A", f"{s}_B")), ""),
    "list.csv": ("list", csv_list, ""),
    "list.json": ("list", json_list, ""),
    "list.jsonl": ("list", jsonl_list, ""),
    "parquet, two columns": ("parquet", parquet, ""),
    "parquet, side by side": ("parquet", parquet_side_by_side, ""),
    "zip": ("folders", zipped, ".zip"),
    "tar.gz": ("suffixed", tarred, ".tar.gz"),
}
SIDE_BY_SIDE = ("train/*", "Train/*", "train/cats/*", "parquet, side by side")


def write(layout: str, kind: Kind, folder: Path) -> Path:
    """Write the pairs and return where they are."""
    _, writer, ending = LAYOUTS[layout]
    root = folder / "mine"
    writer(root, kind)
    return root.with_name(f"mine{ending}") if ending else root


# One image has one mode: halves of two kinds are no file, so those cells are empty.
CELLS = [
    (row, kind) for row in LAYOUTS for kind, held in KINDS.items() if row not in SIDE_BY_SIDE or held.is_alike
]

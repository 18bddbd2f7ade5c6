"""`bench data prepare` and `info`: a small copy of official Cityscapes, and a summary of a data set.

A prepared folder holds {train,test}/{photo,labels}/STEM.png and manifest.json with a hash of every file.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from baselines.sizes import ImageSize, Size, image_size
from bench.core.errors import UsageError
from bench.core.files import move_folder, sha256_file, write_text
from bench.core.progress import Progress
from bench.data.acquire.verify import MANIFEST, MANIFEST_SCHEMA, has_manifest, read_manifest
from bench.data.dataset import Dataset
from bench.data.image_file import decode, header
from bench.data.label_maps import lossy_labels
from bench.data.layouts import Found, Pair, find
from bench.data.types import VOID, DatasetCard
from bench.data.void import ADVICE, is_mostly_void

_VOID_IMAGES = 16  # test images in which `info` counts void labels


# --- prepare ------------------------------------------------------------------------------------


def prepare(
    card: DatasetCard, source_root: Path, out: Path, *, size_px: Size, progress: Progress | None = None
) -> Path:
    """Write a small copy of an official Cityscapes tree, whole or not at all.

    Photos are resized bicubic (to a square: squeezed, as in the published pairs); label maps keep their
    original ids (8 bits, one channel) and are resized with nearest neighbour.

    Args:
        card: the Cityscapes card (ids, splits).
        source_root: folder with `leftImg8bit/` and `gtFine/`.
        out: folder to create; must not exist.
        size_px: size of the copies: 256, or "512x256", which keeps the aspect of the photos.
        progress: called with (pairs done, of all).

    Returns:
        `out`.

    Raises:
        UsageError: if the tree does not exist, a half is missing or damaged (the file is named), an id is not
            in the card, or `out` exists or cannot be written.
    """
    found = _official(card, source_root, out)
    with _made(out) as staging:
        manifest = {
            "schema": MANIFEST_SCHEMA,
            "dataset": card.name,
            "version": card.version,
            "size_px": size_px,
            "resize": {"photo": "bicubic", "labels": "nearest"},
            "labels": "original ids",
            "splits": {split: len(pairs) for split, pairs in found.splits.items()},
            "files": _Copier(card, image_size(size_px)).copy(found.splits, staging, progress),
        }
        write_text(staging / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return out


def _official(card: DatasetCard, source_root: Path, out: Path) -> Found:
    """The official tree, if it exists and `out` does not."""
    if "official" not in card.layouts:
        raise UsageError(
            f"expected a data set with an official tree to prepare (cityscapes), found {card.name}: "
            "it is read as it is, give its folder with --data-root"
        )
    if out.exists() or out.is_symlink():
        raise UsageError(
            f"expected a new folder for the prepared copy, found {out}: remove it or choose another"
        )
    found = find(replace(card, layouts=("official",)), source_root)
    if found is None:
        raise UsageError(
            f"expected leftImg8bit/ and gtFine/ of {card.name} in {source_root}, found neither; "
            f"how to get it: {card.how_to_get}"
        )
    return found


@contextmanager
def _made(out: Path) -> Iterator[Path]:
    """A new folder to fill beside `out`; it becomes `out` when the block ends without error."""
    where, remedy = out.parent, "choose another folder"
    staging = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        where, remedy = staging, "free some room"
        yield staging
        staging.chmod(0o755)
        move_folder(staging, out)
    except OSError as error:
        raise UsageError(f"cannot write to {where}: {os.strerror(error.errno or 0)}: {remedy}") from None
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


@dataclass(frozen=True)
class _Copier:
    card: DatasetCard
    size: ImageSize

    def copy(
        self, splits: dict[str, tuple[Pair, ...]], out: Path, progress: Progress | None
    ) -> dict[str, str]:
        """Write all copies below `out`; relative path -> sha256, sorted."""
        hashes: dict[str, str] = {}
        jobs = [(split, pair) for split, pairs in splits.items() for pair in pairs]
        for split in splits:
            for domain in self.card.domains:
                (out / split / domain).mkdir(parents=True)
        workers = ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1))
        try:
            pending = [workers.submit(self._pair, split, pair, out) for split, pair in jobs]
            for done, written in enumerate(pending, start=1):
                hashes.update(written.result())
                if progress:
                    progress(done, len(jobs))
        finally:
            workers.shutdown(cancel_futures=True)
        return dict(sorted(hashes.items()))

    def _pair(self, split: str, pair: Pair, out: Path) -> dict[str, str]:
        hashes: dict[str, str] = {}
        sizes = []
        for file, domain, role in zip(pair.files, self.card.domains, self.card.roles, strict=True):
            image = self._read(file, role)
            sizes.append(image.size)
            resample = Image.Resampling.NEAREST if role == "labels" else Image.Resampling.BICUBIC
            name = f"{split}/{domain}/{pair.stem}.png"
            image.resize((self.size.width, self.size.height), resample).save(out / name, compress_level=6)
            hashes[name] = sha256_file(out / name)
        if sizes[0] != sizes[1]:
            raise UsageError(
                f"expected both halves of a pair in one size, found {'x'.join(map(str, sizes[0]))} in "
                f"{pair.files[0]} and {'x'.join(map(str, sizes[1]))} in {pair.files[1]}: get them again"
            )
        return hashes

    def _read(self, file: Path, role: str) -> Image.Image:
        wanted = "gray" if role == "labels" else "colour"
        image = decode(file)
        if image.kind != wanted:
            raise UsageError(
                f"expected a {wanted} image in {file}, found {image.kind}: get the official file"
            )
        if image.lossy and role == "labels":
            raise lossy_labels(file)
        if role == "labels":
            known = {entry.id for entry in self.card.classes}
            values = np.unique(image.values).tolist()
            if strange := [value for value in values if value not in known]:
                raise UsageError(f"expected ids of {self.card.name}'s card in {file}, found {strange[0]}")
        plane = image.values[..., 0] if role == "labels" else image.in_srgb().values
        return Image.fromarray(plane)


# --- info ---------------------------------------------------------------------------------------


def info(dataset: Dataset) -> list[tuple[str, str]]:
    """What `bench data info` shows of a data set that was found: (label, value) rows."""
    card = dataset.card
    rows = card_rows(card)
    channels = f"{dataset.source_channels} to {dataset.target_channels}"
    rows += [
        ("found", dataset.found_line),
        *(("note", note) for note in dataset.notes),
        ("pairs", ", ".join(f"{split} {count:,}" for split, count in dataset.splits.items())),
        ("validation", _validation(dataset)),
        ("direction", f"{dataset.direction} ({channels} channels, {dataset.sample_type})"),
        *([("sides", dataset.sides_line)] if dataset.sides_line else []),
        ("first image", _first_image(dataset)),
    ]
    if dataset.root and has_manifest(dataset.root):
        manifest = read_manifest(dataset.root)
        rows.append(
            ("prepared", f"{manifest.get('size_px')} px, {len(manifest['files']):,} files with hashes")
        )
    split = next(iter(dataset.splits))
    if dataset.root and (aspect := dataset.squeezed(card.size_px, split)):
        rows.append(
            ("aspect", f"changes at the default size: {aspect}; --size WIDTHxHEIGHT or native keeps it")
        )
    rows += _label_rows(dataset)
    return rows + [("note", line) for line in dataset.file_notes()]


def card_rows(card: DatasetCard) -> list[tuple[str, str]]:
    """What `bench data info` shows of a card if its data was not found: (label, value) rows."""
    classes = ", ".join(entry.name for entry in card.train_classes)
    return [
        ("title", f"{card.title} ({card.version})"),
        ("licence", card.licence),
        ("homepage", card.homepage or "none"),
        ("domains", " and ".join(card.domains)),
        ("default direction", card.direction),
        ("default size", f"{card.size_px} px"),
        ("classes", f"{len(card.train_classes)}: {classes}" if classes else "none"),
        ("how to get it", card.how_to_get),
    ]


def _validation(dataset: Dataset) -> str:
    """Where validation images come from, and the card's rule for its splits."""
    own = dataset.splits.get("val")
    said = (
        f"split val, {own:,} pairs: it is no part of training or test"
        if own
        else "no split of its own: --val-share 0.1 holds a tenth of the training pairs out"
    )
    return f"{said}. {dataset.card.split_rule}".removesuffix(". ")


def _first_image(dataset: Dataset) -> str:
    root = dataset.root
    if root is None:
        size = dataset.card.size_px
        return f"{size}x{size} px, any of 32 to 2048 px on demand (drawn at up to 512)"
    found = dataset.images.found
    assert found is not None
    file = next(iter(found.splits.values()))[0].files[0]
    about = header(file, channels=True)
    name = file.relative_to(root) if file.is_relative_to(root) else file
    kind = f"{about.channels} {about.kind}" if about.channels else about.kind
    return f"{about.size[0]}x{about.size[1]} px, {kind}: {name}"


def _label_rows(dataset: Dataset) -> list[tuple[str, str]]:
    """How label maps are read, and how much of them is void in a few test images, evenly spaced."""
    card, modes = dataset.card, dataset.images.modes
    if not card.classes or len(modes) < 2:
        return []
    count = dataset.splits["test"]
    wanted = min(_VOID_IMAGES, count)
    few = [place * count // wanted for place in range(wanted)]  # evenly spaced
    void, pixels = [0, 0], [0, 0]
    for index in few:
        for side, arrays in enumerate(dataset.images.read("test", index, card.size_px)):
            if arrays.labels is not None:
                void[side] += int((arrays.labels == VOID).sum())
                pixels[side] += arrays.labels.size
    rows = []
    for side in (side for side in (0, 1) if pixels[side]):
        share, mode = void[side] / pixels[side], modes[side]
        sample = "all" if len(few) == count else f"a sample of {len(few)} of"
        rows.append((card.domains[side], f"read as {_READ_AS[mode]}"))
        rows.append(("void", f"{share:.1%} of the label pixels ({sample} {count:,} test images)"))
        if is_mostly_void(share):
            rows.append(("warning", f"more than half of {card.domains[side]} is void: {ADVICE}"))
    return rows


_READ_AS = {
    "colour": "colours of the card", "ids": "single-channel values", "train ids": "train ids, 255 void",
    "gray colours": "gray levels of the card's colours",
}  # fmt: skip

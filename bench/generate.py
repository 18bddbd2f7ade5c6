"""From a checkpoint to pictures: the whole test split of a run, or any folder of new sources."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from baselines.settings import TestSettings
from baselines.translate import Checkpoint, translate
from bench.data.types import SplitArrays
from bench.errors import UsageError
from bench.pictures import write_png
from bench.progress import Advance


def image_seed(seed: int, name: str) -> int:
    """Seed of one picture's dropout at test time: a function of the run's seed and the picture's stem."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:7], "big")


def generate_split(
    checkpoint: Checkpoint,
    split: SplitArrays,
    test: TestSettings,
    seed: int,
    destination: Path,
    advance: Advance,
) -> None:
    """Write `destination/<stem>.png` for every pair of `split`; the folder appears whole or not at all."""
    partial = destination.with_name(f".partial-{destination.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for index, name in enumerate(split.names):
        picture = translate(checkpoint, split.source[index], test, image_seed(seed, name))
        write_png(partial / f"{name}.png", picture)
        advance(index + 1, "")
    shutil.rmtree(destination, ignore_errors=True)  # an incomplete one: complete ones are never made again
    partial.rename(destination)


def translate_folder(
    checkpoint: Checkpoint, images: Path, out: Path, test: TestSettings, seed: int, advance: Advance
) -> int:
    """Translate every picture of the folder `images` into `out/<stem>.png`; returns how many.

    Pictures are read as the checkpoint's training read its sources: resized to its size, gray or colour
    by its channels. Label maps (PNG with a palette) are painted with it and resized with nearest neighbour.

    Raises:
        UsageError: for a missing or empty folder, or a picture that cannot be read; it is named, and
            nothing is written.
    """
    from bench.data.readers import read_folder

    size_px, channels = checkpoint.settings.size_px, checkpoint.source_channels
    pictures = read_folder(images, size_px=size_px, channels=channels)
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"expected an empty or new folder for --out {out}, found files: choose another")
    for done, (name, picture) in enumerate(pictures, start=1):
        write_png(out / f"{name}.png", translate(checkpoint, picture, test, image_seed(seed, name)))
        advance(done, "")
    return len(pictures)

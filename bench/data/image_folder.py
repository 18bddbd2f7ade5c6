"""Reads single images from any folder, as sources for a trained generator: no pairs, no card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from baselines.sizes import Size
from bench.core.errors import UsageError
from bench.data.layouts import images
from bench.data.readers import classify, decode, resized, sixteen_bit


def list_images(folder: Path) -> list[Path]:
    """The images of `folder`, in natural order, their stems unique.

    Raises:
        UsageError: if the folder does not exist, holds no image, or holds two with the same stem.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of images at {folder}, found none: check --images")
    files = images(folder)
    if not files:
        raise UsageError(f"expected images in {folder}, found none: check --images")
    stems: dict[str, Path] = {}
    for file in files:
        if file.stem in stems:
            raise UsageError(f"expected each stem once, found {stems[file.stem]} and {file.name}: rename one")
        stems[file.stem] = file
    return files


def read_images(
    files: list[Path], *, size_px: Size, channels: int, sample_type: str, nearest: bool
) -> Iterator[tuple[str, NDArray[Any]]]:
    """(stem, (H, W, channels) image at `size_px`) of each file, read one at a time.

    Images are converted to colour or gray as `channels` asks. Palette images are read in their palette's
    colours and resized with nearest neighbour; with `nearest` (label maps) all images are.

    Raises:
        UsageError: naming a file that cannot be read, or that has 16 bits instead of 8 or 8 instead of 16.
    """
    for file in files:
        image = decode(file)
        smooth = not nearest and image.mode != "P"
        how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        if image.mode == "P":
            image = image.convert("RGB")
        sixteen = classify(image.mode, "image", file) == "16-bit"
        if sixteen != (sample_type == "uint16"):
            found = "16-bit" if sixteen else "8-bit"
            raise UsageError(
                f"expected {sample_type} images, as in this checkpoint's training, found {file} "
                f"({found}): convert it"
            )
        if sixteen:
            yield file.stem, sixteen_bit(image, file, size_px)
            continue
        wanted = image.convert("L" if channels == 1 else "RGB")
        pixels = np.asarray(resized(wanted, size_px, how))
        yield file.stem, pixels if pixels.ndim == 3 else pixels[..., None]

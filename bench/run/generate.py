"""From a checkpoint to images: the whole test split of a run, or any folder of new sources."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from baselines.parallel import Ranks
from baselines.settings import TestSettings
from baselines.translate import Checkpoint, translations
from bench.core.errors import UsageError
from bench.core.files import whole_folder
from bench.core.progress import Advance
from bench.data.plain import list_images, read_images
from bench.data.types import SplitArrays
from bench.run.png_writer import Writer, writing_threads
from bench.run.team import Team


def image_seed(seed: int, name: str) -> int:
    """Seed of one image's dropout at test time: a function of the run's seed and the image's stem."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:7], "big")


def generate_split(
    checkpoint: Checkpoint,
    split: SplitArrays,
    test: TestSettings,
    seed: int,
    destination: Path,
    advance: Advance,
    team: Team,
) -> None:
    """Write `destination/<stem>.png` for every pair of `split`; the folder appears whole or not at all.

    The processes of the team make a part each. An image does not depend on who makes it.
    """
    with whole_folder(destination) as partial:
        team.call("generate", folder=str(partial.absolute()))
        generate_part(checkpoint, split, test, seed, partial, advance, team.ranks)


def generate_part(
    checkpoint: Checkpoint,
    split: SplitArrays,
    test: TestSettings,
    seed: int,
    folder: Path,
    advance: Advance,
    ranks: Ranks,
) -> None:
    """Write this rank's images into `folder`, and wait for those of the others.

    Raises:
        OtherRankError: if another rank could not write its own.
    """
    device = next(checkpoint.generator.parameters()).device
    with ranks.finished_by_all(), Writer(writing_threads(device)) as writer:
        own = range(ranks.rank, len(split), ranks.world)
        sources = ((split.source[index], image_seed(seed, split.names[index])) for index in own)
        for index, image in zip(own, translations(checkpoint, sources, test), strict=True):
            writer.put(folder / f"{split.names[index]}.png", image)
            advance(min(index + ranks.world, len(split)), "")


def translate_folder(
    checkpoint: Checkpoint,
    images: Path,
    out: Path,
    test: TestSettings,
    seed: int,
    progress: Callable[[int, int], None],
) -> int:
    """Translate every image of the folder `images` into `out/<stem>.png`; returns how many.

    Images are read as the checkpoint's training read its sources: resized to its size in the same
    way, gray or colour by its channels.

    Raises:
        UsageError: for a missing or empty folder, an image that cannot be read (it is named), or an
            `out` that is there; nothing is written then.
    """
    if out.exists():
        raise UsageError(f"expected a new folder for --to {out}, found one: choose another")
    files = list_images(images)
    read = read_images(
        files,
        size_px=checkpoint.settings.size_px,
        channels=checkpoint.source_channels,
        sample_type=checkpoint.source_dtype,
        nearest=checkpoint.source_resize == "nearest",
    )
    names = [file.stem for file in files]
    sources = ((image, image_seed(seed, name)) for name, image in read)
    device = next(checkpoint.generator.parameters()).device
    with whole_folder(out) as partial, Writer(writing_threads(device)) as writer:
        made = zip(names, translations(checkpoint, sources, test), strict=True)
        for done, (name, image) in enumerate(made, start=1):
            writer.put(partial / f"{name}.png", image)
            progress(done, len(files))
    return len(files)

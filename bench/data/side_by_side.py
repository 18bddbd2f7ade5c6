"""Pairs in one image, left and right half: which shapes are halves, and how they are cut.

Halves are square where most files are twice as wide as high; then all must be. Wider files are two wide
halves. A narrower file may as well be a plain photo, so someone must say that it is a pair (`--layout`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.core.errors import UsageError
from bench.data.image_file import ImageFile, header
from bench.data.layouts import OTHER_IMAGES, AmbiguousLayoutError, Found, Pair
from bench.data.layouts.in_twos import in_twos
from bench.data.layouts.listing import holds_images, subfolders

NOT_SQUARE = "cut into halves that are not square"
_LOOKED_AT = 20  # files, evenly spaced
Shape = Literal["square", "wide", "tall"]


def is_side_by_side(file: Path) -> bool:
    """Whether an image is twice as wide as high (reads only the header)."""
    return _shape(file) == "square"


def usual_shape(pairs: Sequence[Pair]) -> Shape:
    """The shape of most halves (of some files, evenly spaced; reads only headers)."""
    some = pairs[:: -(-len(pairs) // _LOOKED_AT)]
    return Counter(_shape(pair.files[0]) for pair in some).most_common(1)[0][0]


def check_halves(found: Found, layout: str | None) -> None:
    """Refuse files that may be plain photos, pairs of tall halves, or halves of pairs, unless `layout` says
    what they are.

    Raises:
        AmbiguousLayoutError: naming the first such file and the options that choose.
    """
    pairs = found.splits["train"]
    single = len(pairs[0].files) == 1 and found.layout != "photos"
    if not single or layout is not None:
        return
    _check_twos(found)
    _check_partners(found)
    if usual_shape(pairs) != "tall":
        return
    file = next(pair.files[0] for pair in pairs if _shape(pair.files[0]) == "tall")
    width, height = header(file, channels=True).size
    raise AmbiguousLayoutError(
        f"expected side-by-side pairs at least twice as wide as high, found {file} ({width}x{height}): "
        f"--layout {found.chosen_by} reads it as two halves of {width // 2}x{height}, --source gray or edges "
        "as a plain photo",
        (found.chosen_by,),
    )


def _check_partners(found: Found) -> None:
    """Refuse images whose partners lie in a folder beside theirs, in a format that is not read."""
    for pairs in found.splits.values():
        file = pairs[0].files[0]
        if file.parent.parent in (found.root, found.root.parent):
            continue  # in the split's folder itself: beside it are other splits
        for folder in subfolders(file.parent.parent).values():
            other = None if holds_images(folder) else _first_unread(folder)
            if other is None or not (file.parent / f"{other.stem}{file.suffix}").is_file():
                continue
            raise AmbiguousLayoutError(
                f"expected images of a format that is read in {folder}/, whose files have the names of those "
                f"in {file.parent.name}/, found {other.name}: convert them (floats to TIFF or .npy); "
                f"--layout {found.chosen_by} leaves them out and reads each of the others as two halves",
                (found.chosen_by,),
            )


def _first_unread(folder: Path) -> Path | None:
    """The first image in a format that is not read."""
    return min((path for path in folder.iterdir() if path.suffix.lower() in OTHER_IMAGES), default=None)


def _check_twos(found: Found) -> None:
    for split, pairs in found.splits.items():
        if (two := in_twos(pairs)) is None:
            continue
        raise AmbiguousLayoutError(
            f"expected each file of split '{split}' to hold a pair side by side, found files in twos, such "
            f"as {two.first} and {two.second.name}: move them to two folders ({split}/A/ and {split}/B/), or "
            f"list the pairs in a CSV file; --layout {found.chosen_by} reads each file as two halves",
            (found.chosen_by,),
        )


def cut(image: ImageFile, file: Path, usual: Shape) -> list[ImageFile]:
    """The left and the right half of `image`, from a data set whose halves mostly are `usual`.

    Raises:
        UsageError: for an odd width, or halves that are not square where most are.
    """
    width, height = image.size
    if width % 2 or (usual == "square" and width != 2 * height):
        wanted = "twice as wide as high, as most here are," if usual == "square" else "of even width"
        raise UsageError(
            f"expected a side-by-side pair {wanted} in {file}, found {width}x{height}: "
            "remove it, or keep halves in source/ and target/ (plain photos need --source gray or edges)"
        )
    return [image.crop((0, 0, width // 2, height)), image.crop((width // 2, 0, width, height))]


def _shape(file: Path) -> Shape:
    width, height = header(file, channels=True).size
    return "square" if width == 2 * height else "wide" if width > 2 * height else "tall"

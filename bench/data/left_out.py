"""Which files lie beside those that are used and are left out, and why: one answer for all commands.

Hidden files, and those that systems leave behind (`.DS_Store`, `._x.png`, `Thumbs.db`, `desktop.ini`), are
passed over without a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.data.layouts import ORIGINALS, OTHER_IMAGES, SUFFIXES
from bench.data.names import some

_OF_SYSTEMS = ("thumbs.db", "desktop.ini", "icon\r", "ehthumbs.db")


def left_out(used: Iterable[Path]) -> list[str]:
    """What lies in the folders of `used` and is not used, a line for each reason; nothing if there is
    nothing.

    Files that hold no image by their ending (`.txt`, `.json`) are counted by it.
    """
    wanted = set(used)
    unread: list[Path] = []
    unused: list[Path] = []
    below: list[Path] = []
    holding = {parent for file in wanted for parent in file.parents}
    for folder in sorted({file.parent for file in wanted}):
        for path in sorted(folder.iterdir()):
            if path in wanted or is_of_a_system(path):
                continue
            if path.is_dir():
                below += [] if path in holding else _images_below(path)
            elif path.suffix.lower() in SUFFIXES:
                unused.append(path)
            else:
                unread.append(path)
    said = [
        (unused, "that play no part here"),
        (unread, f"with endings that are not read ({_endings(unread)})"),
        (below, "in folders below those that hold the others"),
    ]
    return [f"{_count(files)} {why}: {_names(files)}" for files, why in said if files]


def is_of_a_system(path: Path) -> bool:
    """Whether an operating system or a viewer left a file behind, or hides it."""
    return path.name.startswith(".") or path.name.lower() in _OF_SYSTEMS or path.name == "__MACOSX"


def looks_like_an_image(path: Path) -> bool:
    """Whether a file that is not read is an image by its ending."""
    return path.suffix.lower() in (*OTHER_IMAGES, *ORIGINALS)


def _images_below(folder: Path) -> list[Path]:
    found = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)
    return [path for path in found if path.is_file() and not is_of_a_system(path)]


def _endings(files: Iterable[Path]) -> str:
    return some(sorted({file.suffix.lower() or "none" for file in files}), 6)


def _count(files: list[Path]) -> str:
    return f"{len(files):,} file" + ("" if len(files) == 1 else "s")


def _names(files: list[Path]) -> str:
    """Images first: they are what somebody may miss."""
    ordered = sorted(files, key=lambda file: (not looks_like_an_image(file), str(file)))
    return some([str(file) for file in ordered])

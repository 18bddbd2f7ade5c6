"""What lies in a folder: its images in natural order, and its subfolders in any letter case."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from bench.core.errors import UsageError

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm",
    ".pnm", ".pfm", ".npy",
)  # fmt: skip
OTHER_IMAGES = (
    ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".exr", ".hdr", ".tga", ".dds", ".psd", ".svg",
    ".ico", ".pcx", ".ras", ".mat", ".npz",
)  # fmt: skip
"""Endings of images that are not read, and may be one half of pairs."""
ORIGINALS = (".dng", ".cr2", ".nef", ".arw", ".raw", ".webm", ".mp4")
"""Endings of what images were made from."""
_DEEPEST = 4  # folders below a split's: deeper ones are not searched (nor endless links)
_FOREIGN = ("__macosx", "@eadir", "$recycle.bin")  # what systems leave in folders and archives


def images(folder: Path) -> list[Path]:
    """Image files of a folder in natural order (2.jpg before 10.jpg), hidden files left out.

    Raises:
        UsageError: if a name is not plain text, or a path is not a file (a pipe, a folder, a broken link).
    """
    files = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return sorted(
        map(checked, (p for p in files if not p.name.startswith("."))), key=lambda p: natural(p.name)
    )


def checked(file: Path) -> Path:
    """`file`, if it is one and its name is plain text.

    Raises:
        UsageError: otherwise.
    """
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in file.name):
        raise UsageError(f"expected image names without control characters, found {file}: rename it")
    if not file.is_file():
        raise UsageError(f"expected an image at {file}, found something else than a file: remove it")
    return file


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that orders numbers by their value."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts] + [(0, 0, name)]


def folded(name: str) -> str:
    """A name as it is compared: letter case and Unicode form (NFC of macOS's NFD) do not matter."""
    return unicodedata.normalize("NFC", name).casefold()


def subfolders(folder: Path) -> dict[str, Path]:
    """The subfolders of `folder` by folded name, in natural order; hidden ones and those of systems left out.

    Raises:
        UsageError: if two names differ only in letter case or Unicode form.
    """
    found: dict[str, Path] = {}
    if not folder.is_dir():
        return found
    with os.scandir(folder) as entries:  # asks the system about no file: a split may have 100,000
        names = sorted((entry.name for entry in entries if entry.is_dir()), key=natural)
    for path in (folder / name for name in names):
        name = folded(path.name)
        if name.startswith(".") or name in _FOREIGN:
            continue
        if name in found:
            raise UsageError(
                f"expected one folder named {name}/ in {folder}, found {found[name].name}/ and {path.name}/: "
                "rename or remove one"
            )
        found[name] = path
    return found


def below(folder: Path, depth: int = _DEEPEST) -> dict[str, Path]:
    """The images of `folder` or, if it holds none itself, of its folders within: path without ending -> file.

    "cats/1" for `cats/1.png`; names are in NFC.

    Raises:
        UsageError: from `images`, or if two images have one name ("1.png" and "1.jpg").
    """
    named = [(file.stem, file) for file in images(folder)]
    if not named and depth:
        inner = ((path.name, below(path, depth - 1)) for path in subfolders(folder).values())
        named = [(f"{name}/{rest}", file) for name, held in inner for rest, file in held.items()]
    return _by_name(folder, named)


def _by_name(folder: Path, named: list[tuple[str, Path]]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for stem, file in named:
        name = unicodedata.normalize("NFC", stem)
        if name in found:
            raise UsageError(
                f"expected one image named '{name}' in {folder}, found {found[name]} and {file}: rename or "
                "remove one"
            )
        found[name] = file
    return found


def holds_images(folder: Path) -> bool:
    """Whether an image is in `folder` itself."""
    with os.scandir(folder) as entries:
        return any(
            entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".") for entry in entries
        )


def has_images(folder: Path, depth: int = _DEEPEST) -> bool:
    """Whether `folder` or a folder within it holds an image; looks no deeper than it must."""
    if not folder.is_dir():
        return False
    return holds_images(folder) or (
        bool(depth) and any(has_images(path, depth - 1) for path in subfolders(folder).values())
    )

"""Matches images in folders that other tools have written: by stem, with known endings.

`road_leftImg8bit_fake_B.png` and `road_leftImg8bit_real_B.png` of the released PyTorch code are the
prediction and the target of `road`; they may be in one folder. Only file names are read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.core.errors import UsageError
from bench.data.layouts import SUFFIXES, images, natural

Part = Literal["prediction", "target", "source", "labels"]
ENDINGS: dict[Part, tuple[str, ...]] = {
    "prediction": ("_fake_B", "_synthesized_image", "-outputs", "_outputs", "_output", "_pred"),
    "target": ("_real_B", "_real_image", "-targets", "_targets", "_target"),
    "source": ("_real_A", "_input_label", "-inputs", "_inputs", "_input"),
    "labels": ("_gtFine_labelIds", "_labelIds", "_gtFine_color", "_label"),  # the best first
}
PHOTO_ENDINGS = ("_leftImg8bit",)  # says what the image shows, not which part it plays
OTHER_ENDINGS = (
    "_fake_A", "_rec_A", "_rec_B", "_idt_A", "_idt_B", "_gtFine_instanceIds", "_gtFine_labelTrainIds",
)  # fmt: skip
_ALL_ENDINGS = sorted(
    [*(end for endings in ENDINGS.values() for end in endings), *PHOTO_ENDINGS, *OTHER_ENDINGS],
    key=len,
    reverse=True,
)
_LISTED = 3
Files = dict[str, Path]


@dataclass(frozen=True)
class Matched:
    """The images that belong together, in natural order of their names.

    Attributes:
        names: stems without endings.
        predictions: one tuple of files a folder of predictions.
        parts: "target", and if available "source" and "labels": files in the order of `names`.
        left_out: what was not matched and is left out, in words; empty if all matched.
    """

    names: tuple[str, ...]
    predictions: tuple[tuple[Path, ...], ...]
    parts: dict[Part, tuple[Path, ...]]
    left_out: tuple[str, ...] = ()


def stem_of(file: Path) -> str:
    """The stem without the endings that say what an image is ("a_leftImg8bit_fake_B.png" -> "a")."""
    stem = file.stem
    while ending := next((end for end in _ALL_ENDINGS if stem.endswith(end) and stem != end), None):
        stem = stem.removesuffix(ending)
    return stem


def part_of(file: Path) -> Part | Literal["other"] | None:
    """The part that the last ending of a file's name states; None if it states none."""
    for part, endings in ENDINGS.items():
        if file.stem.endswith(endings):
            return part
    return "other" if file.stem.endswith(OTHER_ENDINGS) else None


def images_of(folder: Path, part: Part, option: str) -> Files:
    """The images of `folder` (or, if it has none itself, of its subfolders) that play `part`, by stem.

    The images with an ending that states `part`; for predictions also those without a known ending.
    If there are none: the images without a known ending. If all images state the same other part: all, since
    the user gave the folder for `part`.

    Raises:
        UsageError: if there is no such folder or image, or two files have one stem.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of images at {option} {folder}, found none: check the path")
    files = _images(folder)
    chosen = [file for file in files if part_of(file) == part]
    if part == "labels":
        chosen = _best_ending(chosen)
    neutral = [file for file in files if part_of(file) is None]
    chosen = chosen + neutral if part == "prediction" else chosen or neutral
    if not chosen and len({part_of(file) for file in files}) == 1:
        chosen = files
    if not chosen:
        found = f"{len(files)} others such as {files[0].name}" if files else "none"
        kinds = ", ".join(SUFFIXES)
        raise UsageError(f"expected {part} images ({kinds}) in {option} {folder}, found {found}")
    return _by_stem(chosen)


def marked(folder: Path, part: Part) -> Files:
    """The images of `folder` with an ending that states `part`, by stem; there may be none."""
    return _by_stem(file for file in _images(folder) if part_of(file) == part)


def match(predictions: Mapping[Path, Files], parts: Mapping[Part, Files], *, allow_missing: bool) -> Matched:
    """Join folders of predictions with targets, sources and labels.

    Args:
        predictions: folder -> its images by stem.
        parts: "target" and the other available parts, by stem.
        allow_missing: use only the stems that all of them have.

    Raises:
        UsageError: naming the first few stems that one has and another lacks, or if they share none.
    """
    sides: dict[str, Files] = {f"predictions in {folder}": files for folder, files in predictions.items()}
    sides |= {f"{part} images" if part != "labels" else "labels": files for part, files in parts.items()}
    shared = set.intersection(*(set(files) for files in sides.values()))
    if not shared:
        raise UsageError(f"expected images of the same names, found none in common: {_examples(sides)}")
    every = set().union(*sides.values())
    gaps = [_gap(side, every - set(files)) for side, files in sides.items() if every - set(files)]
    if gaps and not allow_missing:
        raise UsageError(
            f"expected the same stems everywhere, found {'; '.join(gaps)}: add or remove images, or go on "
            f"with the {len(shared)} in common by --allow-missing"
        )
    names = tuple(sorted(shared, key=natural))
    return Matched(
        names,
        tuple(tuple(files[name] for name in names) for files in predictions.values()),
        {part: tuple(files[name] for name in names) for part, files in parts.items()},
        tuple(gaps),
    )


def label_of(folder: Path) -> str:
    """The name of a folder of predictions: NAME for results/NAME/test_latest/images, else its own name."""
    folder = folder.resolve()
    epoch = folder.parent
    if folder.name == "images" and epoch.name.startswith(("test_", "val_", "train_")):
        return epoch.parent.name
    return folder.name


def _images(folder: Path) -> list[Path]:
    """The images of a folder in natural order; of its subfolders, if it has none itself."""
    if found := images(folder):
        return found
    inner = (path for path in sorted(folder.rglob("*")) if path.is_dir() and not path.name.startswith("."))
    return [file for sub in inner for file in images(sub)]


def _best_ending(files: Sequence[Path]) -> list[Path]:
    """The files with the best label ending that occurs: ids rather than colours."""
    for ending in ENDINGS["labels"]:
        if chosen := [file for file in files if file.stem.endswith(ending)]:
            return chosen
    return list(files)


def _by_stem(files: Iterable[Path]) -> Files:
    found: Files = {}
    doubled: dict[str, str] = {}
    for file in files:
        stem = stem_of(file)
        if stem in found:
            doubled.setdefault(stem, f"{found[stem].name} and {file.name}")
        found.setdefault(stem, file)
    if doubled:
        folder = next(iter(found.values())).parent
        said = _some(list(doubled.values()))
        raise UsageError(f"expected one image a stem in {folder}, found {said}: rename or remove one")
    return found


def _gap(side: str, lacking: set[str]) -> str:
    return f"{side} lack {_some(sorted(lacking, key=natural))}"


def _examples(sides: Mapping[str, Files]) -> str:
    return "; ".join(f"{side} such as {min(files, key=natural)}" for side, files in sides.items())


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(words[:_LISTED]) + more

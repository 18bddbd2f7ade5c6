"""Matches images in folders that other tools have written: by equal names first, then by stem with known
endings.

`road_leftImg8bit_fake_B.png` and `road_leftImg8bit_real_B.png` of the released PyTorch code are the
prediction and the target of `road`; they may be in one folder, or in folders `output/` and `target/` below
one, as the Lua code and SPADE write them. Only file names are read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from bench.core.errors import UsageError
from bench.data.layouts import SUFFIXES, images, natural
from bench.data.left_out import is_of_a_system
from bench.data.names import normal, some, told_apart

Part = Literal["prediction", "target", "source", "labels"]
ENDINGS: dict[Part, tuple[str, ...]] = {
    "prediction": ("_fake_B", "_synthesized_image", "-outputs", "_outputs", "_output", "_pred", "_fake"),
    "target": ("_real_B", "_real_image", "-targets", "_targets", "_target"),
    "source": ("_real_A", "_input_label", "-inputs", "_inputs", "_input", "_real"),
    "labels": (
        "_gtFine_labelIds", "_gtCoarse_labelIds", "_labelIds", "_gtFine_labelTrainIds",
        "_gtCoarse_labelTrainIds", "_labelTrainIds", "_gtFine_color", "_gtCoarse_color", "_label",
    ),  # the best first
}  # fmt: skip
PHOTO_ENDINGS = ("_leftImg8bit",)  # says what the image shows, not which part it plays
OTHER_ENDINGS = (
    "_fake_A", "_rec_A", "_rec_B", "_idt_A", "_idt_B", "_gtFine_instanceIds", "_gtCoarse_instanceIds",
)  # fmt: skip
_WORDS = (  # that end names of their own ("wine_label"): a part only where no equal name says otherwise
    "_outputs", "_output", "_pred", "_fake", "_targets", "_target", "_inputs", "_input", "_real", "_label",
)  # fmt: skip
_FOLDERS: dict[str, Part] = {
    "output": "prediction", "outputs": "prediction", "synthesized_image": "prediction",
    "fake_b": "prediction",
    "fake": "prediction", "target": "target", "targets": "target", "real_b": "target", "real_image": "target",
    "input": "source", "inputs": "source", "input_label": "source", "real_a": "source",
}  # fmt: skip
_ALL_ENDINGS = sorted(
    [*(end for endings in ENDINGS.values() for end in endings), *PHOTO_ENDINGS, *OTHER_ENDINGS],
    key=len,
    reverse=True,
)
Files = dict[str, Path]


@dataclass(frozen=True)
class Image:
    """An image file in a folder that was asked for.

    Attributes:
        file: its path.
        below: the folders between that folder and the file.
    """

    file: Path
    below: tuple[str, ...] = ()

    @cached_property
    def part(self) -> Part | Literal["other"] | None:
        """The part that the last ending of its name states, else the name of a folder; or None."""
        for part, endings in ENDINGS.items():
            if self.file.stem.endswith(endings):
                return part
        if self.file.stem.endswith(OTHER_ENDINGS):
            return "other"
        return next(
            (_FOLDERS[name.lower()] for name in reversed(self.below) if name.lower() in _FOLDERS), None
        )

    def name(self, qualified: bool) -> str:
        """Its stem in NFC; with `qualified` after its folders, where several hold equal stems."""
        folders = [name for name in self.below if name.lower() not in _FOLDERS] if qualified else []
        return normal("_".join([*folders, self.file.stem]))


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


def stems_of(name: str) -> list[str]:
    """A name, then without its last ending, without the last two, and so on.

    "a_leftImg8bit_fake_B" -> itself, "a_leftImg8bit", "a".
    """
    found = [name]
    while ending := next((end for end in _ALL_ENDINGS if name.endswith(end) and name != end), None):
        name = name.removesuffix(ending)
        found.append(name)
    return found


def part_of(file: Path) -> Part | Literal["other"] | None:
    """The part that the last ending of a file's name states; None if it states none."""
    return Image(file).part


def images_of(folder: Path, part: Part, option: str) -> list[Image]:
    """The images of `folder` or, if it has none itself, of its subfolders.

    Raises:
        UsageError: if there is no such folder, or no image that may play `part`.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of images at {option} {folder}, found none: check the path")
    found = _images(folder)
    if not found:
        raise UsageError(
            f"expected {part} images ({', '.join(SUFFIXES)}) in {option} {folder}, found none: check the path"
        )
    return found


def marked(images: Iterable[Image], part: Part) -> list[Image]:
    """The images with an ending, or in a folder, that states `part`; there may be none."""
    return [image for image in images if image.part == part]


def match(
    predictions: Mapping[Path, Sequence[Image]],
    parts: Mapping[Part, Sequence[Image]],
    *,
    allow_missing: bool,
    train_ids: bool = False,
) -> Matched:
    """Join folders of predictions with targets, sources and labels.

    Names that predictions and targets have in common match as they are. What is left is matched by its stem
    without endings: the images that state the part asked for; for predictions also those that state none.

    Args:
        predictions: folder -> its images.
        parts: "target" and the other available parts.
        allow_missing: use only the stems that all of them have.
        train_ids: whether `*_labelTrainIds` are wanted rather than `*_labelIds`.

    Raises:
        UsageError: if a folder has no image for its part or two of one name, or naming the first few stems
            that one has and another lacks, or if they share none.
    """
    sides: dict[str, tuple[Part, Sequence[Image]]] = {
        f"predictions in {folder}": ("prediction", found) for folder, found in predictions.items()
    }
    sides |= {
        f"{part} images" if part != "labels" else "labels": (part, found) for part, found in parts.items()
    }
    qualified = any(_needs_folders(found) for _, found in sides.values())
    equal = equal_names(
        [found for part, found in sides.values() if part in ("prediction", "target")], qualified
    )
    files = {
        side: _by_stem(_chosen(found, part, equal, qualified, train_ids, side), equal, qualified)
        for side, (part, found) in sides.items()
    }
    shared = set.intersection(*(set(one) for one in files.values()))
    if not shared:
        raise UsageError(f"expected images of the same names, found none in common: {_examples(files)}")
    every = set().union(*files.values())
    gaps = [_gap(side, every - set(one)) for side, one in files.items() if every - set(one)]
    if gaps and not allow_missing:
        raise UsageError(
            f"expected the same stems everywhere, found {'; '.join(gaps)}: add or remove images, or go on "
            f"with the {len(shared)} in common by --allow-missing"
        )
    names = tuple(sorted(shared, key=natural))
    ordered = [tuple(one[name] for name in names) for one in files.values()]
    return Matched(
        names, tuple(ordered[: len(predictions)]), dict(zip(parts, ordered[len(predictions) :], strict=True)),
        tuple(gaps),
    )  # fmt: skip


def by_stem(found: Sequence[Image]) -> Files:
    """Images of one part by stem."""
    return _by_stem(found, set(), _needs_folders(found))


def label_of(folder: Path) -> str:
    """The name of a folder of predictions: NAME for results/NAME/test_latest/images, else its own name."""
    folder = folder.resolve()
    epoch = folder.parent
    if folder.name == "images" and epoch.name.startswith(("test_", "val_", "train_")):
        return epoch.parent.name
    return folder.name


def _images(folder: Path) -> list[Image]:
    """The images of a folder in natural order; of its subfolders, if it has none itself."""
    if found := images(folder):
        return [Image(file) for file in found]
    inner = (path for path in sorted(folder.rglob("*")) if path.is_dir() and not is_of_a_system(path))
    return [Image(file, sub.relative_to(folder).parts) for sub in inner for file in images(sub)]


def _needs_folders(found: Sequence[Image]) -> bool:
    """Whether two images of one part have equal stems in different folders."""
    seen: dict[tuple[str, str | None], str] = {}
    for image in found:
        key = (image.name(False), image.part)
        if seen.setdefault(key, image.name(True)) != image.name(True):
            return True
    return False


def _is_results(found: Sequence[Image]) -> bool:
    """Whether a folder holds several parts of each of its images, as tools write results."""
    parts: dict[str, set[str]] = {}
    for image in found:
        if image.part is None:
            return False
        parts.setdefault(stems_of(image.name(True))[-1], set()).add(image.part)
    return all(len(one) > 1 for one in parts.values())


def equal_names(sides: Sequence[Sequence[Image]], qualified: bool | None = None) -> set[str]:
    """Names that all of `sides` hold as they are, without the mark of a tool ("_fake_B").

    Args:
        qualified: whether names have their folders before them; None: where stems alone are not unique.
    """
    if qualified is None:
        qualified = any(map(_needs_folders, sides))
    if any(_is_results(found) for found in sides):
        return set()
    tools = tuple(end for end in _ALL_ENDINGS if end not in (*_WORDS, *PHOTO_ENDINGS))
    named = [{image.name(qualified) for image in found} for found in sides]
    return {name for name in set.intersection(*named) if not name.endswith(tools)}


def _chosen(
    found: Sequence[Image], part: Part, equal: set[str], qualified: bool, train_ids: bool, side: str
) -> list[Image]:
    """The images that play `part`: those of equal names, and of the others by what they state."""
    same = [image for image in found if image.name(qualified) in equal]
    rest = [image for image in found if image.name(qualified) not in equal]
    stated, neutral = marked(rest, part), [image for image in rest if image.part is None]
    if part == "labels":
        stated = _best_ending(stated, train_ids)
    chosen = stated + neutral if part == "prediction" or same else stated or neutral
    chosen = chosen or _best_ending(marked(rest, "labels"), train_ids)
    if not same and not chosen and len({image.part for image in rest}) == 1:
        chosen = rest
    if not same and not chosen:
        raise UsageError(
            f"expected {part} images for the {side}, found {len(found)} others such as {found[0].file}: "
            "name the folder that holds them"
        )
    return same + chosen


def _best_ending(found: Sequence[Image], train_ids: bool) -> list[Image]:
    """The images with the best label ending that occurs: ids rather than train ids rather than colours."""
    endings = sorted(ENDINGS["labels"], key=lambda end: train_ids and "TrainIds" not in end)  # stable
    for ending in endings:
        if chosen := [image for image in found if image.file.stem.endswith(ending)]:
            return chosen
    return list(found)


def _by_stem(found: Iterable[Image], equal: set[str], qualified: bool) -> Files:
    files: Files = {}
    doubled: dict[str, str] = {}
    for image in found:
        stem = _stem(image, equal, qualified)
        if stem in files:
            doubled.setdefault(stem, told_apart(files[stem], image.file))
        files.setdefault(stem, image.file)
    if doubled:
        raise UsageError(
            f"expected one image a stem, found {some(list(doubled.values()))}: rename or remove one"
        )
    return files


def _stem(image: Image, equal: set[str], qualified: bool) -> str:
    """The name that an image is matched by: as it is if that is an equal name, else without endings."""
    stems = stems_of(image.name(qualified))
    stem = next((stem for stem in stems if stem in equal), stems[-1])
    return next((stem.removesuffix(end) for end in PHOTO_ENDINGS if stem.endswith(end) and stem != end), stem)


def _gap(side: str, lacking: set[str]) -> str:
    return f"{side} lack {some(sorted(lacking, key=natural))}"


def _examples(sides: Mapping[str, Files]) -> str:
    return "; ".join(f"{side} such as {min(files, key=natural)}" for side, files in sides.items())

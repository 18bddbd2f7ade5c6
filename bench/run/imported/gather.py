"""Images that this project did not make: matched by name, checked by their headers.

Nothing is resized without `--size`: predictions and targets must have one size and are scored pixel by pixel.
Labels may be larger; they are resized like those of data sets (nearest).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.sizes import NATIVE, ImageSize, Size, is_native
from bench.core.errors import UsageError
from bench.data import readers
from bench.data.aspect import squeezed
from bench.data.cache import FileHashes, digest
from bench.data.sides import direction_side
from bench.data.types import DatasetCard, Role
from bench.run.imported.images import ForeignImages, roles_of
from bench.run.imported.match import Files, Matched, Part, images_of, label_of, marked, match
from bench.spec.pairs_used import even_indices
from bench.spec.run_spec import DataSpec

Header = tuple[str, tuple[int, int]]
_SHOWN = 3


@dataclass(frozen=True)
class ForeignRequest:
    """What to score against what.

    Attributes:
        folders: of predictions, each a row of the comparison.
        names: of the rows; empty: after their folders.
        target: folder of targets; None: those beside the first folder's predictions.
        labels, source: folders, or None: sources beside the predictions, labels from a label-map side.
        train_target: folder of real training targets for the `real` row, or None.
        card: palette, classes and roles; None: images without classes.
        direction: of the card's domains, or None: its default.
        size_px: size to which all images are resized; None or "native": not resized.
        allow_missing: use only the stems that all folders have.
    """

    folders: tuple[Path, ...]
    names: tuple[str, ...] = ()
    target: Path | None = None
    labels: Path | None = None
    source: Path | None = None
    train_target: Path | None = None
    card: DatasetCard | None = None
    direction: str | None = None
    size_px: Size | None = None
    allow_missing: bool = False


def gather(request: ForeignRequest, hashes: FileHashes) -> ForeignImages:
    """Match the requested images, and check names, modes and sizes by the files' headers.

    Raises:
        UsageError: for anything that does not fit; the first few files are named.
    """
    card = request.card or _plain_card(request.target)
    direction = direction_side(card, request.direction) or card.direction
    roles = roles_of(card, direction)
    rows = _rows(request)
    matched = _matched(request, hashes)
    if "labels" in matched.parts and not card.classes:
        raise UsageError(
            "expected --dataset CARD with --labels, to know the classes, found none: name a card"
        )
    train = () if request.train_target is None else _train_targets(request.train_target, len(matched.names))
    files: dict[Part, list[Path]] = {part: list(paths) for part, paths in matched.parts.items()}
    files["target"] += train
    files["prediction"] = [file for paths in matched.predictions for file in paths]
    headers = {file: readers.header(file) for paths in files.values() for file in paths}
    sizes = {file: ImageSize(*headers[file][1]) for part in files if part != "labels" for file in files[part]}
    size_px, resized_from = _size(request.size_px, matched, files, sizes)
    data = DataSpec(
        name=card.name,
        direction=direction,
        source="paired",
        train_n=0,
        test_n=len(matched.names),
        train_fingerprint="",
        test_fingerprint=_test_fingerprint(matched, roles, hashes),
    )
    modes = _modes(files, headers, roles)
    aspect = squeezed(list(sizes.values()), size_px)
    return ForeignImages(card, data, rows, size_px, matched, modes, resized_from, train, hashes, aspect)


def _plain_card(target: Path | None) -> DatasetCard:
    name = "pictures" if target is None else label_of(target)
    return DatasetCard(
        name, name, "as found", "the owner's", "", ("source", "target"), ("image", "photo"), "source2target",
        (), {}, 0, "",
    )  # fmt: skip


def _rows(request: ForeignRequest) -> tuple[tuple[str, Path], ...]:
    names = request.names or tuple(label_of(folder) for folder in request.folders)
    if len(names) != len(request.folders) or len(set(names)) != len(names):
        raise UsageError(
            f"expected {len(request.folders)} different names for {len(request.folders)} folders of "
            f"predictions, found {', '.join(names)}: give them by --name A,B"
        )
    return tuple(zip(names, request.folders, strict=True))


def _matched(request: ForeignRequest, hashes: FileHashes) -> Matched:
    predictions = {folder: images_of(folder, "prediction", "") for folder in request.folders}
    if len(predictions) < len(request.folders):
        raise UsageError("expected each folder of predictions once, found one twice")
    first = request.folders[0]
    parts: dict[Part, Files] = {}
    if request.target is not None:
        parts["target"] = images_of(request.target, "target", "--target")
    else:
        parts["target"] = _own_targets(request.folders, hashes)
    if request.source is not None:
        parts["source"] = images_of(request.source, "source", "--source")
    elif beside := marked(first, "source"):
        parts["source"] = beside
    if request.labels is not None:
        parts["labels"] = images_of(request.labels, "labels", "--labels")
    return match(predictions, parts, allow_missing=request.allow_missing)


def _own_targets(folders: Sequence[Path], hashes: FileHashes) -> Files:
    """Targets beside the predictions (`*_real_B`), the same in every folder."""
    found = [marked(folder, "target") for folder in folders]
    for folder, targets in zip(folders, found, strict=True):
        if not targets:
            raise UsageError(
                f"expected --target DIR, or targets (*_real_B) beside the predictions in {folder}, found none"
            )
        shared = [stem for stem in found[0] if stem in targets]
        pairs = [hashes.hashes([files[stem] for stem in shared]) for files in (found[0], targets)]
        if other := [stem for stem, a, b in zip(shared, *pairs, strict=True) if a != b]:
            raise UsageError(
                f"expected the same targets beside all predictions, found others in {folder} than in "
                f"{folders[0]} ({', '.join(other[:_SHOWN])}): score both against one --target DIR"
            )
    return found[0]


def _train_targets(folder: Path, wanted: int) -> tuple[Path, ...]:
    """Training targets, evenly spaced: as many as test images, or all if there are fewer."""
    files = tuple(images_of(folder, "target", "--train-target").values())
    return tuple(files[i] for i in even_indices(len(files), min(wanted, len(files))))


def _modes(
    files: dict[Part, list[Path]], headers: dict[Path, Header], roles: tuple[Role, Role]
) -> dict[Part, readers.Mode]:
    """The mode of each part, one for all of its files."""
    as_role: dict[Part, Role] = {"source": roles[0], "labels": "labels"}
    modes: dict[Part, readers.Mode] = {}
    for part, paths in files.items():
        found = [readers.classify(headers[file][0], as_role.get(part, roles[1]), file) for file in paths]
        modes[part] = found[0]
        if others := [(file, mode) for file, mode in zip(paths, found, strict=True) if mode != found[0]]:
            listed = ", ".join(f"{file} ({mode})" for file, mode in others[:_SHOWN])
            raise UsageError(
                f"expected {part} images of one mode, found {paths[0]} ({found[0]}) but {len(others)} of "
                f"another: {listed}: convert them"
            )
    if roles[1] != "labels" and modes["prediction"] != modes["target"]:
        raise UsageError(
            f"expected predictions of the targets' mode, found {files['target'][0]} ({modes['target']}) but "
            f"{files['prediction'][0]} ({modes['prediction']}): convert them"
        )
    return modes


def _size(
    wanted: Size | None, matched: Matched, files: dict[Part, list[Path]], sizes: dict[Path, ImageSize]
) -> tuple[Size, str | None]:
    """Size of the images, and the predictions' own sizes where `wanted` changes them.

    Without `wanted` nothing is resized: all images have one size, or each prediction has that of its target
    ("native").
    """
    first = files["prediction"][0]
    if wanted is not None and not is_native(wanted):
        own = sorted({sizes[file] for file in files["prediction"]})
        said = ", ".join(map(str, own[:_SHOWN]))
        return wanted, None if [size.document for size in own] == [wanted] else said
    others = [file for file, size in sizes.items() if size != sizes[first]]
    if not others:
        return sizes[first].document, None
    if len({sizes[file] for file in matched.parts["target"]}) == 1:
        listed = ", ".join(f"{file} ({sizes[file]})" for file in others[:_SHOWN])
        raise UsageError(
            f"expected images of one size, found {first} ({sizes[first]}) but {len(others)} of another: "
            f"{listed}: resize them, or all of them by --size WIDTHxHEIGHT"
        )
    compared = [matched.parts["target"], *matched.predictions]
    compared += [matched.parts["source"]] if "source" in matched.parts else []
    for target, *rest in zip(*compared, strict=True):
        if other := [file for file in rest if sizes[file] != sizes[target]]:
            raise UsageError(
                f"expected each image in the size of its target, found {target} ({sizes[target]}) and "
                f"{other[0]} ({sizes[other[0]]}): resize them, or all of them by --size WIDTHxHEIGHT"
            )
    return NATIVE, None


def _test_fingerprint(matched: Matched, roles: tuple[Role, Role], hashes: FileHashes) -> str:
    """Content hash of what predictions are scored against: names, targets, labels."""
    compared = {"target", "labels"} | ({"source"} if roles[0] == "labels" else set())
    return digest(
        [matched.names, {part: hashes.hashes(f) for part, f in matched.parts.items() if part in compared}]
    )

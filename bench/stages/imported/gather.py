"""Images that this project did not make: matched by name, checked by their headers.

Nothing is resized without `--size`, and no gray becomes colour without `--as`: predictions and targets must
have one size and kind, and are scored pixel by pixel. Labels may be larger; they are resized like those of
data sets (nearest).
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
from bench.data.image_file import Header, header
from bench.data.label_maps import label_mode
from bench.data.left_out import left_out
from bench.data.names import some
from bench.data.sides import direction_side
from bench.data.types import DatasetCard, LabelValues, Role
from bench.spec.pairs_used import even_indices
from bench.spec.run_spec import DataSpec
from bench.stages.imported.images import AsMode, ForeignImages, roles_of
from bench.stages.imported.match import (
    Image,
    Matched,
    Part,
    by_stem,
    equal_names,
    images_of,
    label_of,
    marked,
    match,
)
from bench.stages.imported.value_range import check_units, range_of

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
        label_values: what gray label files hold; None: found out.
        as_mode: "colour" or "gray": what gray and colour images are converted to; None: not converted.
        data_range: declared lowest and highest value of 16-bit and float images, or None.
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
    label_values: LabelValues | None = None
    as_mode: AsMode | None = None
    data_range: tuple[float, float] | None = None


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
    headers = {file: header(file) for paths in files.values() for file in paths}
    sized = [file for part, paths in files.items() if part != "labels" for file in paths]
    sizes = {file: ImageSize(*headers[file].size) for file in sized}
    modes = _modes(files, headers, roles, request.as_mode)
    faults = _mode_faults(modes, files, roles)
    try:
        size_px, resized_from = _size(request.size_px, matched, files, sizes)
    except UsageError as error:
        raise UsageError("; ".join([*faults, str(error)])) from None
    if faults:
        raise UsageError("; ".join(faults))
    data = DataSpec(
        name=card.name,
        direction=direction,
        source="paired",
        train_n=0,
        test_n=len(matched.names),
        train_fingerprint="",
        test_fingerprint=_test_fingerprint(matched, roles, hashes),
    )
    single = _one_mode(modes, card, files, request.label_values)
    compared = [*files["prediction"], *files["target"]]
    if single["target"] == "float":
        kinds = {
            kind: [file for file in compared if headers[file].kind == kind] for kind in ("float", "16-bit")
        }
        check_units(kinds["float"], kinds["16-bit"])
    values = range_of(single["target"], request.data_range, matched.parts["target"])
    facts = [
        (
            paths,
            readers.facts([(headers[file], file) for file in paths], _role(part, roles), single[part], card),
        )
        for part, paths in files.items()
    ]
    changes = tuple(sorted({change for _, found in facts for change in found}))
    notes = (
        *(f"left out: {line}" for line in left_out(file for paths in files.values() for file in paths)),
        *(
            f"{len(who)} images {change}, such as {who[0]}"
            for _, found in facts
            for change, who in found.items()
        ),
        *_meanings(single, roles),
    )
    return ForeignImages(
        card,
        data,
        rows,
        size_px,
        matched,
        single,
        resized_from,
        train,
        hashes,
        squeezed(list(sizes.values()), size_px),
        request.as_mode,
        values,
        changes,
        notes,
    )


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
    first = predictions[request.folders[0]]
    parts: dict[Part, Sequence[Image]] = {}
    if request.target is not None:
        parts["target"] = images_of(request.target, "target", "--target")
    else:
        parts["target"] = _own_targets(predictions, hashes)
    if request.source is not None:
        parts["source"] = images_of(request.source, "source", "--source")
    else:
        equal = equal_names([first, parts["target"]])
        if beside := [image for image in marked(first, "source") if image.name(False) not in equal]:
            parts["source"] = beside
    if request.labels is not None:
        parts["labels"] = images_of(request.labels, "labels", "--labels")
    wants_train_ids = request.label_values == "trainids"
    return match(predictions, parts, allow_missing=request.allow_missing, train_ids=wants_train_ids)


def _own_targets(predictions: dict[Path, list[Image]], hashes: FileHashes) -> list[Image]:
    """Targets beside the predictions (`*_real_B`, or a folder `target/`), the same in every folder."""
    found = {folder: marked(images, "target") for folder, images in predictions.items()}
    first, own = next(iter(found.items()))
    for folder, targets in found.items():
        if not targets:
            raise UsageError(
                "expected --target DIR, or targets (*_real_B, target/) beside the predictions in "
                f"{folder}, found none"
            )
        one, other = by_stem(own), by_stem(targets)
        shared = [stem for stem in one if stem in other]
        pairs = [hashes.hashes([files[stem] for stem in shared]) for files in (one, other)]
        if unlike := [stem for stem, a, b in zip(shared, *pairs, strict=True) if a != b]:
            raise UsageError(
                f"expected the same targets beside all predictions, found others in {folder} than in "
                f"{first} ({', '.join(unlike[:_SHOWN])}): score both against one --target DIR"
            )
    return own


def _train_targets(folder: Path, wanted: int) -> tuple[Path, ...]:
    """Training targets, evenly spaced: as many as test images, or all if there are fewer."""
    found = images_of(folder, "target", "--train-target")
    stated = marked(found, "target") or [image for image in found if image.part is None] or found
    files = tuple(by_stem(stated).values())
    return tuple(files[i] for i in even_indices(len(files), min(wanted, len(files))))


Modes = dict[Part, dict[Path, readers.Mode]]


def _modes(
    files: dict[Part, list[Path]],
    headers: dict[Path, Header],
    roles: tuple[Role, Role],
    wanted: AsMode | None,
) -> Modes:
    """The mode of each file of each part, converted where `wanted` asks for it."""
    found: Modes = {}
    for part, paths in files.items():
        role = _role(part, roles)
        modes = {file: readers.classify(headers[file].kind, role, file) for file in paths}
        if wanted is not None and role != "labels":
            modes = {file: wanted if mode in ("colour", "gray") else mode for file, mode in modes.items()}
        found[part] = modes
    compared = {mode for part in ("prediction", "target") for mode in found[part].values()}
    if compared == {"16-bit", "float"}:  # measurements in the same units
        for part in ("prediction", "target"):
            found[part] = dict.fromkeys(found[part], "float")
    return found


def _role(part: Part, roles: tuple[Role, Role]) -> Role:
    return roles[0] if part == "source" else "labels" if part == "labels" else roles[1]


def _mode_faults(modes: Modes, files: dict[Part, list[Path]], roles: tuple[Role, Role]) -> list[str]:
    """What is wrong with the kinds of images, and what mends it."""
    faults = []
    for part, found in modes.items():
        first = files[part][0]
        if others := [file for file in files[part] if found[file] != found[first]]:
            listed = some([f"{file} ({found[file]})" for file in others], _SHOWN)
            faults.append(
                f"expected {part} images of one mode, found {first} ({found[first]}) but {len(others)} of "
                f"another: {listed}: {_mode_remedy(set(found.values()))}"
            )
    target, guess = (modes[part][files[part][0]] for part in ("target", "prediction"))
    if roles[1] != "labels" and target != guess:
        faults.append(
            f"expected predictions of the targets' mode, found {files['target'][0]} ({target}) but "
            f"{files['prediction'][0]} ({guess}): {_mode_remedy({target, guess})}"
        )
    return faults


def _mode_remedy(modes: set[readers.Mode]) -> str:
    if modes <= {"gray", "colour"}:
        return "convert all of them by --as gray (luminance) or --as colour (gray repeated)"
    return "save them in one kind"


def _one_mode(
    modes: Modes, card: DatasetCard, files: dict[Part, list[Path]], chosen: LabelValues | None
) -> dict[Part, readers.Mode]:
    """The mode of each part; of gray label maps, what their values mean."""
    found: dict[Part, readers.Mode] = {}
    for part, paths in files.items():
        mode = next(iter(modes[part].values()))
        found[part] = label_mode(card, paths, chosen) if mode == "ids" else mode
    return found


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


def _meanings(modes: dict[Part, readers.Mode], roles: tuple[Role, Role]) -> list[str]:
    """How gray label maps are read, in words, where that is not by the card's ids."""
    words = {"train ids": "train ids, 255 void", "gray colours": "gray levels of the card's colours"}
    return [
        f"{part} images hold {words[mode]}"
        for part, mode in modes.items()
        if mode in words and _role(part, roles) == "labels"
    ]


def _test_fingerprint(matched: Matched, roles: tuple[Role, Role], hashes: FileHashes) -> str:
    """Content hash of what predictions are scored against: names, targets, labels."""
    compared = {"target", "labels"} | ({"source"} if roles[0] == "labels" else set())
    return digest(
        [matched.names, {part: hashes.hashes(f) for part, f in matched.parts.items() if part in compared}]
    )

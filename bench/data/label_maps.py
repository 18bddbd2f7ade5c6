"""What the values of a label file mean: colours of the card, the data set's ids, or train ids.

| file | read as |
|---|---|
| RGB | colours: the nearest of the card, void beyond the limit |
| palette | colours, if every colour that it uses is one of the card; else its indices, as gray |
| gray, 8 or 1 bits | train ids if named `*labelTrainIds`, or where the card gives no ids; ids otherwise |
| gray, card without ids and with gray colours only | the card's gray levels, if the values are among them |

`label_values` ("ids", "trainids", "colours") of `--label-values` or the card's options decides instead.
Values of files whose compression changes them (JPEG) are refused, unless they are colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UsageError
from bench.data.image_file import ImageFile, decode
from bench.data.palette import file_values, train_id_values, value_tables
from bench.data.types import VOID, DatasetCard, LabelValues

LabelMode = Literal["colour", "ids", "train ids", "gray colours"]
_NAMED = "labeltrainids"
_BY_CHOICE: dict[str, LabelMode] = {"ids": "ids", "trainids": "train ids", "colours": "gray colours"}


def label_mode(card: DatasetCard, files: Sequence[Path], chosen: LabelValues | None = None) -> LabelMode:
    """How the single-channel label files of one folder are read.

    Args:
        files: all of them; their values are read only where names and card leave it open.
        chosen: what `--label-values` says; None: the card's own option, or found out.

    Raises:
        UsageError: if some are named as train ids and some are not, the card does not have what was chosen,
            or the values may mean two things.
    """
    chosen = chosen or card.options.label_values
    has_ids = any(entry.id is not None for entry in card.classes)
    if chosen == "ids" and not has_ids:
        raise UsageError(
            f"expected classes with ids in the card of {card.name} for --label-values ids, found none: "
            "give each class an id, or say trainids"
        )
    if chosen:
        return _BY_CHOICE[chosen]
    named = [file for file in files if _NAMED in file.stem.lower()]
    if named and len(named) < len(files):
        other = next(file for file in files if _NAMED not in file.stem.lower())
        raise UsageError(
            f"expected label maps of one kind, found train ids by name in {named[0]} but not in {other}: "
            "keep one "
            "kind, or say what all of them hold by --label-values ids|trainids"
        )
    if named:
        return "train ids"
    grays = _gray_levels(card)
    if has_ids or grays is None:
        return "ids"
    return _levels_or_train_ids(card, grays, files)


def _gray_levels(card: DatasetCard) -> set[int] | None:
    """The gray levels of the card's colours, if all of them are gray and differ."""
    colours = [entry.colour for entry in card.classes]
    if any(len(set(colour)) > 1 for colour in colours) or len(set(colours)) < len(colours):
        return None
    return {colour[0] for colour in colours}


def _levels_or_train_ids(card: DatasetCard, grays: set[int], files: Sequence[Path]) -> LabelMode:
    """By the values of all files: gray levels of the card's colours, or train ids."""
    values = _values_of(files)
    if values is None:
        return "gray colours"  # JPEG: values near a colour are its class
    ids = set(train_id_values(card))
    if not values <= ids - {VOID} and not (values <= ids and not values <= grays):
        return "gray colours"  # 255 is white where all values are colours of the card, else void
    if values <= grays and not _same_meaning(card, values):
        raise UsageError(
            f"expected label maps with one meaning, found {_listed(values)} in {files[0].parent}: train "
            "ids as well "
            f"as colours of {card.name}; say which by --label-values trainids|colours"
        )
    return "ids"


def _values_of(files: Sequence[Path]) -> set[int] | None:
    """All values that occur; None if a file's compression changes values."""
    found: set[int] = set()
    for file in files:
        image = decode(file)
        if image.lossy:
            return None
        found |= set(np.unique(image.values).tolist())
    return found


def _same_meaning(card: DatasetCard, values: Iterable[int]) -> bool:
    """Whether values mean the same classes as train ids and as gray levels."""
    as_level = {entry.colour[0]: entry.train_id for entry in card.classes}
    return all(as_level[value] == value for value in values)


def is_by_colour(image: ImageFile, file: Path, card: DatasetCard, mode: LabelMode) -> bool:
    """Whether a palette image is to be read by colour: every colour that it uses is one of the card.

    Raises:
        UsageError: if only some are, and their indices mean other classes: neither reading would be right.
    """
    if image.palette is None:
        return False
    indices = np.unique(image.values)
    used = [tuple(colour) for colour in image.palette[indices].tolist()]
    known = {entry.colour for entry in card.classes}
    if all(colour in known for colour in used):
        return True
    _, by_value, named = tables(card, mode)
    for index, colour in zip(indices.tolist(), used, strict=True):
        if colour in known and named[index] and tuple(by_value[index].tolist()) != colour:
            other = next(one for one in used if one not in known)
            raise UsageError(
                f"expected palette label maps in the colours of {card.name} alone, or with its ids as "
                f"indices, found {file} with its colour {colour} at the index {index} of another class, and "
                f"{other} besides: add that colour to the card (without a train_id it is void), or correct "
                "the file"
            )
    return False


def colours_decide(palette: bytes | None, card: DatasetCard, mode: str) -> bool:
    """Whether a palette (RGB triples; None: unknown) gives other classes by colour than lawful indices do."""
    if palette is None:
        return True
    _, by_value, named = tables(card, "train ids" if mode == "train ids" else "ids")
    colours = {entry.colour for entry in card.classes}
    entries = [tuple(palette[at : at + 3]) for at in range(0, len(palette) - 2, 3)]
    return any(
        named[index] and colour in colours and tuple(by_value[index].tolist()) != colour
        for index, colour in enumerate(entries[:256])
    )


def tables(
    card: DatasetCard, mode: LabelMode
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Lookup tables of `value_tables` for label files of a `mode` that is no colour."""
    return value_tables(train_id_values(card) if mode == "train ids" else file_values(card))


def lossy_labels(file: Path) -> UsageError:
    """The refusal of label values in a file whose compression changes them."""
    return UsageError(
        f"expected label values in a file that keeps them, found JPEG or lossy WebP in {file}, which "
        "changes them: get "
        "the original PNG, or label maps in colours"
    )


def check_values(image: ImageFile, file: Path, card: DatasetCard, mode: LabelMode) -> None:
    """Raise UsageError if a file cannot hold label values, or holds some that no class has."""
    if image.lossy:
        raise lossy_labels(file)
    known = tables(card, mode)[2]
    values = np.flatnonzero(np.bincount(image.values.ravel(), minlength=256))
    outside = values[~known[values]].tolist()
    if not outside:
        return
    raise UsageError(
        f"expected label values of {card.name} ({_listed(np.flatnonzero(known).tolist())}) in {file}, found "
        f"{_listed(outside)}: {_remedy(card, mode, set(values.tolist()), image)}"
    )


def _remedy(card: DatasetCard, mode: LabelMode, values: set[int], image: ImageFile) -> str:
    if image.palette is not None:
        return "its palette has other colours than the card, so it is read by index: correct card or file"
    if mode == "ids" and any(entry.id is not None for entry in card.classes):
        if max(values) == 255 and values <= {0, 255}:
            return "a mask of 0 and 255 holds no ids: write the id of the class instead of 255"
        if values <= set(train_id_values(card)):
            return "all are train ids of the card: say --label-values trainids, or name them *_labelTrainIds"
        return "add a class with that id to the card (without a train_id it is void), or correct the file"
    if mode == "train ids":
        return "train ids are those of the card and 255 for void: correct the file, or say --label-values ids"
    return (
        "the card gives no class an id, so files hold train ids and 255 for void: give the classes their id "
        "(one without a train_id is void), or correct the file"
    )


def _listed(values: Iterable[int]) -> str:
    """Whole numbers as ranges: "0-10, 255"."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    said = [str(low) if low == high else f"{low}-{high}" for low, high in runs]
    return ", ".join(said[:8]) + (f" and {len(said) - 8} more" if len(said) > 8 else "")

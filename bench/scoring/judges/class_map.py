"""Maps an external judge's classes to the data set's: `--judge KIND:REST,classes=FILE`.

The file is TOML, one line for each class of the judge. A class that is left out is no class of the data set:
it always counts as wrong.

    road = "road"            # the judge's name = the data set's class name
    13 = "car"               # or the judge's output number (from 0)
    "traffic light" = 6      # or a train id on the right
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.core.decode import decode
from bench.core.documents import DocumentError, read_toml
from bench.core.errors import UsageError
from bench.data.types import DatasetCard
from bench.scoring.judges.base import NO_CLASS


def read_class_map(path: Path) -> dict[str, str | int]:
    """The lines of a class map: the judge's number or name -> class name or train id.

    Raises:
        UsageError: if the file is missing, not TOML, empty, or a value is neither text nor a number.
    """
    try:
        lines = decode(read_toml(path), dict[str, str | int])
    except DocumentError as error:
        raise UsageError(f"expected a class map in TOML at {path}: {error}") from None
    if not lines:
        raise UsageError(f'expected lines such as `road = "road"` in class map {path}, found none')
    return lines


def class_table(
    card: DatasetCard, outputs: int, names: Sequence[str] | None, path: Path | None
) -> NDArray[np.int64]:
    """The meaning of each output of the judge.

    Args:
        card: the data set's.
        outputs: how many classes the judge knows, C.
        names: their names in the order of the outputs, if the judge gives them.
        path: the class map; None: the outputs are the data set's classes, in its order.

    Returns:
        (C,) train ids; `NO_CLASS` for an output that is not one of the data set's classes.

    Raises:
        UsageError: if the numbers differ without a map, or the map names a class that does not exist.
    """
    classes = [info.name for info in card.train_classes]
    if path is None:
        if outputs != len(classes):
            raise UsageError(
                f"expected a judge of {len(classes)} classes for {card.name}, found {outputs}: "
                "say what they mean with `,classes=FILE` behind its name (docs/judges.md)"
            )
        return np.arange(outputs)
    table = np.full(outputs, NO_CLASS, dtype=np.int64)
    for key, value in read_class_map(path).items():
        output, train_id = _output(key, outputs, names, path), _train_id(value, classes, path)
        if table[output] not in (NO_CLASS, train_id):
            raise UsageError(
                f"expected output {output} of the judge once in class map {path}, found it again as '{key}'"
            )
        table[output] = train_id
    return table


def _output(key: str, outputs: int, names: Sequence[str] | None, path: Path) -> int:
    """The judge's output that `key` means: its name, else its number."""
    found = [index for index, name in enumerate(names or ()) if name.casefold() == key.casefold()]
    if len(found) == 1:
        return found[0]
    if not found and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < outputs:
        return int(key)
    known = ", ".join(list(names)[:30]) if names else "it gives no names"
    raise UsageError(
        f"expected a class of the judge (0 to {outputs - 1}, or one of its names: {known}) in class map "
        f"{path}, found '{key[:80]}'"
    )


def _train_id(value: str | int, classes: Sequence[str], path: Path) -> int:
    if isinstance(value, str) and value in classes:
        return classes.index(value)
    if isinstance(value, int) and 0 <= value < len(classes):
        return value
    raise UsageError(
        f"expected a class of the data set (0 to {len(classes) - 1}, or {', '.join(classes)}) in class map "
        f"{path}, found {value!r}"
    )

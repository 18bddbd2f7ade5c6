"""What a model of `--model` is once it is opened, and the check of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import Size
from bench.core.errors import UsageError
from bench.spec.models import Model

Asked = Iterable[tuple[NDArray[Any], int]]
"""Sources, (H, W, C) uint8 each, with the seed of what is random in the answer."""


@dataclass(frozen=True)
class Images:
    """The images that a model gets and makes.

    Attributes:
        size_px: their size.
        source_channels, target_channels: 1 or 3.
    """

    size_px: Size
    source_channels: int
    target_channels: int


@dataclass(frozen=True)
class Opened:
    """A model ready for use.

    Attributes:
        translate: sources -> predictions, (H, W, C') uint8 each, in order.
        about: what is known of it (JSON only): architecture, parameters, what was assumed.
    """

    translate: Callable[[Asked], Iterator[NDArray[Any]]]
    about: dict[str, Any]


def value_range(model: Model, key: str, default: str | None = None) -> tuple[float, float]:
    """The range of a model's input ("in") or output ("out"), stated as `range=LO..HI` for both.

    Raises:
        UsageError: if it is not stated, or is no range.
    """
    text = model.option.get(key, model.option.get("range", default))
    what = {"in": "input", "out": "output"}[key]
    if text is None:
        raise UsageError(
            f"model {model.name}: expected the range of its {what}, found none: add ,range=-1..1 (or 0..1, "
            "0..255; in= and out= where they differ) to --model"
        )
    low, dots, high = text.partition("..")
    try:
        found = float(low), float(high)
        if not dots or not (np.isfinite(found).all() and found[0] < found[1]):
            raise ValueError(text)
    except ValueError:
        raise UsageError(f"model {model.name}: expected a range such as -1..1, found '{text}'") from None
    return found


def scaled_in(sources: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.float32]:
    """uint8 -> float32 in the range."""
    low, high = limits
    return (sources.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)).astype(np.float32)


def bytes_of(
    model: Model, made: Any, shape: tuple[int, ...], limits: tuple[float, float] | None
) -> NDArray[np.uint8]:
    """What a model returned as bytes, rounded to nearest; checked first.

    Args:
        made: the array that it returned.
        shape: the shape that is wanted.
        limits: range of floats; None: only uint8 will do.

    Raises:
        UsageError: for another shape or type, NaN, or values out of the range by more than a hundredth of it.
    """
    try:
        found = np.asarray(made)
    except Exception:  # numpy asks the object, which may raise anything
        found = np.empty(0, dtype=object)
    if found.shape != shape:
        got = str(tuple(found.shape)) if found.dtype != object else type(made).__name__
        raise UsageError(f"model {model.name}: expected it to return images of shape {shape}, found {got}")
    if found.dtype == np.uint8:
        return found
    if limits is None or found.dtype.kind != "f":
        wanted = "uint8" if limits is None else "uint8 or floats"
        raise UsageError(f"model {model.name}: expected it to return {wanted}, found {found.dtype}")
    low, high = limits
    if not np.isfinite(found).all():
        count = int((~np.isfinite(found)).sum())
        raise UsageError(
            f"model {model.name}: expected finite values, found {count} that are NaN or infinite"
        )
    slack = (high - low) / 100
    if found.min() < low - slack or found.max() > high + slack:
        raise UsageError(
            f"model {model.name}: expected values in {low:g}..{high:g}, found {found.min():g} to "
            f"{found.max():g}: state the range of its output by out=LO..HI"
        )
    return np.clip(np.round((found.astype(np.float64) - low) * (255 / (high - low))), 0, 255).astype(np.uint8)

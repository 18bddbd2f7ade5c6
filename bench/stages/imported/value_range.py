"""The range of 16-bit and float values: declared, of their type, or measured on the targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.core.errors import UsageError
from bench.data.image_file import decode
from bench.data.readers import Mode
from bench.data.types import SIXTEEN_BITS, DataRange


def range_of(mode: Mode, declared: tuple[float, float] | None, targets: Sequence[Path]) -> DataRange | None:
    """The range that PSNR and SSIM are scored with; None for 8-bit images, whose range is 0 to 255.

    Raises:
        UsageError: if a range is declared for 8-bit images, or all target values are equal.
    """
    if mode not in ("16-bit", "16-bit colour", "float", "float colour"):
        if declared is not None:
            raise UsageError(
                f"expected 16-bit or float images with --data-range, found {targets[0]} ({mode}), whose "
                "range is 0 to 255: "
                "leave it out"
            )
        return None
    if declared is not None:
        return DataRange(*declared, "declared")
    if mode in ("16-bit", "16-bit colour"):
        return SIXTEEN_BITS
    low, high = float("inf"), float("-inf")
    for file in targets:
        values = decode(file).values
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low == high:
        raise UsageError(
            f"expected float targets with a range, found {low:g} everywhere in {targets[0].parent}: "
            "declare it by --data-range LOW,HIGH"
        )
    return DataRange(low, high, "measured on the targets")


def check_units(floats: Sequence[Path], wholes: Sequence[Path]) -> None:
    """Refuse floats of 0 to 1 beside 16-bit images, which are compared in the same units.

    Raises:
        UsageError: if no value of `floats` is above 1, but one of `wholes` is.
    """
    if not floats or not wholes:
        return
    if any(float(decode(file).values.max()) > 1 for file in floats):
        return
    top = max(int(decode(file).values.max()) for file in wholes)
    if top > 1:
        raise UsageError(
            f"expected floats in the units of the 16-bit images ({wholes[0]} and others reach {top}), found "
            f"none above 1 in {floats[0].parent}: multiply them, by 65535 if they are shares of it"
        )

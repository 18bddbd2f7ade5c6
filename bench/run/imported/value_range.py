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

"""Keys of metrics that other libraries bring, as `--metrics` lists them. Imports no torch."""

from __future__ import annotations

from typing import Any

from bench.core.errors import UsageError

LIBRARIES = ("torchmetrics", "pyiqa")


def is_named(key: str) -> bool:
    """Whether a key names a metric of a library: `torchmetrics:NAME`, `pyiqa:NAME`."""
    return key.partition(":")[0] in LIBRARIES and ":" in key


def metric_keys(text: str | None) -> tuple[str, ...]:
    """The keys in a comma-separated list, in order, each once; options belong to the metric before them.

    "ssim,torchmetrics:NAME,kernel_size=7,mae" -> ("ssim", "torchmetrics:NAME,kernel_size=7", "mae")
    """
    keys: list[str] = []
    for part in (part.strip() for part in (text or "").split(",")):
        if "=" in part and keys and is_named(keys[-1]):
            keys[-1] += f",{part}"
        elif part:
            keys.append(part)
    return tuple(dict.fromkeys(map(_ordered, keys)))


def _ordered(key: str) -> str:
    """A key with its options in alphabetical order, so that one metric has one key."""
    name, *options = key.split(",")
    return ",".join([name, *sorted(options)])


def parts(key: str) -> tuple[str, str, dict[str, Any]]:
    """Library, name and options of a key.

    Raises:
        UsageError: for an option without a value.
    """
    first, *given = key.split(",")
    library, _, name = first.partition(":")
    options: dict[str, Any] = {}
    for option in given:
        left, equals, right = option.partition("=")
        if not (left and equals and right):
            raise UsageError(f"expected {first},OPTION=VALUE, found '{option}'")
        options[left] = _value(right)
    return library, name, options


def _value(text: str) -> Any:
    """A number, true, false, none, or the text itself."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

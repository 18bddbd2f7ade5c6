"""What may change: tolerances by metric and row, of the baseline file and of the project's pyproject.toml.

[tool.pix2pix-bench.gate]
alpha = 0.02                                  # chance of a false alarm, whole invocation
metrics = ["fcn_class_iou", "fd_lite0"]      # all by default
allow = ["missing"]
[tool.pix2pix-bench.gate.tolerances]
ssim = { absolute = 0.01 }
[tool.pix2pix-bench.gate.rows."l1+cgan"]      # a label, a row's whole key, or a pattern of it
fd_lite0 = { relative = 0.1 }
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bench.core.decode import decode
from bench.core.errors import UsageError

ALPHA = 0.02
ALLOWABLE = ("missing", "incomparable", "empty")
TABLE = "tool.pix2pix-bench.gate"


@dataclass(frozen=True)
class Tolerance:
    """The change that is allowed: the larger of `absolute` and `relative` times the baseline's size.

    Attributes:
        absolute: in the metric's unit.
        relative: share of the baseline's value.
        both_sides: whether a change for the "better" counts as one for the worse does.
    """

    absolute: float = 0.0
    relative: float = 0.0
    both_sides: bool = False

    def __post_init__(self) -> None:
        for value in (self.absolute, self.relative):
            if not 0 <= value < math.inf:
                raise ValueError(f"expected a tolerance of 0 or more, found {value}")

    def allowed(self, baseline: float) -> float:
        return max(self.absolute, self.relative * abs(baseline))


DEFAULT_TOLERANCES: dict[str, Tolerance] = {
    "*": Tolerance(relative=0.05),
    "fcn_pixel_acc": Tolerance(absolute=0.02),
    "fcn_class_acc": Tolerance(absolute=0.02),
    "fcn_class_iou": Tolerance(absolute=0.02),
    "label_pixel_acc": Tolerance(absolute=0.02),
    "label_class_acc": Tolerance(absolute=0.02),
    "label_class_iou": Tolerance(absolute=0.02),
    "fid": Tolerance(absolute=1.0, relative=0.05),
    "kid": Tolerance(absolute=0.005, relative=0.05),
    "ssim": Tolerance(absolute=0.01),
    "psnr": Tolerance(absolute=0.3),
    "pixel_acc@5": Tolerance(absolute=0.01),
    "pixel_acc@10": Tolerance(absolute=0.01),
    "lab_l": Tolerance(absolute=0.02),
    "lab_a": Tolerance(absolute=0.02),
    "lab_b": Tolerance(absolute=0.02),
    "hf_ratio": Tolerance(absolute=0.02, relative=0.1),
    "people_fooled": Tolerance(absolute=0.05),
    "people_preferred": Tolerance(absolute=0.05),
    "diversity": Tolerance(absolute=0.1, relative=0.2, both_sides=True),
}


@dataclass(frozen=True)
class Settings:
    """What the caller's project says about its gate.

    Attributes:
        alpha: chance of a false alarm in a whole invocation.
        metrics: the keys that are checked; empty: all.
        allow: states that pass: of "missing", "incomparable", "empty".
        ignore_protocol: protocol fields that may differ, beside the baseline's own.
        tolerances: metric key (or "*") -> allowed change; goes before the baseline's.
        rows: label, row key or pattern -> the same, for those rows; goes before everything else.
    """

    alpha: float = ALPHA
    metrics: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    ignore_protocol: tuple[str, ...] = ()
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, Tolerance]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"expected alpha between 0 and 1, found {self.alpha!r}")
        for name in self.allow:
            if name not in ALLOWABLE:
                raise ValueError(f"expected allow to list {', '.join(ALLOWABLE)}, found {name!r}")

    def given(self, metrics: tuple[str, ...], allow: Sequence[str]) -> Settings:
        """These settings with what a caller names beside them."""
        return replace(self, metrics=metrics or self.metrics, allow=(*self.allow, *allow))

    def tolerance(
        self, row: str, metric: str, own: Tolerance | None, shared: Mapping[str, Tolerance]
    ) -> Tolerance:
        """The nearest to the number: this row's, the baseline entry's own, the metric's, then that of "*".

        Args:
            own: what the baseline holds for this very number.
            shared: the baseline's, by metric.
        """
        for pattern, by_metric in self.rows.items():
            if metric in by_metric and _names_row(pattern, row):
                return by_metric[metric]
        if own is not None:
            return own
        for name in (metric, "*"):
            for tolerances in (self.tolerances, shared):
                if name in tolerances:
                    return tolerances[name]
        return Tolerance()


def _names_row(pattern: str, row: str) -> bool:
    return pattern in (row, _label(row)) or fnmatchcase(row, pattern)


def _label(row: str) -> str:
    """The label of "data/direction/size/[steps/]label"; a label may hold slashes itself ("l1+cgan/16")."""
    parts = row.split("/", 3)[-1]
    steps, slash, label = parts.partition("/")
    return label if slash and steps.endswith(" steps") else parts


def read_settings(start: Path) -> Settings:
    """The settings of the nearest pyproject.toml, from the folder `start` upwards; defaults without one.

    Raises:
        UsageError: if the file or its table is malformed; the message names it.
    """
    path = next((f for folder in (start, *start.parents) if (f := folder / "pyproject.toml").is_file()), None)
    if path is None:
        return Settings()
    try:
        content: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"expected TOML in {path}: {error}; mend it") from None
    try:
        for name in TABLE.split("."):
            content = content.get(name, {})
        return decode(content, Settings)
    except (ValueError, AttributeError) as error:
        raise UsageError(f"[{TABLE}] in {path}: {error}; see docs/gates.md") from None

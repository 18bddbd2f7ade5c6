"""Images chosen by their result: best, median and worst of each variant, and where variants disagree.

By which metrics, the reader may say (`bench report --picks`). A pure function of records and their values by
image, so that `bench.stages.illustrate` (which writes what is missing) and the page (which shows it) choose
the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.by_image import Floats
from bench.analysis.column import Column
from bench.analysis.sections import Section
from bench.analysis.viewer_values import FEWEST, ImageValues, image_values
from bench.core.errors import UsageError, unknown_name
from bench.scoring.metrics.catalogue import CATALOGUE

WORDS = ("best", "median", "worst")
# By what is picked unless metrics are named, the first that is there of each group: right content, closeness
# to the target.
CRITERIA = (("fcn_pixel_acc", "label_pixel_acc"), ("lpips", "ssim", "mae"))
DISAGREEMENTS = 3


@dataclass(frozen=True)
class Pick:
    """A test image and what one variant scores on it."""

    words: str
    name: str
    value: float


@dataclass(frozen=True)
class Disagreement:
    """A test image on which two variants are far apart; `values` by label, None where there is none."""

    name: str
    better: str
    worse: str
    values: dict[str, float | None]


@dataclass(frozen=True)
class Picks:
    """What was picked by one metric.

    Attributes:
        column: the metric.
        ranked: (variant, its best, median and worst image).
        disagreements: the images with the largest difference between any two variants, largest first.
    """

    column: Column
    ranked: tuple[tuple[str, tuple[Pick, ...]], ...]
    disagreements: tuple[Disagreement, ...]

    @property
    def names(self) -> list[str]:
        return [
            *(pick.name for _, picks in self.ranked for pick in picks),
            *(one.name for one in self.disagreements),
        ]


def picks(section: Section, metrics: Sequence[str] = ()) -> list[Picks]:
    """The picks of a section: by each of `metrics` that has values by image, else by each criterion."""
    held = image_values(section)
    if held is None or len(held.names) < FEWEST:  # the gallery shows them all
        return []
    return [_picks(held, column) for column in _criteria(held, metrics)]


def picked_names(section: Section, metrics: Sequence[str] = ()) -> list[str]:
    """Stems of all picked images, each once."""
    return list(dict.fromkeys(name for one in picks(section, metrics) for name in one.names))


def pick_metrics(section: Section) -> list[str]:
    """Keys of all metrics that images can be picked by."""
    held = image_values(section)
    return [] if held is None else list(dict.fromkeys(column.info.key for column in held.columns))


def check_picks(sections: Sequence[Section], metrics: Sequence[str]) -> None:
    """Refuse metrics that no section has by image.

    Raises:
        UsageError: naming those that there are.
    """
    if not metrics:
        return
    there = list(dict.fromkeys(key for section in sections for key in pick_metrics(section)))
    for key in metrics:
        if key in there:
            continue
        if key not in CATALOGUE and not any(key == c.info.key for s in sections for c in s.columns):
            raise unknown_name("metric", key, {*CATALOGUE, *there}, "bench list metrics")
        known = ", ".join(there) or "there are none"
        raise UsageError(f"expected --picks among the metrics with values by image ({known}), found {key}")


def _criteria(held: ImageValues, metrics: Sequence[str]) -> list[Column]:
    chosen = []
    found = {column.info.key: column for column in reversed(held.columns)}
    for keys in [(key,) for key in metrics] or CRITERIA:
        chosen += [found[key] for key in keys if key in found][:1]
    return chosen if chosen or metrics else [column for column in held.columns if column.info.ranks][:1]


def _picks(held: ImageValues, column: Column) -> Picks:
    values = held.values[column.id]
    ranked = [
        (label, tuple(Pick(w, held.names[i], float(row[i])) for w, i in zip(WORDS, places, strict=True)))
        for variant, (label, row) in enumerate(zip(held.labels, values, strict=True))
        if (places := held.ranked(column, variant))
    ]
    return Picks(column, tuple(ranked), tuple(_disagreements(held, values, column)))


def _disagreements(held: ImageValues, values: Floats, column: Column) -> list[Disagreement]:
    merits = column.merit(values)
    compared = np.flatnonzero((~np.isnan(merits)).sum(0) >= 2)
    gaps = {int(i): float(np.nanmax(merits[:, i]) - np.nanmin(merits[:, i])) for i in compared}
    order = sorted(gaps, key=lambda i: (-gaps[i], held.names[i]))
    return [
        Disagreement(
            held.names[i],
            held.labels[int(np.nanargmax(merits[:, i]))],
            held.labels[int(np.nanargmin(merits[:, i]))],
            {
                label: None if np.isnan(value) else float(value)
                for label, value in zip(held.labels, values[:, i], strict=True)
            },
        )
        for i in order[:DISAGREEMENTS]
        if gaps[i] > 0
    ]

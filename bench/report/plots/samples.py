"""Metrics against the number of test images they were measured on."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.analysis.column import Column
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.report.plots.colours import Looks
from bench.report.plots.style import (
    MAX_LINES,
    REAL_SIGN,
    Drawing,
    far_off,
    legend,
    near,
    over_seeds,
    panels,
    rows_cut,
    trace,
)
from bench.scoring.metrics.sample_curve import KEY

METRICS = ("fid", "kid", "fd_lite0", "fcn_class_iou", "label_class_iou", "ssim", "lpips", "mae")
_MOST = 6
_BANDS = 6  # of more rows they cover one another
_BAND_WORDS = "Bands: lowest to highest of the disjoint subsets of a size"
Curves = tuple[Any, Any, Any, Any]  # n, value, low, high


def sample_curves(section: Section, looks: Looks) -> Drawing | None:
    """A panel a metric, a line a variant, a band where several subsets of a size were measured."""
    rows = section.rows[:MAX_LINES]
    columns = [c for c in section.columns if not c.mark and any(_mean_curve(row, c) for row in rows)]
    columns = sorted((c for c in columns if c.info.key in METRICS), key=_order)[:_MOST]
    if not columns:
        return None
    figure, axes = panels(len(columns), 3.0, 2.4)
    drawn: dict[str, None] = {}
    real = False
    far: list[str] = []
    bands = len(rows) <= _BANDS
    for ax, column in zip(axes, columns, strict=True):
        for turn, row in enumerate(rows):
            if (found := _mean_curve(row, column)) is not None:
                n, value, low, high = found
                trace(ax, n, value, looks[row.label], turn)
                if bands:
                    ax.fill_between(n, low, high, color=looks[row.label].colour, alpha=0.12, linewidth=0)
                drawn[row.label] = None
        if section.real is not None and (found := _mean_curve(section.real, column)) is not None:
            if all(near(ax.get_ylim(), value) for value in found[1]):
                ax.plot(found[0], found[1], **REAL_SIGN.style)
                real = True
            else:
                far.append(f"{column.title} from {column.text(found[1][0])} to {column.text(found[1][-1])}")
        _log_sizes(ax, column)
    legend(figure, drawn, looks, [REAL_SIGN] if real else [])
    caption = (
        "Each metric over an eighth, a quarter, half and all of the test images. "
        f"{_bands_said(section) if bands else ''}"
        "Fréchet distances fall as N grows, for real images too: only "
        "values at one N compare. Lines that keep their order at all sizes tell more than lines that cross."
        f"{far_off(far)}{rows_cut(section, MAX_LINES)}"
    )
    said = ", ".join(column.title for column in columns)
    alt = f"Line charts of {said} against the number of test images, for {', '.join(drawn)}."
    return Drawing(figure, f"{section.id}-samples", "How many test images it takes", caption, alt)


def _bands_said(section: Section) -> str:
    return f"{_BAND_WORDS}{over_seeds(section, ', averaged over seeds')}. "


def _order(column: Column) -> int:
    return METRICS.index(column.info.key)


def _log_sizes(ax: Any, column: Column) -> None:
    from matplotlib.ticker import NullLocator

    sizes = sorted({int(n) for line in ax.lines for n in line.get_xdata()})
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set(xlabel="test images", title=f"{column.title} {column.arrow}")
    ax.grid(axis="y", linewidth=0.6)


def _mean_curve(row: Row, column: Column) -> Curves | None:
    """The curve of a row, averaged over the seeds that have the sizes of the first; None: no curve."""
    found = [
        held
        for entry in row.entries
        if (held := (entry.record.details.get(KEY) or {}).get(column.info.key)) and held["n"]
    ]
    same = [held for held in found if held["n"] == found[0]["n"]]
    if not same:
        return None
    value = np.array([held["value"] for held in same], dtype=np.float64)
    # The ends of a band that is not known fall on the line: the band closes at N.
    low, high = (
        np.where(np.isnan(ends), value, ends)
        for name in ("low", "high")
        for ends in [np.array([held[name] for held in same], dtype=np.float64)]
    )
    return np.array(same[0]["n"], dtype=np.float64), value.mean(0), low.mean(0), high.mean(0)

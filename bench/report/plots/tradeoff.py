"""Distortion against realism: what a variant pays for its sharpness (Blau and Michaeli 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.analysis.column import Column
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.report.plots.colours import REFERENCE_MARKERS, Looks
from bench.report.plots.style import (
    INK,
    MAX_ROWS,
    REAL_SIGN,
    REFERENCE,
    Drawing,
    Sign,
    legend,
    near,
    new_figure,
    plain,
    rows_cut,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DISTORTION, REALISM = ("mae", "ssim", "lpips"), ("fid", "fd_lite0", "fcn_class_iou")


def trade_off(section: Section, looks: Looks) -> Drawing | None:
    """A point a variant: its distance from the one target across, its distance from real images up."""
    rows = section.rows[:MAX_ROWS]
    x, y = _axis(section, rows, DISTORTION), _axis(section, rows, REALISM)
    if x is None or y is None:
        return None
    shown = [row for row in rows if _both(row, x, y)]
    if not shown:
        return None
    figure = new_figure(5.8, 4.0)
    ax = figure.subplots()
    for row in shown:
        _point(ax, row, x, y, looks)
    ax.margins(0.08)
    outside, signs = _references(ax, section, x, y)
    across = "→" if x.goal == "max" else "←"
    up = "↑" if y.goal == "max" else "↓"
    ax.set(xlabel=f"{x.title} ({x.direction_words})", ylabel=f"{y.title} ({y.direction_words})")
    corner = {"←↓": "↙", "→↓": "↘", "←↑": "↖", "→↑": "↗"}[across + up]
    ax.set_title(f"better: {corner}")
    ax.grid(linewidth=0.6)
    legend(figure, [row.label for row in shown], looks, signs, lines=False)
    seeds = any(len(row.cells[x.id].values) > 1 for row in shown)
    caption = (
        f"Across: closeness to the one target ({x.title}). Up: likeness to real images ({y.title}). "
        f"{corner} is better in both. Blur buys the first at the cost of the second. "
        f"{'Large marks: means. Small dots: single seeds. ' if seeds else ''}"
        f"Thin crosses: 95 % intervals over test images.{outside}{rows_cut(section, MAX_ROWS)}"
    )
    said = "; ".join(f"{row.label} {_text(row, x)}, {_text(row, y)}" for row in shown)
    alt = f"Scatter plot of {x.title} and {y.title}: {said}."
    return Drawing(figure, f"{section.id}-tradeoff", "Distortion against realism", caption, alt)


def _axis(section: Section, rows: Sequence[Row], keys: Sequence[str]) -> Column | None:
    """Of the first metric in `keys` that any row has, the column with the most values."""
    for key in keys:
        columns = [column for column in section.columns if column.info.key == key]
        counts = [sum(row.mean(column) is not None for row in rows) for column in columns]
        if any(counts):
            return columns[counts.index(max(counts))]
    return None


def _both(row: Row, x: Column, y: Column) -> bool:
    return row.mean(x) is not None and row.mean(y) is not None


def _text(row: Row, column: Column) -> str:
    mean = row.mean(column)
    return "missing" if mean is None else column.text(mean)


def _point(ax: Axes, row: Row, x: Column, y: Column, looks: Looks) -> None:
    across, up, look = row.cells[x.id], row.cells[y.id], looks[row.label]
    assert across.mean is not None
    assert up.mean is not None
    thin: dict[str, Any] = {"color": look.colour, "linewidth": 1, "zorder": 2}
    if across.interval is not None:
        ax.plot(across.interval, [up.mean] * 2, **thin)
    if up.interval is not None:
        ax.plot([across.mean] * 2, up.interval, **thin)
    if len(across.values) == len(up.values) > 1:
        ax.plot(across.values, up.values, "o", color=look.colour, markersize=3, alpha=0.7, zorder=3)
    ax.plot(
        across.mean, up.mean, marker=look.marker, color=look.colour, markersize=8, markeredgecolor=INK,
        markeredgewidth=0.7, zorder=4,
    )  # fmt: skip


def _references(ax: Axes, section: Section, x: Column, y: Column) -> tuple[str, list[Sign]]:
    """Marks for what no training made; what is so far off that it squashes the rest is said in words."""
    words, signs = [], []
    xlim, ylim = ax.get_xlim(), ax.get_ylim()  # what the variants take up
    for row in section.references:
        across, up = row.cells[x.id], row.cells[y.id]
        if up.mean is None:
            continue
        if not (near(ylim, up.mean) and (across.mean is None or near(xlim, across.mean))):
            where = f"{x.title} {_text(row, x)}, " if across.mean is not None else ""
            words.append(f"{row.label} ({where}{y.title} {_text(row, y)})")
        elif across.mean is None:
            ax.axhline(up.mean, color=REFERENCE, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            signs.append(Sign(f"{plain(row.label)} (has no {x.title})", REAL_SIGN.style))
        else:
            style: dict[str, Any] = {
                "marker": REFERENCE_MARKERS.get(row.label, "*"),
                "color": REFERENCE,
                "linewidth": 0,
                "markersize": 8,
            }
            ax.plot(across.mean, up.mean, zorder=3, **style)
            signs.append(Sign(plain(row.label), {**style, "markersize": 6.5}))
    return (f" Far outside: {', '.join(words)}." if words else ""), signs

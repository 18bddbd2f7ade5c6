"""Metrics by variant: a bar, its interval, a dot a seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.analysis.column import Column
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.report.plots.colours import Looks
from bench.report.plots.style import INK, MAX_ROWS, MUTED, REFERENCE, Drawing, panels, plain, rows_cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3  # panels side by side
MAX_INCHES = 8.2  # of the panels of a figure: with its caption it stands on a page of A4 or Letter


def metric_bars(section: Section, looks: Looks) -> list[Drawing]:
    """Small multiples: a bar a variant, its interval, a dot a seed, and the real images as a line.

    As many figures as it takes for each to stand on a printed page.
    """
    rows = section.rows[:MAX_ROWS]
    columns = [c for c in section.columns if any(row.mean(c) is not None for row in rows)]
    if not rows or not columns:
        return []
    high = 0.72 + 0.24 * len(rows)
    most = ACROSS * max(1, int(MAX_INCHES / high))
    lots = math.ceil(len(columns) / most)
    each = ACROSS * math.ceil(len(columns) / lots / ACROSS)
    parts = [columns[start : start + each] for start in range(0, len(columns), each)]
    return [
        _bars(section, rows, looks, part, high, (number, len(parts))) for number, part in enumerate(parts, 1)
    ]


def _bars(
    section: Section,
    rows: list[Row],
    looks: Looks,
    columns: list[Column],
    high: float,
    place: tuple[int, int],
) -> Drawing:
    """The figure `place` (number, of how many), panels `high` inches high."""
    import seaborn as sns

    names = [row.label for row in rows]
    figure, axes = panels(len(columns), 2.35, high, ACROSS, sharey=True)
    figure.set_figwidth(figure.get_figwidth() + min(2.6, 0.075 * max(map(len, names))))
    for ax, column in zip(axes, columns, strict=True):
        known = [(row.label, row.mean(column)) for row in rows]
        means = pd.DataFrame(known, columns=["variant", "value"])
        sns.barplot(means, x="value", y="variant", order=names, errorbar=None, width=0.66, ax=ax)
        bars: Any = ax.patches
        for bar in bars:  # a hue for each would take ten times as long
            bar.set_facecolor(looks[names[round(bar.get_y() + bar.get_height() / 2)]].colour)
        _seed_dots(ax, rows, column)
        _reference_lines(ax, section, column)
        ax.set(xlabel="", ylabel="", title=f"{plain(column.title)} {column.arrow}".rstrip())
        ax.tick_params(axis="y", length=0)
        ax.set_yticks(range(len(names)), [plain(name) for name in names])
    number, count = place
    caption = _caption(section) if number == 1 else "Signs as in the first."
    alt = "; ".join(f"{c.title}: {_said(rows, c)}" for c in columns)
    title = "Metrics by variant" + (f" ({number} of {count})" if count > 1 else "")
    key = f"{section.id}-metrics" + (f"-{number}" if number > 1 else "")
    return Drawing(figure, key, title, caption, f"Bar charts. {alt}")


def _caption(section: Section) -> str:
    seeds = max(len(row.seeds) for row in section.rows)
    dots = " Dots: single seeds." if seeds > 1 else ""
    return (
        f"Bars: {'means over seeds' if seeds > 1 else 'values'}. Thin lines: 95 % intervals over test "
        f"images, where there are any.{dots}{_lines_said(section)} "
        f"The arrow says which way is better.{rows_cut(section, MAX_ROWS)}"
    )


def _seed_dots(ax: Axes, rows: list[Row], column: Column) -> None:
    """Intervals and seeds of a column: two artists in all, since each takes its time."""
    cells = [(place, row.cells[column.id]) for place, row in enumerate(rows)]
    lines = [(place, c.interval) for place, c in cells if c.mean is not None and c.interval is not None]
    if lines:
        places, ends = zip(*lines, strict=True)
        ax.hlines(places, *np.transpose(ends), color=INK, linewidth=1.2, capstyle="butt", zorder=3)
    dots = [(place, c.values) for place, c in cells if len(c.values) > 1]
    if dots:
        across = np.concatenate([values for _, values in dots])
        up = np.concatenate([place + np.linspace(-0.14, 0.14, len(values)) for place, values in dots])
        ax.plot(
            across, up, linestyle="", marker="o", markersize=3.4, markerfacecolor="#ffffff",
            markeredgecolor="#161617", markeredgewidth=0.8, zorder=4,
        )  # fmt: skip


def _reference_lines(ax: Axes, section: Section, column: Column) -> None:
    value = section.real.mean(column) if section.real else None
    if value is not None:
        ax.axvline(value, color=REFERENCE, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    if _aimed(column):
        ax.axvline(float(column.goal), color=MUTED, linewidth=3, linestyle=":", zorder=1.9)


def _aimed(column: Column) -> bool:
    return column.info.ranks and column.goal not in ("max", "min")


def _lines_said(section: Section) -> str:
    """Which lines there are; the dots of a target are thick, to be seen where both lines fall together."""
    real = section.real is not None and any(section.real.mean(c) is not None for c in section.columns)
    aimed = any(map(_aimed, section.columns))
    return " Dashed: the real row." * real + " Thick dots: the target value." * aimed


def _said(rows: list[Row], column: Column) -> str:
    parts = [(row.label, row.mean(column)) for row in rows]
    return ", ".join(f"{label} {'missing' if v is None else column.text(v)}" for label, v in parts)

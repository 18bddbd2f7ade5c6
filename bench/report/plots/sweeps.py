"""Metrics against a field that was swept, and against the length of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.cell import Cell
from bench.analysis.column import Column
from bench.analysis.sections import Section
from bench.analysis.sweep_lines import IMAGES_SEEN, Line, Sweep, sweep
from bench.report.plots.colours import Look, Looks
from bench.report.plots.style import (
    REAL_SIGN,
    Drawing,
    far_off,
    legend,
    near,
    panels,
    plain,
    short_ticks,
    trace,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = 8  # so many values get a tick each
_LINES = 12  # lines that a panel holds legibly


def length_curve(section: Section, looks: Looks) -> Drawing | None:
    """Metrics against training images seen, where a variant was trained for several lengths."""
    found = sweep(section, IMAGES_SEEN)
    if found is None:
        return None
    drawn = _figure(section, found, looks, "training images seen")
    return None if drawn is None else Drawing(
        drawn[0], f"{section.id}-length", "Quality by length of training", drawn[1], drawn[2]
    )  # fmt: skip


def sweep_figure(section: Section, found: Sweep, looks: Looks) -> Drawing | None:
    """The chosen metrics against a swept field."""
    drawn = _figure(section, found, looks, found.field)
    return None if drawn is None else Drawing(
        drawn[0], f"{section.id}-sweep-{found.field}", f"Swept: {found.field}", drawn[1], drawn[2]
    )  # fmt: skip


def _figure(section: Section, found: Sweep, looks: Looks, name: str) -> tuple[Any, str, str] | None:
    """The figure, its caption and its description."""
    varied = [line for line in found.lines if len({value for value, _ in line.points}) > 1]
    lines = varied[:_LINES]
    rows = [row for line in lines for _, row in line.points]
    columns = [c for c in found.columns if any(row.mean(c) is not None for row in rows)]
    if not columns:
        return None
    figure, axes = panels(len(columns), 3.0, 2.5)
    own = {line.label: looks[line.look] for line in lines}
    real, far = False, []
    for ax, column in zip(axes, columns, strict=True):
        for turn, line in enumerate(lines):
            _draw_line(ax, line, column, found, own[line.label], turn)
        if section.real is not None and (value := section.real.mean(column)) is not None:
            if drawn := near(ax.get_ylim(), value):
                ax.axhline(value, zorder=1, **REAL_SIGN.style)
            else:
                far.append(f"{column.title} {column.text(value)}")
            real = real or drawn
        ax.set(xlabel=name, title=f"{plain(column.title)} {column.arrow}")
        ax.grid(axis="y", linewidth=0.6)
        _scale(ax, found)
    legend(figure, own, own, [REAL_SIGN] if real else [])
    return figure, _caption(found, lines, len(varied), name, far), _alt(lines, columns, name)


def _draw_line(ax: Axes, line: Line, column: Column, found: Sweep, look: Look, turn: int) -> None:
    held = [(value, cell) for value, row in line.points if (cell := row.cells[column.id]).mean is not None]
    if not held:
        return
    across = [value if found.numeric else found.values.index(value) for value, _ in held]
    shift = 0.0 if found.numeric else 0.1 * (turn - 0.5)
    x = np.asarray(across, dtype=np.float64) + shift
    cells = [cell for _, cell in held]
    if found.numeric and len(x) > 1:
        low, high = np.array([_ends(cell) for cell in cells]).T
        ax.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)
    else:
        for place, cell in zip(x, cells, strict=True):
            ax.plot([place] * 2, _ends(cell), color=look.colour, linewidth=1.2)
    for place, cell in zip(x, cells, strict=True):
        if len(cell.values) > 1:
            ax.plot(
                [place] * len(cell.values), cell.values, linestyle="", marker="o", markersize=3,
                markerfacecolor="none", markeredgecolor=look.colour, markeredgewidth=0.7, zorder=3,
            )  # fmt: skip
    joined: dict[str, Any] = {} if found.numeric else {"linewidth": 0.7}
    trace(ax, x, [cell.mean for cell in cells], look, markersize=5, zorder=4, **joined)


def _ends(cell: Cell) -> tuple[float, float]:
    assert cell.mean is not None
    return cell.interval or (cell.mean, cell.mean)


def _scale(ax: Axes, found: Sweep) -> None:
    """The axis of the field: logarithmic where its values span much, a tick a value where they are few."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    values = found.values
    if not found.numeric:
        ax.set_xticks(range(len(values)), [plain(str(value), 14) for value in values])
        ax.set_xlim(-0.5, len(values) - 0.5)
        return
    low, high = min(values), max(values)
    if found.logarithmic:
        smallest = min(value for value in values if value > 0)
        if low > 0:
            ax.set_xscale("log")
        else:  # 0 has its place one step left of the smallest
            ax.set_xscale("symlog", linthresh=smallest, linscale=0.6)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlim(low / 1.3 if low > 0 else -smallest / 4, high * 1.3)
    else:
        ax.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    if len(values) <= _TICKS:
        ax.set_xticks(values, [_short(value) for value in values])
        _slant(ax, found)
    elif found.logarithmic:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    else:
        short_ticks(ax)


def _slant(ax: Axes, found: Sweep) -> None:
    if sum(len(_short(value)) + 1 for value in found.values) > 26:
        for tick in ax.get_xticklabels():
            tick.set(rotation=40, ha="right", rotation_mode="anchor")


def _short(value: float) -> str:
    """10000 -> "10k"; small numbers as they are."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and value % (size / 10) == 0):
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _caption(found: Sweep, lines: list[Line], all_lines: int, name: str, far: list[str]) -> str:
    cells = [c for line in lines for _, row in line.points for c in row.cells.values()]
    dots = " Open dots: single seeds." if any(len(cell.values) > 1 for cell in cells) else ""
    others = [
        f"{row.label} is {line.label} at {value:g}" if found.numeric else f"{row.label} is at {value}"
        for line in lines
        for value, row in line.points
        if not row.label.startswith(line.label)
    ]
    said = f" {'; '.join(others)}." if others else ""
    cut = f" The first {_LINES} of {all_lines} lines." if all_lines > len(lines) else ""
    log = " Logarithmic axis." if found.logarithmic else ""
    return (
        f"Each metric against {name}. All else in a line is equal. Bands: 95 % intervals over test images, "
        f"where there are any.{dots}{log}{said}{far_off(far)}{cut}"
    )


def _alt(lines: list[Line], columns: list[Column], name: str) -> str:
    column = columns[0]
    parts = []
    for line in lines:
        values = [
            f"{value}: {column.text(mean)}"
            for value, row in line.points
            if (mean := row.mean(column)) is not None
        ]
        parts.append(f"{line.label} {', '.join(values)}")
    titles = ", ".join(c.title for c in columns)
    return f"Line charts of {titles} against {name}. {column.title}: {'; '.join(parts)}."

"""Metrics over outputs: a panel a metric, a line a row, verdicts of the gate as rings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.analysis.column import info_of
from bench.gate.outcome import State
from bench.gate.trend import Line, Moment, Point
from bench.report.plots.colours import Looks
from bench.report.plots.style import MAX_LINES, MUTED, Drawing, Sign, legend, new_figure, panels, plain, trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKED: Mapping[State, str] = {
    "regressed": "#c1121f",
    "improved": "#2a7d2e",
    "incomparable": MUTED,
    "missing": MUTED,
}
_TICKS = 4
_CROWDED = 12  # outputs, from which rings and marks are smaller
_PANELS = 12  # a figure


def trend_figures(
    moments: Sequence[Moment], lines: Sequence[Line], names: Mapping[str, str], looks: Looks, key: str
) -> list[Drawing]:
    """The lines of rows that share data and budget, `_PANELS` metrics a figure.

    Args:
        names: row key -> what it is called here, in the order of the looks.
    """
    metrics = list(dict.fromkeys(line.metric for line in lines))
    shown = list(names)[:MAX_LINES]
    made = []
    for start in range(0, len(metrics), _PANELS):
        some = metrics[start : start + _PANELS]
        figure, axes = panels(len(some), 3.1, 2.2) if len(some) > 1 else _one()
        marked: set[State] = set()
        for ax, metric in zip(axes, some, strict=True):
            for line in lines:
                if line.metric == metric and line.row in shown:
                    marked |= _draw(ax, line, names[line.row], looks, crowded=len(moments) > _CROWDED)
            ax.set_title(plain(info_of(metric).title))
            ax.grid(axis="y", linewidth=0.6)
            _time_axis(ax, moments)
        signs = [Sign(state, _ring(MARKED[state])) for state in MARKED if state in marked]
        legend(figure, [names[row] for row in shown], looks, signs)
        titles = ", ".join(info_of(metric).title for metric in some)
        part = f"-{start // _PANELS + 1}" if len(metrics) > _PANELS else ""
        made.append(Drawing(
            figure, f"{key}{part}", "Metrics over time",
            "Means over seeds; bands: 95 % intervals over test images. A ring is a verdict of the gate. A "
            "line breaks where values stop being comparable."
            + (f" The first {MAX_LINES} of {len(names)} rows." if len(names) > MAX_LINES else ""),
            f"Line charts of {titles} over {len(moments)} outputs.",
        ))  # fmt: skip
    return made


def _one() -> tuple[Figure, list[Axes]]:
    figure = new_figure(6.2, 2.8)
    return figure, [figure.subplots()]


def _draw(ax: Axes, line: Line, name: str, looks: Looks, *, crowded: bool) -> set[State]:
    """A line, segment by segment, and its rings; returns the states that were ringed."""
    found: set[State] = set()
    for segment in range(len(line.breaks) + 1):
        points = [point for point in line.points if point.segment == segment]
        places = [point.place for point in points]
        trace(
            ax,
            places,
            [point.cell.value for point in points],
            looks[name],
            markevery=1,
            markersize=2.5 if crowded else 4,
        )
        _band(ax, points, looks[name].colour)
    for point in line.points:
        if point.state is not None and point.state in MARKED:
            found.add(point.state)
            ring = _ring(MARKED[point.state], 7 if crowded else 10)
            ax.plot([point.place], [point.cell.value], clip_on=False, **ring)
    return found


def _band(ax: Axes, points: Sequence[Point], colour: str) -> None:
    known = [(point.place, *point.cell.interval) for point in points if point.cell.interval is not None]
    if len(known) > 1:
        places, low, high = zip(*known, strict=True)
        ax.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)


def _ring(colour: str, size: float = 9) -> dict[str, Any]:
    return {
        "linestyle": "none", "marker": "o", "markersize": size, "markerfacecolor": "none",
        "markeredgecolor": colour, "markeredgewidth": 1.5,
    }  # fmt: skip


def _time_axis(ax: Axes, moments: Sequence[Moment]) -> None:
    """The outputs, evenly spaced: day, and below it the commit."""
    every = max(1, -(-len(moments) // _TICKS))
    places = list(range(0, len(moments), every))
    ax.set_xticks(places, [_tick(moments[place]) for place in places], fontsize=7)
    ax.set_xlim(-0.5, len(moments) - 0.5)


def _tick(moment: Moment) -> str:
    return "\n".join([moment.created[5:10], *(plain(commit, 8) for commit in moment.commits[:1])])

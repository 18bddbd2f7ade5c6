"""Values on the validation images during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.analysis.column import info_of
from bench.analysis.rows import Row
from bench.analysis.sections import Section, in_order
from bench.report.plots.colours import Look, Looks
from bench.report.plots.style import MAX_LINES, Drawing, legend, panels, plain, rows_cut, short_ticks, trace
from bench.report.validation_view import validation_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_METRICS = 6


def validation_curves(section: Section, looks: Looks) -> Drawing | None:
    """Each metric against the number of training images seen: a line a variant, a ring at the step scored."""
    rows = {row.label: held for row in section.rows[:MAX_LINES] if (held := _held(row))}
    runs = [one for held in rows.values() for one in held]
    known = in_order([key for one in runs for key in one["goals"]])
    keys = [key for key in known if any(_curve(one, key) is not None for one in runs)][:_MOST_METRICS]
    if not keys:
        return None
    figure, axes = panels(len(keys), 3.0, 2.4)
    for ax, key in zip(axes, keys, strict=True):
        for turn, (label, held) in enumerate(rows.items()):
            _draw(ax, held, key, looks[label], turn)
        ax.set(xlabel="training images seen", title=plain(f"{info_of(key).title}, validation"))
        ax.grid(axis="y", linewidth=0.6)
        short_ticks(ax)
    legend(figure, rows, looks)
    several = any(len(held) > 1 for held in rows.values())
    caption = (
        f"{'Means over seeds; thin lines: single seeds. ' if several else ''}On the validation images, which "
        "were not trained on. Rings: the step whose generator was scored."
        f"{rows_cut(section, MAX_LINES)}"
    )
    alt = f"Line charts of {', '.join(info_of(key).title for key in keys)} for {', '.join(rows)}."
    return Drawing(figure, f"{section.id}-validation-curves", "Validation during training", caption, alt)


def _held(row: Row) -> list[Mapping[str, Any]]:
    found = [validation_of(entry.record) for entry in row.entries]
    return [one for one in found if one is not None]


def _curve(one: Mapping[str, Any], key: str) -> pd.Series[float] | None:
    """A metric by images seen; None where it has no value."""
    known = {float(p["images_seen"]): float(p[key]) for p in one["points"] if p.get(key) is not None}
    return pd.Series(known, dtype="float64") if known else None


def _draw(ax: Axes, held: Sequence[Mapping[str, Any]], key: str, look: Look, turn: int) -> None:
    curves = [curve for one in held if (curve := _curve(one, key)) is not None]
    if not curves:
        return
    if len(curves) > 1:
        for curve in curves:
            ax.plot(curve.index, curve, color=look.colour, linewidth=0.6, alpha=0.45)
    mean = pd.concat(curves, axis=1, join="inner").mean(axis=1)
    trace(ax, mean.index, mean, look, turn)
    for one in held:
        at = [p for p in one["points"] if p["step"] == one["chosen_step"] and p.get(key) is not None]
        for point in at:
            ax.plot(
                point["images_seen"], point[key], linestyle="", marker="o", markersize=9,
                markerfacecolor="none", markeredgecolor=look.colour, markeredgewidth=1.2, zorder=4,
            )  # fmt: skip

"""Losses against the number of training images seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.core.images import GREY_LEVELS
from bench.report.plots.colours import Looks
from bench.report.plots.style import MAX_LINES, Drawing, legend, panels, plain, rows_cut, short_ticks, trace

_LOSSES = {
    "loss_l1": "MAE in training (grey levels)",
    "loss_g_gan": "adversarial loss of the generator",
    "loss_d": "loss of the discriminator",
}
_POINTS = 150  # a line has at most so many, more cannot be seen
_SEEDS = 10  # thin lines a variant


def training_curves(section: Section, looks: Looks) -> Drawing | None:
    """Each loss against the number of training images seen: a line a variant, a thin one a seed."""
    rows = {row.label: runs for row in section.rows[:MAX_LINES] if (runs := _histories(row))}
    names = {str(name) for runs in rows.values() for run in runs for name in run}
    losses = [n for n in [*_LOSSES, *sorted(names - set(_LOSSES))] if n in names and n.startswith("loss")]
    if not losses:
        return None
    figure, axes = panels(len(losses), 3.0, 2.4)
    faint = 0.45 if len(rows) <= 6 else 0.25
    for ax, loss in zip(axes, losses, strict=True):
        for turn, (label, runs) in enumerate(rows.items()):
            lines = [_smoothed(run[loss]) for run in runs if loss in run and run[loss].notna().any()]
            if not lines:
                continue
            if len(lines) > 1:
                for line in lines[:_SEEDS]:
                    ax.plot(line.index, line, color=looks[label].colour, linewidth=0.6, alpha=faint)
            mean = _thinned(pd.concat(lines, axis=1, join="inner").mean(axis=1))
            trace(ax, mean.index, mean, looks[label], turn)
        ax.set(xlabel="training images seen", title=plain(_LOSSES.get(loss, loss)))
        ax.grid(axis="y", linewidth=0.6)
        short_ticks(ax)
    legend(figure, rows, looks)
    several = any(len(runs) > 1 for runs in rows.values())
    caption = (
        f"{'Means over seeds; thin lines: single seeds. ' if several else ''}Running means over a twentieth "
        "of the training. The L1 loss is shown as an MAE in grey levels (of 255). Adversarial losses do not "
        "measure quality: they show who is ahead, the generator or the discriminator."
        f"{rows_cut(section, MAX_LINES)}"
    )
    alt = f"Line charts of {', '.join(_LOSSES.get(n, n) for n in losses)} for {', '.join(rows)}."
    return Drawing(figure, f"{section.id}-training", "Training curves", caption, alt)


def _histories(row: Row) -> list[dict[str, pd.Series[float]]]:
    """The training curves of a row's seeds: each loss by images seen."""
    found = [_curves(entry.record.history) for entry in row.entries]
    return [curves for curves in found if curves]


def _curves(history: Sequence[Mapping[str, float]]) -> dict[str, pd.Series[float]]:
    """One of `_histories`; of points with one number of images the first counts."""
    points: dict[float, Mapping[str, float]] = {}
    for point in history:
        if "images_seen" in point:
            points.setdefault(float(point["images_seen"]), point)
    index = pd.Index(list(points), dtype="float64")
    names = dict.fromkeys(name for point in points.values() for name in point)
    nan = float("nan")
    scale = {"loss_l1": GREY_LEVELS}  # as tables show the MAE
    return {
        name: scale.get(name, 1.0)
        * pd.Series([point.get(name, nan) for point in points.values()], index, dtype="float64")
        for name in names
        if name != "images_seen"
    }


def _smoothed(values: pd.Series[float]) -> pd.Series[float]:
    known = values.dropna()
    return _thinned(known.rolling(max(1, len(known) // 20), min_periods=1).mean())


def _thinned(values: pd.Series[float]) -> pd.Series[float]:
    """Every k-th value and the last."""
    step = -(-len(values) // _POINTS)
    return values if step <= 1 else values.iloc[(len(values) - 1) % step :: step]

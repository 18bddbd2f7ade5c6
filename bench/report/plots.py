"""The figures of a section, by seaborn: metrics, training, classes, sharpness, colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.report.drawing import (
    INK,
    MUTED,
    REFERENCE,
    RULE,
    Colours,
    Plot,
    dashes_of,
    finish,
    legend,
    linestyle,
    new_figure,
    plain,
    plain_log_ticks,
    short_ticks,
    style,
)
from bench.report.frame import Column, Row, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 24  # rows a figure holds legibly


def draw(section: Section, colours: Colours) -> list[Plot]:
    """All figures that the section's records have data for."""
    makers: list[Callable[[Section, Colours], Plot | None]] = [
        metric_bars,
        training_curves,
        class_heat_map,
        spectra,
        colour_histograms,
    ]
    with style():
        return [plot for maker in makers if (plot := maker(section, colours)) is not None]


def metric_bars(section: Section, colours: Colours) -> Plot | None:
    """Small multiples: a bar a variant, its interval, a dot a seed, and the real pictures as a line."""
    import seaborn as sns

    rows = section.rows[:MAX_ROWS]
    columns = [c for c in section.columns if any(row.cells[c.id].mean is not None for row in rows)]
    if not rows or not columns:
        return None
    across = min(3, len(columns))
    down = math.ceil(len(columns) / across)
    longest = max(len(row.label) for row in rows)
    width = across * 2.35 + min(2.6, 0.075 * longest)
    figure = new_figure(width, down * (0.72 + 0.24 * len(rows)))
    axes = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    names = [row.label for row in rows]
    for ax, column in zip(axes, columns, strict=False):
        means = pd.DataFrame({"variant": names, "value": [row.cells[column.id].mean for row in rows]})
        sns.barplot(
            means, x="value", y="variant", hue="variant", order=names, palette=dict(colours),
            errorbar=None, legend=False, saturation=1, width=0.66, ax=ax,
        )  # fmt: skip
        _seed_dots(ax, rows, column)
        _reference_lines(ax, section, column)
        ax.set(xlabel="", ylabel="", title=f"{plain(column.title)} {column.arrow}")
        ax.tick_params(axis="y", length=0)
        ax.set_yticks(range(len(names)), [plain(name) for name in names])
    for ax in axes[len(columns) :]:
        ax.set_visible(False)
    seeds = max(len(row.seeds) for row in section.rows)
    dots = " Dots: single seeds." if seeds > 1 else ""
    cut = f" The first {MAX_ROWS} of {len(section.rows)} rows." if len(section.rows) > MAX_ROWS else ""
    caption = (
        f"Bars: {'means over seeds' if seeds > 1 else 'values'}; thin lines: 95 % intervals over test "
        f"images, where there are any.{dots}{_lines_said(section, columns)} "
        f"The arrow says which way is better.{cut}"
    )
    alt = "; ".join(f"{c.title}: {_said(rows, c)}" for c in columns)
    return finish(figure, f"{section.id}-metrics", "Metrics by variant", caption, f"Bar charts. {alt}")


def _seed_dots(ax: Axes, rows: list[Row], column: Column) -> None:
    for position, row in enumerate(rows):
        cell = row.cells[column.id]
        if cell.mean is not None and cell.interval is not None:
            ax.plot(cell.interval, [position] * 2, color=INK, linewidth=1.2, solid_capstyle="butt", zorder=3)
        if len(cell.values) > 1:
            spread = np.linspace(-0.14, 0.14, len(cell.values))
            ax.plot(
                cell.values, position + spread, linestyle="", marker="o", markersize=3.4,
                markerfacecolor="#ffffff", markeredgecolor="#161617", markeredgewidth=0.8, zorder=4,
            )  # fmt: skip


def _reference_lines(ax: Axes, section: Section, column: Column) -> None:
    real = next((row for row in section.references if row.label == "real"), None)
    value = real.cells[column.id].mean if real else None
    if value is not None:
        ax.axvline(value, color=REFERENCE, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    if column.goal not in ("max", "min"):
        ax.axvline(float(column.goal), color=MUTED, linewidth=3, linestyle=":", zorder=1.9)


def _lines_said(section: Section, columns: list[Column]) -> str:
    """Which lines there are; the dots of a target are thick, to be seen where both lines fall together."""
    real = any(row.label == "real" for row in section.references)
    aimed = any(column.goal not in ("max", "min") for column in columns)
    return " Dashed: the real row." * real + " Thick dots: the target value." * aimed


def _said(rows: list[Row], column: Column) -> str:
    parts = [(row.label, row.cells[column.id].mean) for row in rows]
    return ", ".join(f"{label} {'missing' if v is None else column.text(v)}" for label, v in parts)


_LOSSES = {
    "loss_l1": "L1 loss of the generator",
    "loss_g_gan": "adversarial loss of the generator",
    "loss_d": "loss of the discriminator",
}


def training_curves(section: Section, colours: Colours) -> Plot | None:
    """Each loss against the number of training images seen; a line a run."""
    import seaborn as sns

    points = pd.DataFrame(
        [
            {"variant": row.label, "run": entry.record.id, **point}
            for row in section.rows[:MAX_ROWS]
            for entry in row.entries
            for point in entry.record.history
        ]
    )
    losses = [name for name in points.columns if name.startswith("loss") and points[name].notna().any()]
    if not losses or "images_seen" not in points:
        return None
    losses.sort(key=lambda name: (list(_LOSSES).index(name) if name in _LOSSES else 9, name))
    across = min(3, len(losses))
    down = math.ceil(len(losses) / across)
    figure = new_figure(across * 2.9, down * 2.3 + 0.4)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    labels = list(dict.fromkeys(points["variant"]))
    dashes = dashes_of(labels, colours)
    for ax, loss in zip(axes, losses, strict=False):
        held = points[points[loss].notna()].copy()
        held[loss] = held.groupby("run")[loss].transform(_smoothed)
        sns.lineplot(
            held, x="images_seen", y=loss, hue="variant", style="variant", units="run", estimator=None,
            palette=dict(colours), dashes=dashes, hue_order=labels, style_order=labels,
            linewidth=1.3, legend=False, ax=ax,
        )  # fmt: skip
        ax.set(xlabel="training images seen", ylabel="", title=plain(_LOSSES.get(loss, loss)))
        ax.grid(axis="y", linewidth=0.6)
        short_ticks(ax)
    for ax in axes[len(losses) :]:
        ax.set_visible(False)
    legend(figure, labels, colours, dashes)
    caption = (
        "A line a run (one a seed): running means over a twentieth of the training. Adversarial losses do "
        "not measure quality: they show who is ahead, the generator or the discriminator."
    )
    alt = f"Line charts of {', '.join(_LOSSES.get(n, n) for n in losses)} for {', '.join(labels)}."
    return finish(figure, f"{section.id}-training", "Training curves", caption, alt)


def _smoothed(values: pd.Series[float]) -> pd.Series[float]:
    return values.rolling(max(1, len(values) // 20), min_periods=1).mean()


def class_heat_map(section: Section, colours: Colours) -> Plot | None:
    """IoU by class (down) and row (across); a class that occurs nowhere is left blank."""
    import seaborn as sns

    del colours
    table: dict[str, dict[str, float]] = {}
    for row in [*section.rows[:MAX_ROWS], *section.references]:
        found = [dict(d) for e in row.entries if (d := e.record.details.get("per_class_iou"))]
        if found:
            frame = pd.DataFrame(found).astype("float64")
            table[row.label] = {str(name): value for name, value in frame.mean().items()}
    if not table:
        return None
    frame = pd.DataFrame(table)
    frame = frame.loc[frame.max(axis=1).fillna(-1).sort_values(ascending=False, kind="stable").index]
    figure = new_figure(1.9 + 0.62 * len(frame.columns), 0.9 + 0.235 * len(frame))
    ax = figure.subplots()
    sns.heatmap(
        frame, annot=True, fmt=".2f", cmap="cividis", vmin=0, vmax=1, cbar=False, ax=ax,
        annot_kws={"fontsize": 8}, linewidths=0.5, linecolor=RULE,
    )  # fmt: skip
    for value, text in zip(frame.to_numpy()[frame.notna()], ax.texts, strict=True):
        text.set_color("#161617" if value > 0.5 else "#ffffff")
    ax.set(xlabel="", ylabel="")
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    slanted = max(map(len, frame.columns)) > 7
    ax.set_xticks(
        np.arange(len(frame.columns)) + 0.5, [plain(c) for c in frame.columns],
        rotation=35 if slanted else 0, ha="left" if slanted else "center",
    )  # fmt: skip
    ax.set_yticks(np.arange(len(frame)) + 0.5, [plain(c) for c in frame.index], rotation=0)
    caption = (
        "Intersection over union by class, means over seeds; classes in order of the best value. Blank: the "
        "class does not occur in the test labels."
    )
    means = ", ".join(f"{label} {frame[label].mean():.2f}" for label in frame.columns)
    alt = f"Heat map of {len(frame)} classes by {len(frame.columns)} rows; mean IoU: {means}."
    return finish(figure, f"{section.id}-classes", "IoU by class", caption, alt)


def spectra(section: Section, colours: Colours) -> Plot | None:
    """Radial power spectrum of outputs over that of the targets, by frequency, log scale."""
    curves = {
        row.label: curve
        for row in section.rows[:MAX_ROWS]
        if (curve := _mean_curve(row, "spectrum", "frequency", "ratio")) is not None
    }
    if not curves:
        return None
    figure = new_figure(5.6, 3.1)
    ax = figure.subplots()
    dashes = dashes_of(list(curves), colours)
    for label, (frequency, ratio) in curves.items():
        shown = ratio > 0
        ax.plot(
            frequency[shown], ratio[shown], color=colours[label], linewidth=1.6,
            linestyle=linestyle(dashes[label]),
        )  # fmt: skip
    ax.axhline(1, color=REFERENCE, linewidth=1, linestyle=(0, (4, 3)))
    ax.set_yscale("log")
    plain_log_ticks(ax)
    ax.grid(axis="y", linewidth=0.6)
    ax.set(xlabel="radial frequency (cycles per picture)", ylabel="power, output over target")
    legend(figure, list(curves), colours, dashes)
    caption = (
        "1 (dashed): as much detail as the real pictures. Below 1: blurry; above 1: noise or artefacts "
        "such as checkerboards. Fine detail is to the right. HF ratio sums up the right half."
    )
    alt = "Line chart, log scale. At the highest frequency: " + ", ".join(
        f"{label} {ratio[-1]:.2g}" for label, (_, ratio) in curves.items()
    )
    return finish(figure, f"{section.id}-spectrum", "Sharpness by spatial frequency", caption, alt)


def _mean_curve(row: Row, detail: str, x: str, y: str) -> tuple[Any, Any] | None:
    found = [d for e in row.entries if (d := e.record.details.get(detail)) and len(d[x]) == len(d[y]) > 0]
    same = [d for d in found if d[x] == found[0][x]]
    if not same:
        return None
    ys = np.array([[math.nan if v is None else v for v in d[y]] for d in same], dtype=np.float64)
    return np.asarray(same[0][x], dtype=np.float64), ys.mean(axis=0)


_CHANNELS = {"l": "L (lightness)", "a": "a (green to red)", "b": "b (blue to yellow)"}


def colour_histograms(section: Section, colours: Colours) -> Plot | None:
    """Log probability of L, a and b in outputs and targets: the paper's figure 7."""
    held = {
        row.label: histograms
        for row in section.rows[:MAX_ROWS]
        if (histograms := row.entries[0].record.details.get("lab_histograms"))
    }
    channels = [c for c in _CHANNELS if all(c in histograms for histograms in held.values())]
    if not held or not channels:
        return None
    figure = new_figure(2.9 * len(channels), 2.7)
    axes = figure.subplots(1, len(channels), squeeze=False)[0]
    dashes = dashes_of(list(held), colours)
    for ax, channel in zip(axes, channels, strict=True):
        first = next(iter(held.values()))[channel]
        ax.plot(*_log_probability(first["edges"], first["target"]), color=REFERENCE, linewidth=2.2)
        for label, histograms in held.items():
            x, y = _log_probability(histograms[channel]["edges"], histograms[channel]["prediction"])
            ax.plot(x, y, color=colours[label], linewidth=1.3, linestyle=linestyle(dashes[label]))
        ax.set(title=_CHANNELS[channel], xlabel="")
        ax.grid(axis="y", linewidth=0.6)
    axes[0].set_ylabel("log probability")
    legend(figure, list(held), colours, dashes, target=True)
    caption = (
        "How often each colour value occurs in the outputs and in the real pictures (thick line), pooled "
        "over the test set, first seed. Outputs that average over "
        "possibilities are too narrow: too few strong colours."
    )
    alt = (
        f"Line charts of the histograms of {', '.join(_CHANNELS[c] for c in channels)} for {', '.join(held)}."
    )
    return finish(figure, f"{section.id}-colours", "Colour distribution", caption, alt)


def _log_probability(edges: list[float], counts: list[float]) -> tuple[Any, Any]:
    sides, weights = np.asarray(edges, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    shares = weights / max(weights.sum(), 1e-300)
    with np.errstate(divide="ignore"):
        logs = np.where(shares > 0, np.log(shares), np.nan)
    return (sides[:-1] + sides[1:]) / 2, logs

"""The figures of a section: drawn once, kept as SVG for the page and as PNG for everything else.

Colours in the SVG that stand for ink, rules and paper are CSS variables of the page, so that a figure
follows its light or dark ground. Text stays text.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from bench.report.colours import DASHES
from bench.report.frame import Column, Row, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ROWS = 24  # rows a figure holds legibly
_INK, _MUTED, _RULE, _REFERENCE = "#1b1b1c", "#6b6b6c", "#d4d4d5", "#4c4c4d"
_VARIABLES = {_INK: "var(--ink)", _MUTED: "var(--muted)", _RULE: "var(--rule)", _REFERENCE: "var(--ink)"}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pix2pix-bench",
    "text.parse_math": False,  # a variant may be called "$x"
    "axes.unicode_minus": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "text.color": _INK,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "grid.color": _RULE,
    "legend.frameon": False,
}

Colours = Mapping[str, str]


@dataclass(frozen=True)
class Plot:
    """A finished figure.

    Attributes:
        key: file-name-safe, unique in the report.
        title, caption: as the page prints them.
        alt: what it shows, for those who cannot see it.
        svg: an `<svg>` element.
        png: the same on white, 150 dpi.
        width_px: natural width on the page.
    """

    key: str
    title: str
    caption: str
    alt: str
    svg: str
    png: bytes
    width_px: int


def draw(section: Section, colours: Colours) -> list[Plot]:
    """All figures that the section's records have data for."""
    makers: list[Callable[[Section, Colours], Plot | None]] = [
        metric_bars,
        training_curves,
        class_heat_map,
        spectra,
        colour_histograms,
    ]
    with _style():
        return [plot for maker in makers if (plot := maker(section, colours)) is not None]


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(cast(Any, _STYLE)):
        yield


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
    figure = _figure(width, down * (0.72 + 0.24 * len(rows)))
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
        ax.set(xlabel="", ylabel="", title=f"{_plain(column.title)} {column.arrow}")
        ax.tick_params(axis="y", length=0)
        ax.set_yticks(range(len(names)), [_plain(name) for name in names])
    for ax in axes[len(columns) :]:
        ax.set_visible(False)
    seeds = max(len(row.seeds) for row in section.rows)
    dots = " Dots: single seeds." if seeds > 1 else ""
    cut = f" The first {MAX_ROWS} of {len(section.rows)} rows." if len(section.rows) > MAX_ROWS else ""
    caption = (
        f"Bars: {'means over seeds' if seeds > 1 else 'values'}; thin lines: 95 % intervals over test "
        f"images, where there are any.{dots} Dashed: the real row. Dotted: the target value. "
        f"The arrow says which way is better.{cut}"
    )
    alt = "; ".join(f"{c.title}: {_said(rows, c)}" for c in columns)
    return _plot(figure, f"{section.id}-metrics", "Metrics by variant", caption, f"Bar charts. {alt}")


def _seed_dots(ax: Axes, rows: list[Row], column: Column) -> None:
    for position, row in enumerate(rows):
        cell = row.cells[column.id]
        if cell.mean is not None and cell.interval is not None:
            ax.plot(cell.interval, [position] * 2, color=_INK, linewidth=1.2, solid_capstyle="butt", zorder=3)
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
        ax.axvline(value, color=_REFERENCE, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    if column.goal not in ("max", "min"):
        ax.axvline(float(column.goal), color=_MUTED, linewidth=1, linestyle=":", zorder=2)


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
    figure = _figure(across * 2.9, down * 2.3 + 0.4)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    labels = list(dict.fromkeys(points["variant"]))
    dashes = _dashes(labels, colours)
    for ax, loss in zip(axes, losses, strict=False):
        held = points[points[loss].notna()].copy()
        held[loss] = held.groupby("run")[loss].transform(_smoothed)
        sns.lineplot(
            held, x="images_seen", y=loss, hue="variant", style="variant", units="run", estimator=None,
            palette=dict(colours), dashes=dashes, hue_order=labels, style_order=labels,
            linewidth=1.3, legend=False, ax=ax,
        )  # fmt: skip
        ax.set(xlabel="training images seen", ylabel="", title=_plain(_LOSSES.get(loss, loss)))
        ax.grid(axis="y", linewidth=0.6)
        _short_ticks(ax)
    for ax in axes[len(losses) :]:
        ax.set_visible(False)
    _legend(figure, labels, colours, dashes)
    caption = (
        "A line a run (one a seed): running means over a twentieth of the training. Adversarial losses do "
        "not measure quality: they show who is ahead, the generator or the discriminator."
    )
    alt = f"Line charts of {', '.join(_LOSSES.get(n, n) for n in losses)} for {', '.join(labels)}."
    return _plot(figure, f"{section.id}-training", "Training curves", caption, alt)


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
    figure = _figure(1.9 + 0.62 * len(frame.columns), 0.9 + 0.235 * len(frame))
    ax = figure.subplots()
    sns.heatmap(
        frame, annot=True, fmt=".2f", cmap="cividis", vmin=0, vmax=1, cbar=False, ax=ax,
        annot_kws={"fontsize": 8}, linewidths=0.5, linecolor=_RULE,
    )  # fmt: skip
    for value, text in zip(frame.to_numpy()[frame.notna()], ax.texts, strict=True):
        text.set_color("#161617" if value > 0.5 else "#ffffff")
    ax.set(xlabel="", ylabel="")
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    slanted = max(map(len, frame.columns)) > 7
    ax.set_xticks(
        np.arange(len(frame.columns)) + 0.5, [_plain(c) for c in frame.columns],
        rotation=35 if slanted else 0, ha="left" if slanted else "center",
    )  # fmt: skip
    ax.set_yticks(np.arange(len(frame)) + 0.5, [_plain(c) for c in frame.index], rotation=0)
    caption = (
        "Intersection over union by class, means over seeds; classes in order of the best value. Blank: the "
        "class does not occur in the test labels."
    )
    means = ", ".join(f"{label} {frame[label].mean():.2f}" for label in frame.columns)
    alt = f"Heat map of {len(frame)} classes by {len(frame.columns)} rows; mean IoU: {means}."
    return _plot(figure, f"{section.id}-classes", "IoU by class", caption, alt)


def spectra(section: Section, colours: Colours) -> Plot | None:
    """Radial power spectrum of outputs over that of the targets, by frequency, log scale."""
    curves = {
        row.label: curve
        for row in section.rows[:MAX_ROWS]
        if (curve := _mean_curve(row, "spectrum", "frequency", "ratio")) is not None
    }
    if not curves:
        return None
    figure = _figure(5.6, 3.1)
    ax = figure.subplots()
    dashes = _dashes(list(curves), colours)
    for label, (frequency, ratio) in curves.items():
        shown = ratio > 0
        ax.plot(
            frequency[shown], ratio[shown], color=colours[label], linewidth=1.6,
            linestyle=_linestyle(dashes[label]),
        )  # fmt: skip
    ax.axhline(1, color=_REFERENCE, linewidth=1, linestyle=(0, (4, 3)))
    ax.set_yscale("log")
    _plain_log_ticks(ax)
    ax.grid(axis="y", linewidth=0.6)
    ax.set(xlabel="radial frequency (cycles per picture)", ylabel="power, output over target")
    _legend(figure, list(curves), colours, dashes)
    caption = (
        "1 (dashed): as much detail as the real pictures. Below 1: blurry; above 1: noise or artefacts "
        "such as checkerboards. Fine detail is to the right. HF ratio sums up the right half."
    )
    alt = "Line chart, log scale. At the highest frequency: " + ", ".join(
        f"{label} {ratio[-1]:.2g}" for label, (_, ratio) in curves.items()
    )
    return _plot(figure, f"{section.id}-spectrum", "Sharpness by spatial frequency", caption, alt)


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
    figure = _figure(2.9 * len(channels), 2.7)
    axes = figure.subplots(1, len(channels), squeeze=False)[0]
    dashes = _dashes(list(held), colours)
    for ax, channel in zip(axes, channels, strict=True):
        first = next(iter(held.values()))[channel]
        ax.plot(*_log_probability(first["edges"], first["target"]), color=_REFERENCE, linewidth=2.2)
        for label, histograms in held.items():
            x, y = _log_probability(histograms[channel]["edges"], histograms[channel]["prediction"])
            ax.plot(x, y, color=colours[label], linewidth=1.3, linestyle=_linestyle(dashes[label]))
        ax.set(title=_CHANNELS[channel], xlabel="")
        ax.grid(axis="y", linewidth=0.6)
    axes[0].set_ylabel("log probability")
    _legend(figure, list(held), colours, dashes, target=True)
    caption = (
        "How often each colour value occurs in the outputs and in the real pictures (thick line), pooled "
        "over the test set, first seed. Outputs that average over "
        "possibilities are too narrow: too few strong colours."
    )
    alt = (
        f"Line charts of the histograms of {', '.join(_CHANNELS[c] for c in channels)} for {', '.join(held)}."
    )
    return _plot(figure, f"{section.id}-colours", "Colour distribution", caption, alt)


def _log_probability(edges: list[float], counts: list[float]) -> tuple[Any, Any]:
    sides, weights = np.asarray(edges, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    shares = weights / max(weights.sum(), 1e-300)
    with np.errstate(divide="ignore"):
        logs = np.where(shares > 0, np.log(shares), np.nan)
    return (sides[:-1] + sides[1:]) / 2, logs


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(max(width, 2.5), max(height, 1.6)), layout="constrained")


def _plain(text: str) -> str:
    """Text as matplotlib takes it: printable, and not so long that it pushes the axes out."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= 36 else f"{shown[:35]}…"


def _dashes(labels: list[str], colours: Colours) -> dict[str, Any]:
    """Dash patterns: plain, but for labels whose colour another one has already."""
    seen: dict[str, int] = {}
    chosen = {}
    for label in labels:
        turn = seen[colours[label]] = seen.get(colours[label], -1) + 1
        chosen[label] = DASHES[turn % len(DASHES)]
    return chosen


def _linestyle(dash: Any) -> Any:
    return (0, dash) if dash else "-"


def _legend(
    figure: Figure, labels: list[str], colours: Colours, dashes: Mapping[str, Any], target: bool = False
) -> None:
    from matplotlib.lines import Line2D

    entries = [(_plain(label), colours[label], 1.8, _linestyle(dashes[label])) for label in labels]
    if target:
        entries.insert(0, ("target", _REFERENCE, 2.4, "-"))
    handles = [Line2D([], [], color=c, linewidth=w, linestyle=s) for _, c, w, s in entries]
    names = [
        f"\u2009{name}" if name.startswith("_") else name for name, *_ in entries
    ]  # "_x" would be hidden
    across = max(1, min(len(names), int(figure.get_figwidth() * 11 // (max(map(len, names)) + 6))))
    figure.set_figheight(figure.get_figheight() + 0.19 * (math.ceil(len(names) / across) - 1))
    figure.legend(handles, names, loc="outside upper left", ncols=across, handlelength=2, columnspacing=1.4)


def _plain_log_ticks(ax: Axes) -> None:
    """0.1, 1, 10 as they are: powers would need mathematical text, which is off for the labels' sake."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    low, high = ax.get_ylim()
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    few = math.log10(high / low) > 1.5
    ax.yaxis.set_minor_formatter(NullFormatter() if few else FuncFormatter(_short_minor))


def _short_minor(value: float, _: int | None) -> str:
    return f"{value:g}" if f"{value:.0e}"[0] in "25" else ""


def _short_ticks(ax: Axes) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))


def _plot(figure: Figure, key: str, title: str, caption: str, alt: str) -> Plot:
    picture, drawing = io.BytesIO(), io.StringIO()
    figure.savefig(picture, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    figure.savefig(drawing, format="svg", transparent=True, metadata={"Date": None})
    width = round(figure.get_figwidth() * 96)
    return Plot(key, title, caption, alt, _inline(drawing.getvalue(), key), picture.getvalue(), width)


def _inline(svg: str, key: str) -> str:
    """The `<svg>` element alone: ids unique in the page, colours as variables, no metadata, no size."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="', f'id="{key}-', svg)
    svg = svg.replace("url(#", f"url(#{key}-").replace('href="#', f'href="#{key}-')
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)

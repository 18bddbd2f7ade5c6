"""Sharpness by spatial frequency, and the colours of figure 7 of the paper."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.report.plots.colours import Looks
from bench.report.plots.style import (
    MAX_LINES,
    REFERENCE,
    TARGET_SIGN,
    Drawing,
    first_seed,
    legend,
    new_figure,
    panels,
    plain_log_ticks,
    rows_cut,
    trace,
)


def spectra(section: Section, looks: Looks) -> Drawing | None:
    """Radial power spectrum of outputs over that of the targets, by frequency, log scale."""
    curves = {
        row.label: curve
        for row in section.rows[:MAX_LINES]
        if (curve := _mean_curve(row, "spectrum", "frequency", "ratio")) is not None
    }
    if not curves:
        return None
    figure = new_figure(5.6, 3.1)
    ax = figure.subplots()
    for turn, (label, (frequency, ratio)) in enumerate(curves.items()):
        shown = ratio > 0
        trace(ax, frequency[shown], ratio[shown], looks[label], turn)
    ax.axhline(1, color=REFERENCE, linewidth=1, linestyle=(0, (4, 3)))
    ax.set_yscale("log")
    plain_log_ticks(ax)
    ax.grid(axis="y", linewidth=0.6)
    wide = isinstance(section.size_px, str)  # a rectangle: cycles per S pixels, S its shorter side
    ax.set(
        xlabel=f"radial frequency (cycles per {'shorter side' if wide else 'image'})",
        ylabel="power, output over target",
    )
    legend(figure, curves, looks)
    caption = (
        "The dashed line at 1: as much detail as the real images. Below 1 outputs are blurry. Above 1 they "
        "have noise, or artefacts such as checkerboards. Fine detail is to the right. The HF ratio sums up "
        "the right half."
        f"{rows_cut(section, MAX_LINES)}"
    )
    alt = "Line chart, log scale. At the highest frequency: " + ", ".join(
        f"{label} {ratio[-1]:.2g}" for label, (_, ratio) in curves.items()
    )
    return Drawing(figure, f"{section.id}-spectrum", "Sharpness by spatial frequency", caption, alt)


def _mean_curve(row: Row, detail: str, x: str, y: str) -> tuple[Any, Any] | None:
    found = [d for e in row.entries if (d := e.record.details.get(detail)) and len(d[x]) == len(d[y]) > 0]
    same = [d for d in found if d[x] == found[0][x]]
    if not same:
        return None
    ys = np.array([[math.nan if v is None else v for v in d[y]] for d in same], dtype=np.float64)
    return np.asarray(same[0][x], dtype=np.float64), ys.mean(axis=0)


_CHANNELS = {"l": "L (lightness)", "a": "a (green to red)", "b": "b (blue to yellow)"}


def colour_histograms(section: Section, looks: Looks) -> Drawing | None:
    """Log probability of L, a and b in outputs and targets: the paper's figure 7."""
    held = {
        row.label: histograms
        for row in section.rows[:MAX_LINES]
        if (histograms := row.first.details.get("lab_histograms"))
    }
    channels = [c for c in _CHANNELS if all(c in histograms for histograms in held.values())]
    if not held or not channels:
        return None
    figure, axes = panels(len(channels), 2.9, 2.3)
    for ax, channel in zip(axes, channels, strict=True):
        first = next(iter(held.values()))[channel]
        ax.plot(*_log_probability(first["edges"], first["target"]), color=REFERENCE, linewidth=2.2)
        for turn, (label, histograms) in enumerate(held.items()):
            x, y = _log_probability(histograms[channel]["edges"], histograms[channel]["prediction"])
            trace(ax, x, y, looks[label], turn, linewidth=1.3)
        ax.set(title=_CHANNELS[channel], xlabel="")
        ax.grid(axis="y", linewidth=0.6)
    axes[0].set_ylabel("log probability")
    legend(figure, held, looks, [TARGET_SIGN])
    caption = (
        "How often each colour value occurs in the outputs and in the real images (thick line), pooled "
        f"over the test set{first_seed(section)}. Outputs that average over possibilities are too narrow: "
        f"they have too few strong colours.{rows_cut(section, MAX_LINES)}"
    )
    alt = (
        f"Line charts of the histograms of {', '.join(_CHANNELS[c] for c in channels)} for {', '.join(held)}."
    )
    return Drawing(figure, f"{section.id}-colours", "Colour distribution", caption, alt)


def _log_probability(edges: list[float], counts: list[float]) -> tuple[Any, Any]:
    sides, weights = np.asarray(edges, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    shares = weights / max(weights.sum(), 1e-300)
    with np.errstate(divide="ignore"):
        logs = np.where(shares > 0, np.log(shares), np.nan)
    return (sides[:-1] + sides[1:]) / 2, logs

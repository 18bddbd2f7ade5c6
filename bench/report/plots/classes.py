"""IoU by class and row, as a heat map."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis.sections import Section
from bench.report.plots.colours import Looks
from bench.report.plots.style import MAX_ROWS, RULE, Drawing, new_figure, over_seeds, plain, rows_cut


def class_heat_map(section: Section, looks: Looks) -> Drawing | None:
    """IoU by class (down) and row (across); a class that occurs nowhere is left blank."""
    import seaborn as sns

    del looks
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
        f"Intersection over union by class{over_seeds(section, ', means over seeds')}. Classes stand in the "
        "order of their best value. Blank: the class does not occur in the test labels."
        f"{rows_cut(section, MAX_ROWS)}"
    )
    means = ", ".join(f"{label} {frame[label].mean():.2f}" for label in frame.columns)
    alt = f"Heat map of {len(frame)} classes by {len(frame.columns)} rows; mean IoU: {means}."
    return Drawing(figure, f"{section.id}-classes", "IoU by class", caption, alt)

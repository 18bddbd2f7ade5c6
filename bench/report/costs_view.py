"""The part "What it costs" of a section: a line a row, as text. It ranks nothing."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.costs import Cost, cost_of
from bench.analysis.sections import Section

NO_VALUE = "–"
HEADS = ("Parameters", "GFLOP an image", "ms an image", "Peak memory", "Hours of training")


@dataclass(frozen=True)
class CostsView:
    """What rows cost.

    Attributes:
        rows: (label, a text for each of `HEADS`).
        about: how it was counted and measured, and what is not known.
    """

    rows: tuple[tuple[str, tuple[str, ...]], ...]
    about: str


def costs_view(section: Section) -> CostsView | None:
    """The view of a section; None where no record tells more than hours."""
    found = [
        (row.label, cost)
        for row in section.rows
        if (cost := cost_of([entry.record for entry in row.entries])) is not None
    ]
    if not any(cost.device or cost.parameters for _, cost in found):
        return None  # hours alone, as in older records, stand in them
    devices = ", ".join(dict.fromkeys(cost.device for _, cost in found if cost.device))
    about = (
        "Of the generator. A multiply-add counts as two operations. Time and memory were measured on single "
        f"images ({devices or 'nowhere'}), beside whatever else ran there: they describe and rank nothing."
    )
    if any(cost.peak_memory_mb is None for _, cost in found):
        about += " Memory is what torch held on a GPU; elsewhere it is not known."
    return CostsView(tuple((label, _texts(cost)) for label, cost in found), about)


def _texts(cost: Cost) -> tuple[str, ...]:
    def text(value: float | None, form: str) -> str:
        return NO_VALUE if value is None else format(value, form)

    parameters = NO_VALUE if cost.parameters is None else f"{cost.parameters / 1e6:.2f} M"
    memory = NO_VALUE if cost.peak_memory_mb is None else f"{cost.peak_memory_mb:,.0f} MB"
    return (
        parameters,
        text(cost.gflop, ".3g"),
        text(cost.ms_per_image, ".3g"),
        memory,
        "< 0.01" if 0 < (cost.train_hours or 0) < 0.01 else text(cost.train_hours, ".2f"),
    )

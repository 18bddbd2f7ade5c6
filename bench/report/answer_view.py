"""The first screen of a section: one test image as every variant draws it, and a panel for each question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.cell import Cell
from bench.analysis.column import Column
from bench.analysis.differences import Difference
from bench.analysis.questions import CLOSE, CONTENT, PEOPLE, REAL, SHARP, Question, headline_columns
from bench.analysis.readings import blind_columns, trivial_winner
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.report.gallery import Gallery
from bench.report.headline import Standings
from bench.report.image_budget import ShownImage
from bench.report.plots.style import near

ASKED = (CONTENT, REAL, CLOSE, SHARP, PEOPLE)
MOST_ROWS, MOST_IMAGES = 12, 10
_MARGIN = 0.06  # of a panel's width, left free at either side
_MOST_NAMED = 3
_TRIVIAL = {
    "copy": "the source itself, unchanged,",
    "nearest": "the real image of the most similar training source",
    "random": "a real image of another scene",
}
_NAMES = {
    "l1": "L1 loss alone",
    "gan": "GAN that does not see the source",
    "cgan": "GAN that sees the source",
    "l1+gan": "L1 and such a GAN",
    "l1+cgan": "L1 and a GAN that sees the source (pix2pix)",
}
"""The losses of the paper's table 1, for those who do not know their names."""


@dataclass(frozen=True)
class Dot:
    """A variant in a panel; places are in per cent of the panel's width.

    Attributes:
        label: the variant.
        text: its value, or "–".
        at: where the value is; None where there is none.
        interval: the ends of its 95 % interval over test images, or None.
        seeds: the values of its seeds, where there are several.
        best: it is distinguishably better than all others.
    """

    label: str
    text: str
    at: float | None
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]
    best: bool


@dataclass(frozen=True)
class Panel:
    """One question, answered by one metric.

    Attributes:
        title: the question in words.
        column: the metric.
        verdict: who is best, in words.
        warning: what spoils the numbers, or "".
        dots: the variants; of many, those with the best values.
        real: where the real images are, or None.
        real_words: their value, and where it is if it has no place in the panel; "" without a value.
        target: where the best value is, if the metric has one and it is in the panel.
        trivial: a trivial row that beats all variants, with its value, or "".
        left_out: how many variants have no line.
    """

    title: str
    column: Column
    verdict: str
    warning: str
    dots: tuple[Dot, ...]
    real: float | None
    real_words: str
    target: float | None
    trivial: str
    left_out: int


@dataclass(frozen=True)
class Answer:
    """What the first screen shows beside the sentences.

    Attributes:
        panels: the questions that have a metric with values.
        strip: (head, image): the source, each variant, the target of one test image; () where there is none.
        name: of that test image.
        seeds: whether any panel has dots of single seeds, and `intervals` whether any has intervals.
        images_left: variants without a place in the strip.
        people: whether a panel's intervals are over raters too.
        names: (variant, what it is) of those of the paper's table 1.
    """

    panels: tuple[Panel, ...]
    strip: tuple[tuple[str, ShownImage], ...]
    name: str
    seeds: bool
    intervals: bool
    images_left: int
    people: bool
    names: tuple[tuple[str, str], ...]


def answer(
    section: Section, standings: Standings, gaps: Sequence[Difference], gallery: Gallery | None
) -> Answer | None:
    """The first screen; None where no variant has a value and there is no image.

    Args:
        section: of the report.
        standings, gaps: of its comparison.
        gallery: its images.
    """
    blind = blind_columns(section)
    panels = [
        _panel(section, question, column, gaps, blind)
        for question in ASKED
        for column in headline_columns(question, [c for c in section.columns if c.id in standings])
    ]
    strip, name, left = _strip(gallery)
    dots = [dot for panel in panels for dot in panel.dots]
    if not panels and not strip:
        return None
    seeds, intervals = any(dot.seeds for dot in dots), any(dot.interval for dot in dots)
    people = any(panel.title == PEOPLE.title for panel in panels)
    names = tuple((row.label, _NAMES[row.label]) for row in section.rows if row.label in _NAMES)
    return Answer(tuple(panels), strip, name, seeds, intervals, left, people, names)


def _panel(
    section: Section, question: Question, column: Column, gaps: Sequence[Difference], blind: set[str]
) -> Panel:
    ranked = section.ranked(column)
    leaders = _leaders(column, ranked, gaps)
    few = len(section.rows) <= MOST_ROWS
    shown = section.rows if few else ranked[:MOST_ROWS]
    scale = _Scale.of(section, column, shown)
    winner = leaders[0] if len(leaders) == 1 < len(ranked) else None
    real = section.real.mean(column) if section.real else None
    words, at, trivial = "", None, _trivial(section, column)
    if real is not None:
        at = scale.within(real)
        words = f"real images {column.text(real)}{scale.side(real)}"
    return Panel(
        question.title, column, _verdict(leaders, ranked, len(section.rows), trivial),
        "Unreliable: the judge is too weak to tell some of these images from real photos."
        if column.id in blind
        else "",
        tuple(_dot(row, row.cells[column.id], column, scale, row is winner) for row in shown),
        at, words, None if column.target is None else scale.within(column.target),
        trivial, len(section.rows) - len(shown),
    )  # fmt: skip


def _trivial(section: Section, column: Column) -> str:
    row = trivial_winner(section, column)
    if row is None:
        return ""
    return f"Even {_TRIVIAL[row.label]} scores better: {column.text(row.value(column))}."


def _leaders(column: Column, ranked: Sequence[Row], gaps: Sequence[Difference]) -> list[Row]:
    """The best variant, and those that it cannot be told apart from."""
    if not ranked:
        return []
    best = ranked[0]
    beaten = {
        one.rows[1].label
        for one in gaps
        if one.column is column and one.rows[0] is best and one.distinguishable
    }
    known = {one.rows[1].label for one in gaps if one.column is column and one.rows[0] is best}
    return [row for row in ranked if row is best or (row.label in known and row.label not in beaten)]


def _verdict(leaders: Sequence[Row], ranked: Sequence[Row], rows: int, trivial: str) -> str:
    """Who is best; where a trivial row beats all variants, who is least bad."""
    if len(ranked) < 2:
        return "only one variant has a value" if rows > 1 else ""
    if len(leaders) == 1:
        return f"none is good; {leaders[0].label} is least bad" if trivial else f"{leaders[0].label} is best"
    if len(leaders) > _MOST_NAMED:
        return f"no clear winner among {len(leaders)}"
    return f"no clear winner: {', '.join(row.label for row in leaders)}"


@dataclass(frozen=True)
class _Scale:
    """The values that a panel's left and right edges stand for."""

    low: float
    high: float

    @staticmethod
    def of(section: Section, column: Column, rows: Sequence[Row]) -> _Scale:
        cells = [row.cells[column.id] for row in rows]
        values = [
            v for cell in cells if cell.mean is not None for v in (*cell.values, *(cell.interval or ()))
        ]
        low, high = min(values), max(values)
        marks = [section.real.mean(column) if section.real else None, column.target]
        span = (high - low) or abs(high) * 0.1 or 1.0
        wide = (low - 0.5 * span, high + 0.5 * span)
        for value in marks:
            if value is not None and near(wide, value):
                low, high = min(low, value), max(high, value)
        room = _MARGIN * ((high - low) or span)
        return _Scale(low - room, high + room)

    def at(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def within(self, value: float) -> float | None:
        return self.at(value) if self.low <= value <= self.high else None

    def side(self, value: float) -> str:
        """Where a value is that has no place."""
        return (
            "" if self.low <= value <= self.high else " (far right)" if value > self.high else " (far left)"
        )


def _dot(row: Row, cell: Cell, column: Column, scale: _Scale, best: bool) -> Dot:
    if cell.mean is None:
        return Dot(row.label, "–", None, None, (), False)
    low, high = cell.interval or (cell.mean, cell.mean)
    return Dot(
        row.label,
        column.text(cell.mean),
        scale.at(cell.mean),
        (scale.at(low), scale.at(high)) if cell.interval else None,
        tuple(map(scale.at, cell.values)) if len(cell.values) > 1 else (),
        best,
    )


def _strip(gallery: Gallery | None) -> tuple[tuple[tuple[str, ShownImage], ...], str, int]:
    """The first image of the fixed gallery that all have: source, variants, target."""
    if gallery is None or not gallery.strip:
        return (), "", 0
    ends = {image.kind: image for image in gallery.strip if image.kind in ("source", "target")}
    outputs = [image for image in gallery.strip if image.kind == "output"]
    chosen = [ends.get("source"), *outputs[:MOST_IMAGES], ends.get("target")]
    shown = [image for image in chosen if image is not None and image.data_uri is not None]
    if not any(image.kind == "output" for image in shown):
        return (), "", 0
    return tuple((image.caption, image) for image in shown), shown[0].name, len(outputs[MOST_IMAGES:])

"""What the page shows of one section."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.sections import Section
from bench.analysis.viewer_values import ImageValues
from bench.report import tables
from bench.report.gallery import Gallery
from bench.report.judge_view import JudgeView
from bench.report.panel_view import PanelView
from bench.report.plots.style import Plot
from bench.report.spec_view import SpecView
from bench.report.validation_view import ValidationView


@dataclass
class SectionView:
    """Everything the templates say about a section."""

    section: Section
    table: tables.ComparisonTable
    headline: list[str]
    facts: list[tuple[str, str]]
    fitness: list[str]
    judges: list[JudgeView]
    unmeasured: list[tuple[str, str]]
    failures: list[tuple[str, str, str, str]]
    published: list[tables.PublishedTable]
    measured_protocol: str
    plots: list[Plot]
    gallery: Gallery | None
    image_values: ImageValues | None
    specs: list[SpecView]
    panel: PanelView | None = None
    validation: ValidationView | None = None

    @property
    def parts(self) -> list[tuple[str, str]]:
        """(anchor, title) of what the section has, in order."""
        gallery = self.gallery
        there = [
            ("failures", "Runs that did not finish", self.failures),
            ("comparison", "Comparison", self.table.columns),
            ("panel", "The panel of judges", self.panel),
            ("validation", "Validation and the step that was scored", self.validation),
            ("published", "Beside published numbers", self.published),
            ("images", "Images", gallery),
            ("seen", "What the judge sees", gallery and gallery.seen),
            ("picks", "Best, median and worst", gallery and gallery.picks),
            ("values", "Image by image", self.image_values),
            ("figures", "Figures", self.plots),
            ("variants", "The variants, exactly", self.specs),
        ]
        return [(key, title) for key, title, content in there if content]

    @property
    def seeds_words(self) -> str:
        """What the caption says about seeds."""
        counts = sorted({len(row.seeds) for row in self.section.rows})
        if not counts or counts[-1] == 0:
            return ""
        if counts == [1]:
            return "One seed a variant: how far seeds differ is not known."
        said = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"Means over {said} seeds, ± their standard deviation."

    @property
    def unranked_words(self) -> str:
        """What the caption says about columns that do not rank, with a space before it."""
        said = tables.unranked_words(self.section)
        return f" {said}" if said else ""

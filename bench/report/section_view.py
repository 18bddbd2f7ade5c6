"""What the page shows of one section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.column import Column
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.analysis.viewer_values import ImageValues
from bench.report import tables
from bench.report.answer_view import Answer
from bench.report.costs_view import CostsView
from bench.report.gallery import Gallery
from bench.report.judge_view import JudgeView
from bench.report.panel_view import PanelView
from bench.report.plots.style import Plot
from bench.report.published_view import PublishedTable
from bench.report.spec_view import SpecView
from bench.report.validation_view import ValidationView


@dataclass
class SectionView:
    """Everything the templates say about a section."""

    section: Section
    table: tables.ComparisonTable
    headline: list[str]
    one_seed: list[str]
    answer: Answer | None
    facts: list[tuple[str, str]]
    fitness: list[str]
    judges: list[JudgeView]
    unmeasured: list[tuple[str, str]]
    failures: list[tuple[str, str, str, str]]
    published: list[PublishedTable]
    measured_protocol: str
    plots: list[Plot]
    gallery: Gallery | None
    image_values: ImageValues | None
    specs: list[SpecView]
    panel: PanelView | None = None
    validation: ValidationView | None = None
    costs: CostsView | None = None

    @property
    def parts(self) -> list[tuple[str, str]]:
        """(anchor, title) of what the section has, in order."""
        gallery = self.gallery
        there = [
            ("failures", "Runs that did not finish", self.failures),
            ("comparison", "Comparison", self.table.columns),
            ("panel", "The panel of judges", self.panel),
            ("published", "Beside published numbers", self.published),
            ("validation", "Validation and the step that was scored", self.validation),
            ("figures", "Figures", self.plots),
            ("images", "Images", gallery),
            ("seen", "What the judge sees", gallery and gallery.seen),
            ("picks", "Best, median and worst", gallery and gallery.picks),
            ("values", "Image by image", self.image_values),
            ("costs", "What it costs", self.costs),
            ("variants", self.variants_title, self.specs),
        ]
        return [(key, title) for key, title, content in there if content]

    @property
    def closer(self) -> bool:
        """Whether there is anything for the part that looks closer."""
        return bool((self.gallery and self.gallery.picks) or self.image_values or self.costs or self.specs)

    @property
    def trained(self) -> bool:
        """Whether any row was trained here, rather than given as images."""
        return any(map(is_trained, self.section.rows)) or not self.section.rows

    @property
    def variants_title(self) -> str:
        return "The variants, exactly" if self.trained else "The scored images, exactly"

    @property
    def caption(self) -> str:
        """How to read the comparison."""
        return self._caption(self.table.n, self.table.columns, tables.unranked_words(self.section))

    @property
    def caption_brief(self) -> str:
        """How to read the short table."""
        return self._caption(self.table.n_brief, [self.table.columns[place] for place in self.table.brief])

    def _caption(self, n: str, columns: Sequence[Column], unranked: str = "") -> str:
        arrows = {column.arrow: column.direction_words for column in columns if column.arrow}
        said = [
            f"N = {n} test images.",
            self.seeds_words,
            "Bold: the best of a column, where it is clearly better than the next." * self.table.has_best,
            ", ".join(f"{arrow} {words}" for arrow, words in arrows.items()) + "." * bool(arrows),
            unranked,
        ]
        return " ".join(filter(None, said))

    @property
    def intervals_caption(self) -> str:
        """How to read the table of intervals."""
        if not self.table.has_seeds:
            return "Each value with its 95 % interval over the test images."
        return (
            "Each value with its standard deviation over seeds (±) and its 95 % interval over the test "
            "images. With several seeds, the interval is the mean of theirs."
        )

    @property
    def seeds_words(self) -> str:
        """What captions say about seeds."""
        counts = sorted({len(row.seeds) for row in self.section.rows})
        if not counts or counts[-1] == 0:
            return ""
        if counts == [1]:
            return "Each variant was trained with one seed: how far seeds differ is not known."
        said = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"Values are means over {said} seeds, ± their standard deviation."

    @property
    def unranked_words(self) -> str:
        """What captions say about columns that do not rank, with a space before it."""
        said = tables.unranked_words(self.section)
        return f" {said}" if said else ""


def is_trained(row: Row) -> bool:
    """Whether a row's images come from a training that its record knows, not from a folder."""
    return "steps" in row.first.spec.get("training", {})

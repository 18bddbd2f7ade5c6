"""The files of a report, by format, and how they get into place.

html       index.html
md         report.md, figures/*.png
csv        results.csv, differences.csv; of a panel of judges agreement.csv
parquet    results.parquet
latex      latex/report.tex, latex/*.tex (a table each), latex/*.pdf (a figure each)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from bench.analysis.entry import Entry
from bench.core.errors import unknown_name
from bench.core.files import move_file
from bench.report.downloads import downloads
from bench.report.escape import html_environment, markdown_environment
from bench.report.frames import agreement_frame, differences_frame, results_frame, typed
from bench.report.latex import latex_environment

if TYPE_CHECKING:
    from bench.report.section_view import SectionView

FORMATS = ("html", "md", "latex", "csv", "parquet")
_IMAGES = {"html": "svg", "md": "png", "latex": "pdf"}
# Files that an earlier report named, and the next one does not have: (where it says so, how, their folder).
_NAMED = (
    ("md", "report.md", r"\]\(figures/(s\d+-[\w-]+\.png)\)", "figures"),
    ("latex", "latex/report.tex", r"\{(s\d+-[\w-]+\.(?:tex|pdf))\}", "latex"),
)


@dataclass(frozen=True)
class Wanted:
    """What to write.

    Attributes:
        formats: some of `FORMATS`.
        ablate: fields to draw metrics against.
        metrics: keys for those figures; empty = the usual ones.
        picks: keys that the page's best, median and worst images go by; empty = the usual ones.
        claims: files with claims of the user's own.
        shown: id of a section without a gallery -> file beside the report that shows its images.
    """

    formats: tuple[str, ...] = ("html", "md", "csv")
    ablate: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    picks: tuple[str, ...] = ()
    claims: tuple[Path, ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in FORMATS:
                raise unknown_name("format", name, FORMATS, "bench report --help")

    @property
    def images(self) -> frozenset[str]:
        """Formats of the figures."""
        return frozenset(_IMAGES[name] for name in self.formats if name in _IMAGES)


WANTED = Wanted()


@dataclass(frozen=True)
class ReportFiles:
    """Where the parts of a report are; of formats that were not asked for, where they would.

    Attributes:
        html: the page; needs nothing beside it.
        markdown: the same tables; its figures are in `figures/`.
        csv: one row a (record, metric).
        differences: CSV, one row a (metric, pair of variants).
        figures: PNG files.
        written: all files that were written, the chief one first.
    """

    html: Path
    markdown: Path
    csv: Path
    differences: Path
    figures: tuple[Path, ...]
    written: tuple[Path, ...]


def write_formats(
    folder: Path,
    formats: Sequence[str],
    views: Sequence[SectionView],
    entries: Sequence[Entry],
    context: dict[str, Any],
) -> None:
    """Write the files of each format into the empty `folder`."""
    found = [(view.section.title, one) for view in views for one in view.table.differences]
    results, differences = results_frame(entries), differences_frame(found)
    if "csv" in formats:
        results.to_csv(folder / "results.csv", index=False, quoting=csv.QUOTE_MINIMAL)
        differences.to_csv(folder / "differences.csv", index=False)
        ranks = [(view.section.title, one) for view in views if view.panel for one in view.panel.ranks]
        if ranks:
            agreement_frame(ranks).to_csv(folder / "agreement.csv", index=False)
    if "parquet" in formats:
        typed(results).to_parquet(folder / "results.parquet", index=False)
    if "md" in formats:
        _write_png(views, folder / "figures")
        _render(folder / "report.md", "report.md.j2", markdown_environment(), context)
    if "latex" in formats:
        _write_latex(folder / "latex", views, context)
    if "html" in formats:
        held = downloads(results, differences, [entry.record for entry in entries])
        page = {**context, "downloads": held}
        _render(folder / "index.html", "index.html.j2", html_environment(), page)


def _render(path: Path, template: str, environment: jinja2.Environment, context: dict[str, Any]) -> None:
    path.write_text(environment.get_template(template).render(context), encoding="utf-8")


def _write_png(views: Sequence[SectionView], folder: Path) -> None:
    folder.mkdir(parents=True)
    for view in views:
        images = {plot.key: plot.png for plot in view.plots}
        if view.gallery is not None:
            images[f"{view.section.id}-gallery"] = view.gallery.fixed.sheet_png()
        for key, png in images.items():
            (folder / f"{key}.png").write_bytes(png)


def _write_latex(folder: Path, views: Sequence[SectionView], context: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    environment = latex_environment()
    for view in views:
        for plot in view.plots:
            (folder / f"{plot.key}.pdf").write_bytes(plot.pdf)
        if view.table.columns:
            path = folder / f"{view.section.id}-comparison.tex"
            _render(path, "table.tex.j2", environment, {**context, "view": view})
    _render(folder / "report.tex", "report.tex.j2", environment, context)


def move_files(folder: Path, destination: Path, formats: Sequence[str]) -> ReportFiles:
    """Put the finished files in place, the page last; drop figures that only the old report named."""
    before = [
        destination / where / name
        for of, said, pattern, where in _NAMED
        if of in formats and (destination / said).is_file()
        for name in re.findall(pattern, (destination / said).read_text(encoding="utf-8"))
    ]
    chief = ("index.html", "report.md", "latex/report.tex", "results.csv", "results.parquet")
    made = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    made.sort(key=lambda name: chief.index(name) if name in chief else len(chief))
    for name in reversed(made):
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        move_file(folder / name, destination / name)
    written = tuple(destination / name for name in made)
    for path in set(before) - set(written):
        path.unlink(missing_ok=True)
    return ReportFiles(
        destination / "index.html",
        destination / "report.md",
        destination / "results.csv",
        destination / "differences.csv",
        tuple(path for path in written if path.suffix == ".png"),
        written,
    )

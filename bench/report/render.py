"""Records -> report: one self-contained HTML page, Markdown with figures, and a CSV of everything."""

from __future__ import annotations

import csv
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from bench.files import move_file
from bench.metrics.catalogue import CATALOGUE
from bench.records import RunRecord
from bench.report import tables
from bench.report.album import Album
from bench.report.colours import variant_colours
from bench.report.downloads import downloads
from bench.report.drawing import Plot
from bench.report.facts import facts, measured_protocol
from bench.report.frame import Row, Section, flatten, info_of
from bench.report.gallery import Gallery, build
from bench.report.headline import headline
from bench.report.judge import JudgeView, judges
from bench.report.perimage import PictureValues, picture_values
from bench.report.plots import draw
from bench.report.readings import fitness_statements
from bench.report.sections import load_entries, sections, tidy
from bench.report.wording import html_environment, markdown_environment

_DIFFERENCE_COLUMNS = [
    "section", "metric", "first", "second", "difference", "low", "high", "seeds_low", "seeds_high", "basis",
    "p", "p_holm", "distinguishable",
]  # fmt: skip


@dataclass(frozen=True)
class ReportFiles:
    """What `write_report` wrote.

    Attributes:
        html: the page; needs nothing beside it.
        markdown: the same tables; its figures lie in `figures/`.
        csv: one row a (record, metric).
        differences: CSV, one row a (metric, pair of variants).
        figures: PNG files.
    """

    html: Path
    markdown: Path
    csv: Path
    differences: Path
    figures: tuple[Path, ...]


@dataclass(frozen=True)
class SpecView:
    """A variant in full: its spec as (field, value) pairs by group, runs, and the command that repeats it."""

    label: str
    source: str
    groups: list[tuple[str, list[tuple[str, str]]]]
    runs: list[tuple[str, str, str]]
    command: str


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
    picture_values: PictureValues | None
    specs: list[SpecView]

    @property
    def parts(self) -> list[tuple[str, str]]:
        """(anchor, title) of what the section has, in order."""
        gallery = self.gallery
        there = [
            ("failures", "Runs that did not finish", self.failures),
            ("comparison", "Comparison", self.table.columns),
            ("published", "Beside published numbers", self.published),
            ("pictures", "Pictures", gallery),
            ("judged", "What the judge sees", gallery and gallery.judged),
            ("picks", "Best, median and worst", gallery and gallery.picks),
            ("values", "Picture by picture", self.picture_values),
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


def write_report(
    outs: Sequence[Path], destination: Path, running: tuple[int, int] | None = None
) -> ReportFiles:
    """Write the report on one or more outputs into `destination`.

    Everything is made in a temporary folder first; each file then replaces its predecessor whole. Other
    files in `destination` are left alone.

    Args:
        outs: output folders with records.
        destination: folder for index.html, report.md, results.csv and figures/.
        running: (runs done, runs in all) of a grid that goes on: the page says so and reloads itself.

    Raises:
        UsageError: if an output holds no records, or one cannot be read.
    """
    entries, notes = load_entries(outs)
    made = sections(entries)
    colours = variant_colours(row.label for section in made for row in section.rows)
    album = Album()
    views = [_view(section, colours, album) for section in made]
    notes += [album.note] if album.note else []
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-report-", dir=destination.parent) as name:
        temporary = Path(name)
        figures = _write_figures(views, temporary / "figures")
        results, differences = tidy(entries), _differences(views)
        results.to_csv(temporary / "results.csv", index=False, quoting=csv.QUOTE_MINIMAL)
        differences.to_csv(temporary / "differences.csv", index=False)
        context = _context(views, colours, notes) | {"running": running}
        context["downloads"] = downloads(results, differences, [entry.record for entry in entries])
        _render(temporary / "report.md", "report.md.j2", markdown_environment(), context)
        _render(temporary / "index.html", "index.html.j2", html_environment(), context)
        return _move(temporary, destination, figures)


def _differences(views: Sequence[SectionView]) -> pd.DataFrame:
    """One row a metric and pair of variants: difference, intervals, p-values, and the judgement."""
    rows = [
        {
            "section": view.section.title,
            "metric": one.column.id,
            "first": one.first.label,
            "second": one.second.label,
            "difference": one.difference,
            "low": one.interval[0] if one.interval else None,
            "high": one.interval[1] if one.interval else None,
            "seeds_low": one.over_seeds[0] if one.over_seeds else None,
            "seeds_high": one.over_seeds[1] if one.over_seeds else None,
            "basis": one.basis,
            "p": one.p_value,
            "p_holm": one.corrected,
            "distinguishable": one.distinguishable,
        }
        for view in views
        for one in view.table.differences
    ]
    return pd.DataFrame(rows, columns=_DIFFERENCE_COLUMNS)


def _view(section: Section, colours: Mapping[str, str], album: Album) -> SectionView:
    table = tables.comparison(section)
    by_reason: dict[str, list[str]] = {}
    for title, reasons in section.unmeasured.items():
        by_reason.setdefault("; ".join(reasons), []).append(title)
    return SectionView(
        section=section,
        table=table,
        headline=headline(section, table.standings),
        facts=facts(section),
        fitness=fitness_statements(section),
        judges=judges(section),
        unmeasured=[(", ".join(titles), reason) for reason, titles in by_reason.items()],
        failures=tables.failures(section),
        published=tables.published(section),
        measured_protocol=measured_protocol(section),
        plots=draw(section, colours),
        gallery=build(section, album),
        picture_values=picture_values(section),
        specs=[_spec_view(row) for row in section.rows],
    )


def _spec_view(row: Row) -> SpecView:
    record = row.entries[0].record
    names = {"variant": "Variant", "training": "Training", "test": "Test", "data": "Data"}
    groups = []
    for key, title in names.items():
        held = flatten(record.spec.get(key, {}))
        groups.append(
            (
                title,
                [(name, _value(value)) for name, value in held.items() if name != "source" or key == "data"],
            )
        )
    runs = [
        (r.id, "–" if r.seed is None else str(r.seed), _duration(r.timings.get("train")))
        for r in (entry.record for entry in row.entries)
    ]
    source = str(record.spec.get("variant", {}).get("source", ""))
    return SpecView(row.label, source, [g for g in groups if g[1]], runs, _command(record))


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _command(record: RunRecord) -> str:
    command = record.environment.get("command", "")
    return shlex.join(map(str, command)) if isinstance(command, list | tuple) else str(command)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes = seconds / 60
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{minutes:.0f} min"
        if minutes < 90
        else f"{minutes / 60:.1f} h"
    )


def _context(views: list[SectionView], colours: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    found = {key for view in views for e in view.section.entries for key in e.record.results}
    infos = [info_of(key) for key in [*(k for k in CATALOGUE if k in found), *sorted(found - set(CATALOGUE))]]
    columns = {c.info.key: c for view in reversed(views) for c in view.section.columns}
    references = dict.fromkeys(row.label for view in views for row in view.section.references)
    names = list(dict.fromkeys(view.section.dataset for view in views))
    return {
        "views": views,
        "colours": colours,
        "notes": notes,
        "title": f"pix2pix variants on {', '.join(names)}",
        "glossary": [(info, columns.get(info.key)) for info in infos],
        "references": [(name, tables.REFERENCE_ABOUT.get(name, "")) for name in references],
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "svg": lambda plot: Markup(plot.svg),  # drawn here; texts in it were escaped by the drawing
    }


def _render(path: Path, template: str, environment: jinja2.Environment, context: dict[str, Any]) -> None:
    path.write_text(environment.get_template(template).render(context), encoding="utf-8")


def _write_figures(views: list[SectionView], folder: Path) -> list[str]:
    folder.mkdir(parents=True)
    names = []
    for view in views:
        pictures = {plot.key: plot.png for plot in view.plots}
        if view.gallery is not None:
            pictures[f"{view.section.id}-gallery"] = view.gallery.fixed.sheet_png()
        for key, png in pictures.items():
            (folder / f"{key}.png").write_bytes(png)
            names.append(f"{key}.png")
    return names


def _move(temporary: Path, destination: Path, figures: list[str]) -> ReportFiles:
    """Put the finished files in place, the page last; drop figures that only the old report.md named."""
    folder = destination / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    old = destination / "report.md"
    before = (
        re.findall(r"\]\(figures/(s\d+-[\w-]+\.png)\)", old.read_text(encoding="utf-8"))
        if old.is_file()
        else []
    )
    for name in figures:
        move_file(temporary / "figures" / name, folder / name)
    for name in ("results.csv", "differences.csv", "report.md", "index.html"):
        move_file(temporary / name, destination / name)
    for name in set(before) - set(figures):
        (folder / name).unlink(missing_ok=True)
    return ReportFiles(
        destination / "index.html",
        old,
        destination / "results.csv",
        destination / "differences.csv",
        tuple(folder / name for name in figures),
    )

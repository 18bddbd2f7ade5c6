"""Records -> report: what is on the page, in Markdown and in LaTeX, worked out once for all formats."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bench.analysis.column import info_of
from bench.analysis.entry import load_entries
from bench.analysis.judge_cards import blur_statements
from bench.analysis.picks import check_picks
from bench.analysis.readings import fitness_statements
from bench.analysis.sections import Section, sections
from bench.analysis.sweep_lines import Sweep, sweeps
from bench.analysis.viewer_values import image_values
from bench.claims.ledger import load_ledger
from bench.report import tables
from bench.report.answer_view import answer
from bench.report.claims_view import claims_view
from bench.report.costs_view import HEADS, costs_view
from bench.report.facts import facts, measured_protocol
from bench.report.formats import WANTED, ReportFiles, Wanted, move_files, write_formats
from bench.report.gallery import build
from bench.report.headline import headline, one_seed
from bench.report.image_budget import Album
from bench.report.judge_view import judges
from bench.report.marks import drawer, reference_marks, row_marks, shapes
from bench.report.panel_view import panel_view
from bench.report.plots import draw
from bench.report.plots.colours import variant_colours
from bench.report.published_view import published
from bench.report.section_view import SectionView
from bench.report.spec_view import spec_view
from bench.report.titles import about, reading, title
from bench.report.validation_view import validation_view
from bench.scoring.metrics.catalogue import CATALOGUE


def write_report(
    outs: Sequence[Path], destination: Path, wanted: Wanted = WANTED, running: tuple[int, int] | None = None
) -> ReportFiles:
    """Write the report on one or more outputs into `destination`.

    Everything is made in a temporary folder first; each file then replaces its predecessor whole. Other
    files in `destination` are left alone.

    Args:
        outs: output folders with records.
        destination: folder for the files that `bench.report.formats` names.
        wanted: formats, and fields to draw metrics against.
        running: (runs done, runs in all) of a grid that goes on: the page says so and reloads itself.

    Raises:
        UsageError: if an output holds no records, one cannot be read, a field does not vary, a metric has no
            values by image, or a file of claims is not right; nothing is written then.
    """
    entries, notes = load_entries(outs)
    made = sections(entries)
    swept = sweeps(made, wanted.ablate, wanted.metrics)
    check_picks(made, wanted.picks)
    ledger = load_ledger(wanted.claims, {row.variant for section in made for row in section.all_rows})
    colours = variant_colours(row.label for section in made for row in section.rows)
    album = Album()
    views = [_view(section, colours, album, swept[section.id], wanted) for section in made]
    notes += [album.note] if album.note else []
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-report-", dir=destination.parent) as name:
        context = _context(views, colours, notes) | {"running": running, "formats": wanted.formats}
        galleries = {view.section.id: f"#{view.section.id}-images" for view in views if view.gallery}
        images = {**wanted.shown, **galleries}
        context["claims"] = claims_view(ledger, made, images, own=bool(wanted.claims))
        write_formats(Path(name), wanted.formats, views, entries, context)
        return move_files(Path(name), destination, wanted.formats)


def _view(
    section: Section, colours: Mapping[str, str], album: Album, swept: Sequence[Sweep], wanted: Wanted
) -> SectionView:
    table = tables.comparison(section)
    gallery = build(section, album, wanted.picks)
    return SectionView(
        section=section,
        table=table,
        headline=headline(section, table.standings),
        one_seed=one_seed(section),
        answer=answer(section, table.standings, table.differences, gallery),
        facts=facts(section),
        fitness=[*blur_statements(section), *fitness_statements(section)],
        judges=judges(section),
        unmeasured=section.unmeasured_by_reason,
        failures=tables.failures(section),
        published=published(section),
        measured_protocol=measured_protocol(section),
        plots=draw(section, colours, swept, wanted.images),
        gallery=gallery,
        image_values=image_values(section),
        specs=[spec_view(row) for row in section.rows],
        panel=panel_view(section),
        validation=validation_view(section),
        costs=costs_view(section),
    )


def _context(views: list[SectionView], colours: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    found = {key for view in views for e in view.section.entries for key in e.record.results}
    infos = [info_of(key) for key in [*(k for k in CATALOGUE if k in found), *sorted(found - set(CATALOGUE))]]
    columns = {c.info.key: c for view in reversed(views) for c in view.section.columns}
    references = dict.fromkeys(row.label for view in views for row in view.table.references)
    marks = row_marks(colours)
    return {
        "views": views,
        "colours": colours,
        "marks": marks,
        "mark": drawer(marks),
        "shapes": shapes([*marks.values(), *reference_marks().values()]),
        "notes": notes,
        "cost_heads": HEADS,
        "title": title(views),
        "about": about(views),
        "glossary": [(info, columns.get(info.key)) for info in infos],
        "references": [(name, tables.REFERENCE_ABOUT.get(name, "")) for name in references],
        "reading": reading(views),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "svg": lambda plot: Markup(plot.svg),  # drawn here; texts in it were escaped by the drawing
    }

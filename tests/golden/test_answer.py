"""The first screen by its data: panels, verdicts, what spoils a number, and titles from what records hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from bench.analysis.entry import load_entries
from bench.analysis.readings import blind_columns
from bench.analysis.sections import Section, sections
from bench.records.record import RunRecord, read_per_image, read_records, write_record
from bench.report.answer_view import MOST_IMAGES, MOST_ROWS, Answer, answer
from bench.report.formats import Wanted
from bench.report.gallery import build
from bench.report.headline import headline
from bench.report.image_budget import Album
from bench.report.marks import SHAPES, row_marks
from bench.report.plots.colours import MARKERS, REFERENCE_MARKERS, looks, variant_colours
from bench.report.render import write_report
from bench.report.tables import comparison

REFERENCE = Path(__file__).parents[2] / "reports" / "reference"
TITLES = ["Right content", "Looks real", "Close to the target", "As sharp as real"]


def read(out: Path) -> Section:
    (section,) = sections(load_entries([out])[0])
    return section


def answer_of(section: Section) -> Answer:
    table = comparison(section)
    found = answer(section, table.standings, table.differences, build(section, Album()))
    assert found is not None
    return found


def test_each_question_has_a_panel_on_the_scale_of_its_values(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    section = read(tmp_path)
    found = answer_of(section)
    assert [panel.title for panel in found.panels] == TITLES
    assert [panel.column.id for panel in found.panels] == ["fcn_class_iou", "fd_lite0", "mae", "hf_ratio"]
    for panel in found.panels:
        values = {row.label: row.value(panel.column) for row in section.rows}
        at = {dot.label: dot.at for dot in panel.dots}
        assert sorted(values, key=values.__getitem__) == sorted(at, key=at.__getitem__)
        places = [p for dot in panel.dots for p in (dot.at, *dot.seeds, *(dot.interval or ()))]
        assert all(0 <= place <= 100 for place in places)  # type: ignore[operator]
    content, real, close, sharp = found.panels
    assert content.verdict == "l1+cgan is best"
    assert [dot.label for dot in content.dots if dot.best] == ["l1+cgan"]
    assert content.real_words == "real images 0.385"
    assert (close.real, close.real_words) == (None, "")  # no value in the real row
    assert sharp.target is not None
    assert real.target is None
    assert (found.seeds, found.intervals) == (True, True)


def test_what_is_far_off_has_no_place_but_a_word(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    (real,) = [r for r in read_records(tmp_path) if r.label == "real"]
    far = replace(real.results["fd_lite0"], value=-400.0)
    write_record(tmp_path, replace(real, results={**real.results, "fd_lite0": far}))
    panel = answer_of(read(tmp_path)).panels[1]
    assert (panel.real, panel.real_words) == (None, "real images -400.00 (far left)")


def test_leaders_that_cannot_be_told_apart_are_all_named() -> None:
    content, real, close, sharp = answer_of(read(REFERENCE / "facades-128-50-epochs")).panels
    assert content.verdict == "no clear winner: l1+gan, l1"
    assert real.verdict == "no clear winner: l1, gan"
    assert not any(dot.best for dot in real.dots)
    assert real.trivial == "Even a real image of another scene scores better: 79.23."
    assert close.verdict == "l1 is best"
    assert sharp.trivial == ""


def test_a_judge_that_cannot_tell_does_not_make_the_headline_and_is_said_before_its_number() -> None:
    section = read(Path(__file__).parent / "blind_judge")  # facades at 64 px
    said = headline(section, comparison(section).standings)
    assert said[0].startswith("No clear winner on FD (Lite0): 3 seeds cannot tell l1+gan (208.32) from l1 ")
    (blind,) = [place for place, one in enumerate(said) if one.startswith("The judge fcn-small at 64 px (")]
    assert "cannot tell real photos from those of l1, l1+gan and l1+cgan" in said[blind]
    (spoilt,) = [place for place, one in enumerate(said) if "FCN class IoU" in one and place != blind]
    assert spoilt == blind + 1
    assert "fcn_class_iou" in blind_columns(section)
    panels = answer_of(section).panels
    assert [bool(panel.warning) for panel in panels] == [True, False, False, False]
    clear = read(REFERENCE / "cityscapes-128-8-epochs")
    assert blind_columns(clear) == set()
    assert "FCN class IoU" in headline(clear, comparison(clear).standings)[0]


def test_of_many_variants_the_best_have_a_line_and_the_first_an_image(tmp_path: Path) -> None:
    for number in range(MOST_ROWS + 3):
        synthetic.write_run(tmp_path, "l1", 0, id=f"r{number}", steps=100 + number, details={}, history=[])
    section = read(tmp_path)
    found = answer_of(section)
    for panel in found.panels:
        assert [dot.label for dot in panel.dots] == [
            row.label for row in section.ranked(panel.column)[:MOST_ROWS]
        ]
        assert panel.left_out == 3
    assert [head for head, _ in found.strip][:1] == ["source"]
    assert len(found.strip) == MOST_IMAGES + 2
    assert found.images_left == MOST_ROWS + 3 - MOST_IMAGES


def test_marks_are_those_of_the_figures() -> None:
    assert set(SHAPES) == {*MARKERS, *REFERENCE_MARKERS.values()}
    colours = variant_colours([*synthetic.FIVE, "x", "y"])
    drawn = looks(colours)
    for label, mark in row_marks(colours).items():
        assert (mark.shape, mark.colour) == (SHAPES[drawn[label].marker][0], drawn[label].colour)
    assert len({mark.shape for mark in row_marks(colours).values()}) == 7


def given(out: Path, labels: tuple[str, ...]) -> None:
    """Records as `bench score DIR` writes them: no seed, no training, a real row without values."""
    for label in labels:
        made = synthetic.write_run(out, label, 0, id=label, details={}, history=[], timings={})
        spec = {name: held for name, held in made.spec.items() if name != "seed"}
        spec |= {"training": {"size_px": 64}, "variant": {"name": label, "source": f"images in {label}"}}
        spec["data"] = {**spec["data"], "train_n": 0}
        told = {**made.environment, "command": "bench score a b --target t"}
        write_record(out, replace(made, spec=spec, environment=told), read_per_image(out, made))
    real = synthetic.write_reference(out, "real")
    reason = "no training targets to compare with the test targets"
    gone = {key: replace(r, value=None, interval=None, reason=reason) for key, r in real.results.items()}
    bare: RunRecord = replace(real, results=gone, details={})
    data = {**bare.spec["data"], "train_n": 0}
    write_record(out, replace(bare, spec={**bare.spec, "data": data}))


@pytest.mark.parametrize(
    ("labels", "title"),
    [
        (("unet", "gan2"), "Scores of the images in gan2 and unet"),
        (("unet",), "Scores of the images in unet"),
    ],
)
def test_a_page_of_folders_says_nothing_that_its_records_do_not_hold(
    tmp_path: Path, labels: tuple[str, ...], title: str
) -> None:
    given(tmp_path, labels)
    files = write_report([tmp_path], tmp_path / "report", Wanted(("html", "md")))
    html, text = (path.read_text(encoding="utf-8") for path in (files.html, files.markdown))
    assert f"<h1>{title}</h1>" in html
    assert text.startswith(f"# {title}\n")
    assert "The images were given as folders. How they were made is not known here." in html
    assert not [word for word in ("seed", "ablation", "epoch", "Dashed: the real row") if word in text]
    assert "The row real (real images) is left out, because it has no value: no training targets" in text
    assert "| real (real images) |" not in text
    assert ("Bold: the best of a column" in text) == (len(labels) > 1)
    assert "The scored images, exactly" in html


def test_images_without_sources_have_no_head_for_them(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    for path in (tmp_path / "gallery/x/source").iterdir():
        path.unlink()
    html = write_report([tmp_path], tmp_path / "report", Wanted(("html",))).html.read_text(encoding="utf-8")
    assert "source, output, target" not in html
    strip = html[html.index('class="first-image"') : html.index('class="panels"')]
    assert 'alt="source of' not in strip
    assert strip.count("<figure>") == 4  # three variants and the target

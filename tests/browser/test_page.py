"""The report page in a real browser: it opens from disk, alone, for everybody, on any screen."""

from __future__ import annotations

import io
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from looking import PAPER, Open, Seen, filled, fills, printed
from PIL import Image

from bench.records.record import read_per_image, read_records, record_path, write_record
from bench.report.formats import Wanted
from bench.report.plots.colours import FIXED
from bench.report.render import write_report

WIDE = "document.documentElement.scrollWidth"


def order(page: Any) -> list[str]:
    return page.eval_on_selector_all(
        "table.sortable tbody:first-of-type th[scope=row]", "cells => cells.map(cell => cell.dataset.sort)"
    )


def background(page: Any) -> tuple[int, ...]:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return tuple(int(part) for part in re.findall(r"\d+", colour)[:3])


def serious(page: Any) -> list[str]:
    """What axe-core calls a serious or critical fault, with the first place of each."""
    return faults(page, ("serious", "critical"))


def faults(page: Any, impacts: tuple[str, ...] = ("minor", "moderate", "serious", "critical")) -> list[str]:
    """What axe-core finds, with the first place of each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {fault['nodes'][0]['html'][:150]}"
        for fault in found
        if fault["impact"] in impacts
    ]


def test_it_opens_from_disk_alone(report: Path, opened: Open, tmp_path: Path) -> None:
    """Moved to an empty folder, with every image scrolled into view: no error, no request."""
    moved = tmp_path / "page with spaces.html"
    moved.write_bytes(report.read_bytes())
    with opened(moved) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        for image in seen.page.query_selector_all("img"):
            image.scroll_into_view_if_needed()
        blank = "[...document.images].filter(image => !image.complete || !image.naturalWidth).length"
        seen.page.wait_for_function(f"{blank} === 0")
        assert seen.problems == []
        outside = [url for url in seen.requests if not url.startswith(("data:", "blob:"))]
        assert outside == [moved.as_uri()]


def test_a_click_on_a_head_sorts(report: Path, opened: Open) -> None:
    with opened(report) as seen:
        head = seen.page.locator("table.sortable th", has_text="FCN class IoU").first
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        best = order(seen.page)
        head.get_by_role("button").press("Enter")  # by keyboard
        assert head.get_attribute("aria-sort") == "ascending"
        assert order(seen.page) == best[::-1]
        assert best == ["l1+cgan", "l1", "cgan"]
        references = seen.page.locator("table.sortable tbody.references th[scope=row]").all_text_contents()
        assert [words.split()[0][:4] for words in references] == ["real", "copy", "near", "rand"]


def test_the_theme_is_chosen_and_kept(report: Path, opened: Open) -> None:
    with opened(report, color_scheme="dark") as seen:
        dark = background(seen.page)
        assert max(dark) < 60
        seen.page.locator("#theme").select_option("light")
        assert min(background(seen.page)) > 240
        seen.page.reload()
        assert min(background(seen.page)) > 240
        seen.page.locator("#theme").select_option("auto")
        assert background(seen.page) == dark


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_scrolls_sideways(report: Path, opened: Open, width: int) -> None:
    with opened(report, width=width) as seen:
        assert seen.page.evaluate(WIDE) <= width
        seen.page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        assert seen.page.evaluate(WIDE) <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(report: Path, opened: Open, scheme: str) -> None:
    with opened(report, color_scheme=scheme) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        assert serious(seen.page) == []
        seen.page.locator("table.gallery img").first.click()
        assert serious(seen.page) == []


def test_without_javascript_it_still_reads(report: Path, opened: Open) -> None:
    with opened(report, java_script_enabled=False) as seen:
        assert seen.page.locator("table.sortable").first.is_visible()
        assert seen.page.locator("table.gallery img").first.is_visible()
        assert not seen.page.locator(".js-only").first.is_visible()


def test_in_print_the_controls_are_gone(report: Path, opened: Open) -> None:
    with opened(report) as seen:
        seen.page.emulate_media(media="print", color_scheme="dark")
        assert min(background(seen.page)) == 255
        assert not seen.page.locator("#theme").is_visible()
        assert seen.page.locator("table.sortable").first.is_visible()


def test_on_paper_no_column_is_cut_off(report: Path, opened: Open) -> None:
    """A4 with usual margins is 718 px wide; on paper nothing scrolls."""
    with opened(report, width=718) as seen:
        seen.page.emulate_media(media="print")
        boxes = [table.bounding_box() for table in seen.page.locator("table.sortable").all()]
        assert boxes
        assert all(box["x"] + box["width"] <= 718 for box in boxes), boxes
        assert not seen.page.locator("#s1-values").is_visible()  # a head with nothing below it


@pytest.mark.parametrize("paper", PAPER)
def test_no_printed_sheet_is_nearly_empty_and_no_figure_is_cut(
    every_metric: Path, opened: Open, paper: str
) -> None:
    wide, high = PAPER[paper]
    with opened(every_metric, width=wide) as seen:
        sheets = [filled(sheet) for sheet in printed(seen.page, paper)]
        assert min(sheets[:-1]) > 200, sheets
        seen.page.emulate_media(media="print")
        figures = [figure.bounding_box() for figure in seen.page.locator("figure").all()]
        assert len(figures) > 5
        assert max(box["height"] for box in figures) < high - 60, figures  # with the heading before it


def test_marks_are_printed_in_their_colours_and_clicks_are_not_spoken_of(
    every_metric: Path, opened: Open
) -> None:
    with opened(every_metric) as seen:
        seen.page.add_style_tag(content="figure { display: none }")  # figures have the colours too
        colours = set().union(*map(fills, printed(seen.page, "A4")))
        assert set(FIXED.values()) <= colours
        hint = seen.page.get_by_text("A click on a column head sorts").first
        assert hint.is_visible()
        seen.page.emulate_media(media="print")
        assert not hint.is_visible()
        assert not seen.page.locator("footer").is_visible()  # nobody downloads from paper


@pytest.mark.parametrize("width", [1440, 1920])
def test_on_a_wide_screen_all_columns_are_in_sight(every_metric: Path, opened: Open, width: int) -> None:
    with opened(every_metric, width=width) as seen:
        seen.page.locator("#s1-all").check()
        heads = seen.page.locator("table.sortable thead tr:last-child th")
        assert heads.count() == 18  # variant, seeds, 16 metrics
        ends = [box["x"] + box["width"] for box in (head.bounding_box() for head in heads.all())]
        assert max(ends) <= width
        box = seen.page.locator(".comparison .box").first
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
        left, text = box.bounding_box()["x"], seen.page.locator("h1").bounding_box()["x"]
        assert left == pytest.approx(text, abs=1) if width == 1920 else 20 <= left <= text
        assert seen.page.evaluate(WIDE) <= width


def visible(page: Any, places: str) -> list[str]:
    return [" ".join(one.text_content().split()) for one in page.locator(places).all() if one.is_visible()]


def test_the_table_opens_with_a_metric_a_question(every_metric: Path, opened: Open) -> None:
    heads, questions = "table.sortable thead tr:last-child th", "table.sortable tr.questions th"
    short = ["Variant", "Seeds", "FCN class IoU (fcn-small) ↑", "FD (Lite0) ↓", "MAE ↓", "HF ratio →1"]
    asked = ["Right content", "Looks real", "Close to the target", "As sharp as real"]
    with opened(every_metric) as seen:
        assert visible(seen.page, heads) == short
        assert visible(seen.page, questions) == asked
        rows = seen.page.locator("table.sortable tbody tr")
        ends = [
            seen.page.locator(place).last.bounding_box() for place in (heads + ":visible", "tbody td:visible")
        ]
        assert ends[0]["width"] > 0
        assert {len([c for c in row.locator("th, td").all() if c.is_visible()]) for row in rows.all()} == {6}
        seen.page.locator("#s1-all").check()
        assert len(visible(seen.page, heads)) == 18
        assert visible(seen.page, questions) == [*asked, "Right colours", "Answers to its input"]
        assert {row.locator("th:visible, td:visible").count() for row in rows.all()} == {18}
    with opened(every_metric, java_script_enabled=False) as seen:
        seen.page.locator("#s1-all").check()  # by the style sheet alone
        assert len(visible(seen.page, heads)) == 18


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_has_the_answer(report: Path, opened: Open, width: int, height: int) -> None:
    """Sentence, one test image as all draw it, and four questions with their verdicts: without scrolling."""
    with opened(report, width=width, height=height) as seen:
        images = seen.page.locator(".first-image img")
        panels = seen.page.locator(".panel")
        parts = [seen.page.locator(".lede"), *images.all(), *panels.all()]
        assert (images.count(), panels.count()) == (5, 4)
        for box in (part.bounding_box() for part in parts):
            assert box["y"] + box["height"] <= height
            assert box["x"] + box["width"] <= width
        assert visible(seen.page, ".panel .ask") == [
            "Right content", "Looks real", "Close to the target", "As sharp as real",
        ]  # fmt: skip
        assert visible(seen.page, ".panel .verdict") == [
            "l1+cgan is best", "l1+cgan is best", "none is good; cgan is least bad", "l1+cgan is best",
        ]  # fmt: skip
        images.nth(1).click()
        assert seen.page.locator("#viewer").is_visible()


def test_panels_draw_the_values_of_the_table(report: Path, output: Path, opened: Open) -> None:
    """Where a mark stands, and where its interval ends, is what the records say, on one scale a panel."""
    records = [r for r in read_records(output) if r.kind == "run"]
    means = {
        label: np.mean([r.results["fcn_class_iou"].value for r in records if r.label == label])
        for label in ("l1", "cgan", "l1+cgan")
    }
    with opened(report) as seen:
        panel = seen.page.locator(".panel").first
        at = {}
        for line in panel.locator(".dots li").all():
            label, text = (line.locator(part).text_content() for part in (".who", ".num"))
            assert float(text) == pytest.approx(means[label], abs=6e-4)
            at[label] = float(line.locator(".track > svg").get_attribute("x").rstrip("%"))
            ends = [float(line.locator(".span").get_attribute(end).rstrip("%")) for end in ("x1", "x2")]
            assert ends[0] < at[label] < ends[1]
            assert line.locator("circle").count() == 2
        low, middle, high = sorted(means, key=means.get)
        share = (means[middle] - means[low]) / (means[high] - means[low])
        assert (at[middle] - at[low]) / (at[high] - at[low]) == pytest.approx(share, abs=1e-3)


@pytest.mark.parametrize("width", [390, 1280])
def test_ten_variants_by_three_seeds_stay_readable(opened: Open, tmp_path: Path, width: int) -> None:
    more = ("l1+cgan/1", "l1+cgan/16", "encdec:l1", "encdec:l1+cgan", "no-dropout")
    for label in (*synthetic.FIVE, *more):
        for seed in range(3):
            synthetic.write_run(tmp_path, label, seed, details={}, history=[])
    with opened(write_report([tmp_path], tmp_path / "report", Wanted(("html",))).html, width=width) as seen:
        assert seen.page.evaluate(WIDE) <= width
        assert seen.page.locator(".first-image img").count() == 12
        for line in seen.page.locator(".panel .dots li").all():
            name, track = (line.locator(part).bounding_box() for part in (".who", ".track"))
            assert name["width"] >= 14
            assert track["width"] >= 38
            assert name["x"] + name["width"] <= track["x"]
            assert line.bounding_box()["x"] + line.bounding_box()["width"] <= width
        assert faults(seen.page) == []


def test_folded_reasons_and_settings_are_printed(report: Path, opened: Open) -> None:
    with opened(report, width=718) as seen:
        reason = seen.page.locator("td.reasons li").first
        assert not reason.is_visible()
        seen.page.emulate_media(media="print")
        assert reason.bounding_box()["height"] > 5
        assert seen.page.locator("details.setup .facts").bounding_box()["height"] > 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_edge_behind_which_there_is_more_is_shaded(every_metric: Path, opened: Open, scheme: str) -> None:
    with opened(every_metric, width=1000, color_scheme=scheme, reduced_motion="reduce") as seen:
        seen.page.locator("#s1-all").check()
        box = seen.page.locator(".comparison .box").first
        box.scroll_into_view_if_needed()

        def edge() -> float:
            """How far the right edge of the box is from the ground's colour, in grey levels."""
            at = box.bounding_box()
            clip = {"x": at["x"] + at["width"] - 3, "y": at["y"], "width": 3, "height": at["height"]}
            strip = np.asarray(Image.open(io.BytesIO(seen.page.screenshot(clip=clip))).convert("RGB"), float)
            return float(np.median(np.abs(strip - background(seen.page)).mean(2)))

        assert edge() > 15
        box.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
        assert edge() < 2


def test_on_a_phone_a_mark_stands_beside_its_name(opened: Open, tmp_path: Path) -> None:
    synthetic.write_run(tmp_path, "l1", 0)
    synthetic.write_run(tmp_path, "l1+cgan/142", 0)
    files = write_report([tmp_path], tmp_path / "report", Wanted(("html",)))
    with opened(files.html, width=390) as seen:
        for head in seen.page.locator("table.sortable tbody th").all():
            mark, name = (head.locator(part).bounding_box() for part in (".mark", "a"))
            assert name["y"] < mark["y"] + mark["height"] / 2 < name["y"] + name["height"]
            assert mark["x"] + mark["width"] <= name["x"]


def test_on_a_phone_the_reasons_of_claims_are_read_without_scrolling(report: Path, opened: Open) -> None:
    with opened(report, width=390) as seen:
        for fold in seen.page.locator("td.reasons summary").all():
            fold.click()
        reasons = seen.page.locator("td.reasons li")
        assert reasons.count() > 3
        for box in (reason.bounding_box() for reason in reasons.all()):
            assert box["width"] >= 250
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390


def test_axe_finds_nothing_in_sections_that_are_alike(opened: Open, tmp_path: Path) -> None:
    """Two data sets, and one of them with two test sets: landmarks have names of their own."""
    for dataset, place in (("cityscapes", "a"), ("toycity", "b"), ("toycity", "c")):
        synthetic.write_output(tmp_path / place, dataset)
    for record in read_records(tmp_path / "c"):
        data = {**record.spec["data"], "test_fingerprint": "another"}
        changed = replace(record, id=f"other-{record.id}", spec={**record.spec, "data": data})
        write_record(tmp_path / "c", changed, read_per_image(tmp_path / "c", record))
        record_path(tmp_path / "c", record.id).unlink()
    files = write_report([tmp_path / place for place in "abc"], tmp_path / "report", Wanted(("html",)))
    with opened(files.html) as seen:
        assert seen.page.locator("main section > h2").all_text_contents()[:3] == [
            "cityscapes, labels to photo at 64 px",
            "toycity, labels to photo at 64 px, test set 1",
            "toycity, labels to photo at 64 px, test set 2",
        ]
        seen.page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        seen.page.wait_for_selector("#s3-values-table table", state="attached")
        assert faults(seen.page) == []


def test_no_image_is_offered_as_best_by_what_only_describes(opened: Open, tmp_path: Path) -> None:
    synthetic.write_every_metric(tmp_path)
    for record in read_records(tmp_path):
        table = read_per_image(tmp_path, record)
        if record.kind == "run" and table is not None:
            write_record(tmp_path, record, table.assign(diversity=np.arange(len(table)) / 10))
    with opened(write_report([tmp_path], tmp_path / "report", Wanted(("html",))).html) as seen:
        shown = seen.page.locator("#s1-values-view option").all_text_contents()
        offered = seen.page.locator("#s1-values-pick-metric option").all_text_contents()
        assert "Diversity" in shown
        assert offered == [title for title in ("SSIM ↑", "PSNR (dB) ↑", "MAE ↓")]


def test_downloads_are_the_files(report: Path, opened: Open, tmp_path: Path) -> None:
    with opened(report, accept_downloads=True) as seen:
        for name in ("results.csv", "differences.csv"):
            with seen.page.expect_download() as started:
                seen.page.get_by_role("link", name=name).click()
            started.value.save_as(tmp_path / name)
            assert started.value.suggested_filename == name
            assert (tmp_path / name).read_bytes() == (report.parent / name).read_bytes()
        assert seen.problems == []


def test_text_of_others_stays_text(opened: Open, tmp_path: Path) -> None:
    nasty = '<script>alert("x")</script>'
    synthetic.write_run(tmp_path, f"l1{nasty}", 0, dataset=nasty, id="a")
    broken = synthetic.write_run(
        tmp_path, "cgan", 0, dataset=nasty, id="b", status="failed", error=f"no {nasty} & such"
    )
    assert broken.status == "failed"
    write_report([tmp_path], tmp_path / "report")
    with opened(tmp_path / "report" / "index.html") as seen:
        assert nasty in seen.page.title()
        text = seen.page.inner_text("body")
        assert f"l1{nasty}" in text
        assert f"no {nasty} & such" in text
        assert seen.problems == []


def test_a_single_failed_run_renders(opened: Open, tmp_path: Path) -> None:
    synthetic.write_run(
        tmp_path, "l1", 0, status="failed", error="out of memory", results={}, details={}, gallery=None
    )
    write_report([tmp_path], tmp_path / "report")
    with opened(tmp_path / "report" / "index.html", width=390) as seen:
        assert "out of memory" in seen.page.inner_text("main")
        assert "No run finished" in seen.page.inner_text("header")
        assert seen.page.evaluate(WIDE) <= 390
        assert seen.problems == []
        assert serious(seen.page) == []


def write_many(out: Path, count: int) -> None:
    """`count` records: 5 variants under other learning rates, 4 seeds each."""
    for number in range(count):
        label = ("l1", "gan", "cgan", "l1+gan", "l1+cgan")[number % 5]
        seed, setting = number // 5 % 4, number // 20
        synthetic.write_run(out, label, seed, id=f"run-{number:05d}", steps=800 + 100 * setting, gallery=None)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_records_render(opened: Open, tmp_path: Path) -> None:
    write_many(tmp_path, 1000)
    started = time.perf_counter()
    files = write_report([tmp_path], tmp_path / "report")
    seconds = time.perf_counter() - started
    with opened(files.html) as seen:
        check_many(seen, 1000)
    assert seconds < 20, f"{seconds:.1f} s"


def test_a_hundred_records_render(opened: Open, tmp_path: Path) -> None:
    write_many(tmp_path, 100)
    files = write_report([tmp_path], tmp_path / "report")
    with opened(files.html) as seen:
        check_many(seen, 100)


def check_many(seen: Seen, records: int) -> None:
    assert seen.page.locator("table.sortable tbody tr").count() >= records / 4
    assert seen.page.evaluate(WIDE) <= 1200
    seen.page.locator("table.sortable th", has_text="FCN class IoU").get_by_role("button").click()
    assert seen.problems == []

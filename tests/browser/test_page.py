"""The report page in a real browser: it opens from disk, alone, for everybody, on any screen."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import synthetic
from looking import Open, Seen

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
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {fault['nodes'][0]['html'][:150]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def test_it_opens_from_disk_alone(report: Path, opened: Open, tmp_path: Path) -> None:
    """Moved to an empty folder, with every picture scrolled into view: no error, no request."""
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
    seen.page.locator("table.sortable button.sort").nth(2).click()
    assert seen.problems == []

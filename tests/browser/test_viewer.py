"""The image viewer and the table by image in a real browser, held against the images themselves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from looking import Open, Seen

from bench.core.images import read_png
from bench.report.formats import Wanted
from bench.report.render import write_report

SIDE = 64


@pytest.fixture
def viewer(report: Path, opened: Open) -> Any:
    """The viewer, opened on the first image of the gallery: l1's output against the target."""
    with opened(report) as seen:
        seen.page.locator('table.gallery img[data-kind="output"][data-label="l1"]').first.click()
        seen.page.wait_for_function("document.getElementById('viewer-said').textContent !== ''")
        yield seen
        assert seen.problems == []


def images(output: Path, name: str = "0000") -> tuple[np.ndarray, np.ndarray]:
    """l1's output and the target."""
    (folder,) = (output / "predictions").glob("toycity-l1-s0-*")
    return read_png(folder / f"{name}.png"), read_png(output / "gallery/x/target" / f"{name}.png")


def place(seen: Seen, x: int, y: int) -> tuple[float, float]:
    """The place on the canvas of the middle of an image's pixel, with the whole image in view."""
    size = seen.page.evaluate("[document.getElementById('viewer-canvas').width, "
                              "document.getElementById('viewer-canvas').height]")  # fmt: skip
    scale = min(size[0], size[1]) / SIDE
    return tuple(0.5 + ((at + 0.5) - SIDE / 2) * scale / full for at, full in zip((x, y), size, strict=True))


def move_slider(seen: Seen, position: int) -> None:
    seen.page.locator("#viewer-position").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", position
    )


def test_the_slider_divides_the_two_images(viewer: Seen, output: Path) -> None:
    first, second = images(output)
    for position, shown in ((100, first), (0, second)):
        move_slider(viewer, position)
        for x, y in ((10, 10), (40, 33), (55, 60)):
            assert viewer.pixel(*place(viewer, x, y)) == tuple(shown[y, x]), (position, x, y)
    move_slider(viewer, 50)
    assert viewer.pixel(*place(viewer, 20, 40)) == tuple(first[40, 20])
    assert viewer.pixel(*place(viewer, 44, 40)) == tuple(second[40, 44])


def test_dragging_moves_the_slider(viewer: Seen) -> None:
    box = viewer.page.locator("#viewer-canvas").bounding_box()
    middle = box["y"] + box["height"] / 2
    viewer.page.mouse.move(box["x"] + box["width"] / 2, middle)
    viewer.page.mouse.down()
    viewer.page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    viewer.page.mouse.up()
    assert int(viewer.page.locator("#viewer-position").input_value()) > 80


def test_zoom_shows_pixels_as_they_are(viewer: Seen, output: Path) -> None:
    first, _ = images(output)
    move_slider(viewer, 100)
    for _ in range(4):
        viewer.page.keyboard.press("+")
    assert viewer.page.locator("#viewer-zoom").text_content().startswith("×")
    # Magnified 16 times about the image's middle, where four pixels meet: each fills its quarter.
    for dx, dy in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        wanted = tuple(first[SIDE // 2 + min(dy, 0), SIDE // 2 + min(dx, 0)])
        assert viewer.pixel(0.5 + 0.01 * dx, 0.5 + 0.01 * dy) == wanted
    viewer.page.keyboard.press("0")
    assert viewer.page.locator("#viewer-zoom").text_content() == "fit"


def test_the_difference_is_the_images_difference(viewer: Seen, output: Path) -> None:
    first, second = (image.astype(int) for image in images(output))
    viewer.page.keyboard.press("d")
    gap = np.abs(first - second)
    assert f"{gap.mean():.1f} grey levels" in viewer.page.locator("#viewer-said").text_content()
    for x, y in ((10, 10), (40, 33)):
        assert viewer.pixel(*place(viewer, x, y)) == tuple(gap[y, x])


def test_the_keyboard_leads_through(viewer: Seen) -> None:
    page, names = viewer.page, ["0000", "0010", "0020", "0030"]
    for name in (*names[1:], names[0]):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"document.getElementById('viewer-title').textContent === 'Image {name}'")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#viewer-title").text_content() == "Image 0030"
    before = page.locator("#viewer-first").input_value()
    page.keyboard.press("x")
    assert page.locator("#viewer-second").input_value() == before
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()


def test_an_image_opens_by_keyboard_and_focus_comes_back(report: Path, opened: Open) -> None:
    with opened(report) as seen:
        button = seen.page.get_by_role("button", name="Look at test image 0010").first
        button.focus()
        seen.page.keyboard.press("Enter")
        assert seen.page.locator("#viewer-title").text_content() == "Image 0010"
        seen.page.keyboard.press("Escape")
        focused = seen.page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused == "Look at test image 0010"


def test_the_viewer_fits_a_phone(report: Path, opened: Open) -> None:
    with opened(report, width=390, height=800, has_touch=True) as seen:
        seen.page.locator("table.gallery img").first.tap()
        box = seen.page.locator("#viewer").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        canvas = seen.page.locator("#viewer-canvas").bounding_box()
        assert canvas["height"] > 200


def test_the_table_by_image_filters_sorts_and_subtracts(report: Path, output: Path, opened: Open) -> None:
    tables = {
        label: pd.read_parquet(path).set_index("name")["ssim"]
        for label in ("l1", "cgan")
        for path in (output / "records").glob(f"toycity-{label}-s0-*.parquet")
    }
    with opened(report) as seen:
        seen.page.get_by_text("Values of 40 single test images").click()
        place = seen.page.locator(".values").first
        place.scroll_into_view_if_needed()
        chosen = place.locator("#s1-values-view")
        chosen.select_option(
            label=next(o for o in chosen.locator("option").all_text_contents() if "SSIM" in o)
        )
        assert place.locator("#s1-values-more").text_content() == "Show the last 15"
        place.locator("#s1-values-more").click()
        assert place.locator("tbody tr").count() == 40
        place.locator("input[type=search]").fill("001")
        wanted = sorted(name for name in tables["l1"].index if "001" in name)
        rows = place.locator("tbody tr")
        assert rows.count() == len(wanted) > 3
        place.locator("select[id$=minuend]").select_option(label="l1")
        place.locator("select[id$=subtrahend]").select_option(label="cgan")
        last = place.locator("thead th").last
        assert last.text_content() == "l1 − cgan"
        last.get_by_role("button").click()
        last = place.locator("thead th").last
        assert last.get_attribute("aria-sort") == "ascending"
        shown = [
            (row.locator("th").text_content(), row.locator("td").last.text_content().replace("−", "-"))
            for row in rows.all()
        ]
        gaps = (tables["l1"] - tables["cgan"]).loc[wanted].sort_values()
        assert [name for name, _ in shown] == list(gaps.index)
        assert [float(text) for _, text in shown] == pytest.approx(list(gaps), abs=6e-4)
        assert seen.problems == []


def test_best_median_and_worst_by_a_metric_of_the_reader_s(
    output: Path, opened: Open, tmp_path: Path
) -> None:
    """An image that the page holds opens; of one that it does not hold, it says which it is, and the way."""
    table = pd.read_parquet(next((output / "records").glob("toycity-cgan-s0-*.parquet")))
    order = table.sort_values("mae")["name"].to_list()  # the lower the better
    best, worst = order[0], order[-1]
    out = tmp_path / "out"
    shutil.copytree(output, out)
    (folder,) = (out / "predictions").glob("toycity-cgan-s0-*")
    for place in (folder, out / "gallery/x/source", out / "gallery/x/target"):
        shutil.copyfile(place / "0000.png", place / f"{worst}.png")
    page = write_report([out], tmp_path / "page", Wanted(("html",), picks=("mae",))).html
    with opened(page) as seen:
        seen.page.get_by_text("Values of 40 single test images").click()
        seen.page.locator("#s1-values-pick-variant").select_option(label="cgan")
        seen.page.locator("#s1-values-pick-metric").select_option(label="MAE ↓")
        seen.page.get_by_role("button", name="Best").click()
        said = seen.page.locator("#s1-values-picked").text_content()
        assert said.startswith(f"cgan, best by MAE: image {best}, ")
        assert "does not hold it: bench report OUT --picks mae" in said
        assert not seen.page.locator("#viewer").is_visible()
        seen.page.get_by_role("button", name="Worst").click()
        assert seen.page.locator("#viewer-title").text_content() == f"Image {worst}"
        assert seen.page.locator("#viewer-first").input_value() == "output\ncgan"
        assert seen.page.locator("#viewer-second").input_value() == "target\n"
        seen.page.keyboard.press("Escape")
        said = seen.page.locator("#s1-values-picked").text_content()
        assert said == f"cgan, worst by MAE: image {worst}, {table['mae'].max():.2f}."
        assert seen.problems == []

"""A real browser for the report page: Chromium by Playwright; without either, these tests are skipped."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "golden"))  # `synthetic`, the outputs of reports

import synthetic
from looking import Open, Seen

from bench.report.formats import Wanted
from bench.report.render import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install '.[test]'"
    )
    wanted = os.environ.get("BENCH_CHROMIUM")
    found = wanted or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium: apt install chromium, or name one in BENCH_CHROMIUM")
    sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium has none for root
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*QUIET, *sandbox])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Open:
    """`with opened(path, width=1200, ...) as seen`: further keywords go to the browser's context."""

    @contextmanager
    def open_page(path: Path, width: int = 1200, height: int = 900, **options: Any) -> Iterator[Seen]:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        seen = Seen(page)
        page.on("console", lambda said: seen.problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: seen.problems.append(str(error)))
        page.on("dialog", lambda dialog: (seen.problems.append(f"alert: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(path.as_uri())
        yield seen
        context.close()

    return open_page


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of 3 variants x 2 seeds with its report; images of 64 px, exact in the page."""
    out = tmp_path_factory.mktemp("browser") / "out"
    synthetic.write_output(out)
    write_report([out], out / "report")
    return out


@pytest.fixture(scope="session")
def every_metric(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 5 variants x 2 seeds with 16 columns."""
    out = tmp_path_factory.mktemp("every") / "out"
    synthetic.write_every_metric(out)
    return write_report([out], out / "report", Wanted(("html",))).html


@pytest.fixture(scope="session")
def report(output: Path) -> Path:
    return output / "report" / "index.html"

"""The raters' page in a real browser, under a fake clock: by keyboard, by touch, with a reload."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from looking import Open, Seen
from raters import write_output

from bench.people.answers import merge
from bench.people.page import write_page
from bench.people.plan import REAL, Length, Plan
from bench.people.study import Asked, make, read_plans

START = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = Length(practice=2, trials=6, catch=2)


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, Path, Plan]:
    """An output, its page, and the plan."""
    out = write_output(tmp_path / "out", images=16)
    plan, images = make(out, Asked(raters=4, length=LENGTH), (), out / "cache")
    return out, write_page(plan, images, out / "page"), plan


def begin(seen: Seen, rater: int) -> None:
    seen.page.clock.install(time=START)
    seen.page.reload()
    seen.page.clock.pause_at(START + timedelta(hours=1))  # from here on only `run_for` lets time pass
    seen.page.fill("#rater", str(rater))
    seen.page.check("#agreed")
    seen.page.get_by_role("button", name="Start").click()


def look(seen: Seen, ms: int = 1100) -> None:
    """Let the images of a trial be shown and hidden."""
    seen.page.wait_for_function("document.querySelectorAll('.pair img').length === 2")
    seen.page.evaluate("Promise.all([...document.querySelectorAll('.pair img')].map((one) => one.decode()))")
    seen.page.clock.run_for(50)
    seen.page.clock.run_for(ms)
    seen.page.wait_for_function("!document.querySelector('.choice').disabled")


def handed_back(seen: Seen) -> dict[str, Any]:
    text: str = seen.page.input_value("#text")
    return dict(json.loads(text))


def test_a_whole_session_by_keyboard(study: tuple[Path, Path, Plan], opened: Open) -> None:
    out, page, plan = study
    with opened(page) as seen:
        begin(seen, 2)
        for trial in plan.sessions[1]:
            look(seen)
            generated = "right" if trial.left == REAL else "left"
            seen.page.keyboard.press("ArrowRight" if generated == "right" else "ArrowLeft")
            if trial.kind == "practice":
                assert seen.page.inner_text(".question") == "Right."
                seen.page.keyboard.press("Enter")
        held = handed_back(seen)
        with seen.page.expect_download() as started:
            seen.page.get_by_text("Save my answers").click()
        name = f"answers-{plan.page}-rater-2.json"
        assert started.value.suggested_filename == name
        (out / "answers").mkdir()
        started.value.save_as(out / "answers" / name)
        assert seen.problems == []
        assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert json.loads((out / "answers" / name).read_text()) == held
    (merged,) = merge(read_plans(out), out / "answers")
    assert merged.raters == (2,)
    assert (len(merged.kept), merged.off) == (6, 0)
    assert all(trial.chosen != REAL for _, trial in merged.kept)
    assert all(abs((trial.shown_ms or 0) - 1000) <= 20 for _, trial in merged.kept)


def test_by_touch_and_a_wrong_practice_answer_is_said(study: tuple[Path, Path, Plan], opened: Open) -> None:
    _, page, plan = study
    with opened(page, width=390, height=800, has_touch=True, is_mobile=True) as seen:
        begin(seen, 1)
        for trial in plan.sessions[0]:
            look(seen)
            assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            wrong = "Left" if trial.left == REAL else "Right"
            seen.page.get_by_role("button", name=wrong).tap()
            if trial.kind == "practice":
                side = "right" if wrong == "Left" else "left"
                assert seen.page.inner_text(".question") == f"No: the generated image was on the {side}."
                seen.page.get_by_role("button", name="Next").tap()
        held = handed_back(seen)
        assert seen.problems == []
    assert [trial["kind"] for trial in held["trials"]] == [trial.kind for trial in plan.sessions[0]]


def test_images_are_hidden_before_and_after_their_second(
    study: tuple[Path, Path, Plan], opened: Open
) -> None:
    _, page, _ = study
    with opened(page) as seen:
        begin(seen, 1)
        visible = "getComputedStyle(document.querySelector('.pair')).visibility"
        seen.page.wait_for_function("document.querySelectorAll('.pair img').length === 2")
        seen.page.evaluate("Promise.all([...document.querySelectorAll('.pair img')].map((i) => i.decode()))")
        assert seen.page.evaluate(visible) == "hidden"
        seen.page.clock.run_for(50)
        assert seen.page.evaluate(visible) == "visible"
        seen.page.keyboard.press("ArrowLeft")  # too early: nothing is answered while the images are shown
        seen.page.clock.run_for(900)
        assert seen.page.evaluate(visible) == "visible"
        assert seen.page.is_disabled(".choice >> nth=0")
        seen.page.clock.run_for(100)
        assert seen.page.evaluate(visible) == "hidden"
        assert not seen.page.is_disabled(".choice >> nth=0")


def test_a_reload_goes_on_where_it_was(study: tuple[Path, Path, Plan], opened: Open) -> None:
    _, page, plan = study
    with opened(page) as seen:
        begin(seen, 3)
        for _ in range(2):
            look(seen)
            seen.page.keyboard.press("ArrowLeft")
            seen.page.keyboard.press("Enter")
        look(seen)
        seen.page.keyboard.press("ArrowLeft")
        seen.page.reload()
        seen.page.fill("#rater", "3")
        seen.page.check("#agreed")
        seen.page.get_by_role("button", name="Start").click()
        look(seen)
        assert seen.page.inner_text(".count") == "Trial 2 of 8"
        for _ in plan.sessions[2][3:]:
            look(seen)
            seen.page.keyboard.press("ArrowLeft")
        assert [trial["image"] for trial in handed_back(seen)["trials"]] == [
            t.image for t in plan.sessions[2]
        ]
        assert seen.problems == []


def test_a_page_that_was_asleep_says_how_long_it_showed(study: tuple[Path, Path, Plan], opened: Open) -> None:
    out, page, plan = study
    with opened(page) as seen:
        begin(seen, 4)
        for place, trial in enumerate(plan.sessions[3]):
            seen.page.wait_for_function("document.querySelectorAll('.pair img').length === 2")
            seen.page.evaluate(
                "Promise.all([...document.querySelectorAll('.pair img')].map((i) => i.decode()))"
            )
            seen.page.clock.run_for(50)
            if place == 5:
                seen.page.clock.fast_forward(3000)  # no frame is drawn for three seconds
            look(seen)
            seen.page.keyboard.press("ArrowLeft" if trial.right == REAL else "ArrowRight")
            seen.page.keyboard.press("Enter")
        held = handed_back(seen)
    assert held["trials"][5]["shown_ms"] > 1050
    assert all(
        abs(trial["shown_ms"] - 1000) <= 20 for place, trial in enumerate(held["trials"]) if place != 5
    )
    (out / "answers").mkdir()
    (out / "answers" / "a.json").write_text(json.dumps(held))
    (merged,) = merge(read_plans(out), out / "answers")
    assert merged.off == (plan.sessions[3][5].kind == "test")


def test_no_consent_and_a_wrong_number_start_nothing(study: tuple[Path, Path, Plan], opened: Open) -> None:
    _, page, _ = study
    with opened(page) as seen:
        seen.page.fill("#rater", "9")
        seen.page.check("#agreed")
        seen.page.get_by_role("button", name="Start").click()
        assert "1 to 4" in seen.page.inner_text("[role=alert]")
        seen.page.fill("#rater", "2")
        seen.page.uncheck("#agreed")
        seen.page.get_by_role("button", name="Start").click()
        assert "tick the box" in seen.page.inner_text("[role=alert]")
        assert seen.page.query_selector(".pair") is None

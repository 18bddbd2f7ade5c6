"""People as judges: the plan of a page, the page, and what is made of answers."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from raters import answers, attentive, fooled_at, write_answers, write_output

from bench.analysis.column import info_of
from bench.cli.main import invoke
from bench.core.errors import UsageError
from bench.people.answers import merge
from bench.people.page import write_crowd, write_page
from bench.people.plan import REAL, SPOILT, Length, Plan, Trial, sessions
from bench.people.results import rates, write_results
from bench.people.stimuli import spoilt
from bench.people.study import Asked, make, read_plans
from bench.records.record import read_records
from bench.scoring.one_pass import families_for

SHORT = Length(practice=2, trials=8, catch=4)
IMAGES = tuple(f"{place:03}" for place in range(60))


def page_of(out: Path, task: Any = "fooled", raters: int = 6, **more: Any) -> tuple[Plan, dict[str, Any]]:
    return make(out, Asked(task, raters=raters, length=SHORT, **more), (), out / "cache")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_output(tmp_path_factory.mktemp("people") / "out")


@pytest.fixture
def out(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


class TestPlan:
    def test_a_session_is_the_papers_with_our_catch_trials(self) -> None:
        made = sessions("fooled", ("l1", "cgan"), IMAGES, 4, Length(), seed=0)
        for rater, trials in enumerate(made):
            assert Counter(trial.kind for trial in trials) == {"practice": 10, "test": 40, "catch": 4}
            assert all(trial.kind == "practice" for trial in trials[:10])
            seen = [trial.image for trial in trials]
            assert len(set(seen)) == len(seen)  # nobody sees an image twice
            (variant,) = {one for trial in trials for one in trial.variants}  # one variant a session
            assert variant == ("l1", "cgan")[rater % 2]
            tested = [trial for trial in trials if trial.kind == "test"]
            assert sum(trial.left == REAL for trial in tested) == 20
            assert all({trial.left, trial.right} == {REAL, variant} for trial in tested)
            assert all(SPOILT in (t.left, t.right) for t in trials if t.kind == "catch")

    def test_pairs_of_variants_are_balanced(self) -> None:
        variants = ("l1", "cgan", "l1+cgan")
        made = sessions("better", variants, IMAGES, 6, Length(trials=40), seed=0)
        pairs = Counter(frozenset(t.variants) for trials in made for t in trials if t.kind == "test")
        assert set(pairs) == {frozenset(pair) for pair in itertools.combinations(variants, 2)}
        assert max(pairs.values()) - min(pairs.values()) <= 2
        for trials in made:
            assert not any(trial.kind == "practice" for trial in trials)
            assert not any(REAL in (trial.left, trial.right) for trial in trials)

    def test_all_of_it_follows_from_the_seed(self) -> None:
        first, again, other = (sessions("fooled", ("l1",), IMAGES, 3, Length(), seed) for seed in (1, 1, 2))
        assert first == again
        assert first != other
        assert len(set(first)) == 3  # raters see other orders

    def test_too_few_images_are_refused_with_what_fits(self) -> None:
        with pytest.raises(UsageError, match=r"expected 54 images.*found 30: --trials 16 fits"):
            sessions("fooled", ("l1",), IMAGES[:30], 1, Length(), 0)
        sessions("fooled", ("l1",), IMAGES[:30], 1, Length(trials=16), 0)

    def test_one_variant_cannot_be_better(self) -> None:
        with pytest.raises(UsageError, match="two variants or more"):
            sessions("better", ("l1",), IMAGES, 1, Length(), 0)


class TestImages:
    def test_a_spoilt_image_is_far_from_its_own(self) -> None:
        rows = np.linspace(0, 255, 64).astype(np.uint8)
        image = np.stack(
            [np.tile(rows, (64, 1)), np.full((64, 64), 90, np.uint8), np.zeros((64, 64), np.uint8)], -1
        )
        made = spoilt(image, np.random.default_rng(0))
        assert made.shape == image.shape
        assert np.abs(made.astype(int) - image).mean() > 40

    def test_the_page_holds_the_images_themselves_and_asks_nothing_of_the_network(self, out: Path) -> None:
        plan, images = page_of(out)
        text = write_page(plan, images, out / "page").read_text(encoding="utf-8")
        assert "http" not in text
        held = json.loads(text.split('id="study">', 1)[1].split("</script>", 1)[0])
        assert held["page"] == plan.page
        name, trial = plan.sessions[3][0].image, held["sessions"][3][0]
        assert held["names"][trial[1]] == name
        assert held["sides"][trial[2]] == plan.sessions[3][0].left
        assert len(held["images"]) == len(images)

    def test_images_of_another_tool_need_no_data_set(self, out: Path) -> None:
        plan, images = page_of(out, "better", variants=("l1+cgan", "l1"))
        assert plan.variants == ("l1+cgan", "l1")
        assert set(next(iter(images.values()))) == {REAL, SPOILT, "(source)", "l1", "l1+cgan"}

    def test_a_platform_gets_a_layout_and_a_line_a_rater(self, out: Path) -> None:
        plan, images = page_of(out)
        layout, listed = write_crowd(plan, images, out / "crowd", "https://example.org/x/")
        text = layout.read_text(encoding="utf-8")
        assert '"session":${trials}' in text
        assert '"rater":${rater}' in text
        with listed.open(newline="") as handle:
            lines = list(csv.DictReader(handle))
        assert [line["rater"] for line in lines] == ["1", "2", "3", "4", "5", "6"]
        assert len(json.loads(lines[0]["trials"])) == len(plan.sessions[0])
        files = sorted((out / "crowd" / "images").iterdir())
        assert f"https://example.org/x/{files[0].name}" in text
        assert not any("real" in file.name or "l1" in file.name for file in files)  # names give nothing away
        Image.open(files[0]).verify()


class TestAnswers:
    def test_shares_reach_the_records_with_their_protocol(self, out: Path, capsys: Any) -> None:
        plan, _ = page_of(out, raters=40)
        for rater in range(1, 41):
            write_answers(out / "answers", plan, rater, fooled_at(0.3))
        assert invoke(["people", str(out), "--answers", str(out / "answers")]) == 0
        assert "40 raters; set aside: 0" in capsys.readouterr().out
        for record in read_records(out):
            found = record.results["people_fooled"]
            assert found.value == pytest.approx(0.3, abs=0.12)
            assert found.interval is not None
            assert found.interval[0] < found.value < found.interval[1]
            assert found.protocol["question"] == "which was generated"
            assert found.protocol["trials"] == 8
            assert record.results["ssim"].value == 0.5  # what was there stays
            assert record.details["people"]["fooled"]["raters"] == 40

    def test_who_always_presses_one_button_is_set_aside_and_counted(self, out: Path) -> None:
        plan, _ = page_of(out)
        for rater in (1, 2, 3):
            write_answers(out / "answers", plan, rater, fooled_at(0.0))
        write_answers(out / "answers", plan, 4, lambda *_: "left")
        (merged,) = merge(read_plans(out), out / "answers")
        assert merged.raters == (1, 2, 3)
        assert merged.failed == (4,)
        (all_in,) = merge(read_plans(out), out / "answers", catch=0.0)
        variant = plan.sessions[3][0].variants[0]
        alone = [trial.chosen == REAL for rater, trial in all_in.kept if rater == 4]
        assert np.mean(alone) == 0.5  # sides are balanced: one button is right half of the time
        assert rates(all_in)[variant]["people_fooled"].share > 0

    def test_the_better_one_wins_by_its_true_share(self, out: Path) -> None:
        plan, _ = page_of(out, "better", raters=40)
        prefers = attentive(lambda trial, _, rng: "l1+cgan" if rng.random() < 0.8 else "l1")
        for rater in range(1, 41):
            write_answers(out / "answers", plan, rater, prefers)
        (merged,) = merge(read_plans(out), out / "answers")
        assert merged.failed == ()
        found = rates(merged)
        assert found["l1+cgan"]["people_preferred"].share == pytest.approx(0.8, abs=0.06)
        pair = found["l1+cgan"]["people_preferred@l1"], found["l1"]["people_preferred@l1+cgan"]
        assert pair[0].share + pair[1].share == pytest.approx(1.0)
        write_results(out, merged)
        for record in read_records(out):
            assert sorted(record.results["people_preferred"].protocol["variants"]) == ["l1", "l1+cgan"]

    def test_a_session_without_all_trials_is_set_aside(self, out: Path) -> None:
        plan, _ = page_of(out)
        whole = answers(plan, 1, fooled_at(0.5))
        write_answers(out / "answers", plan, 1, fooled_at(0.5), trials=whole["trials"][:-1])
        write_answers(out / "answers", plan, 2, fooled_at(0.5))
        (merged,) = merge(read_plans(out), out / "answers")
        assert (merged.raters, merged.unfinished) == ((2,), (1,))

    def test_trials_that_were_visible_too_long_are_set_aside(self, out: Path) -> None:
        plan, _ = page_of(out)
        held = answers(plan, 1, fooled_at(0.5))
        tested = [place for place, trial in enumerate(held["trials"]) if trial["kind"] == "test"]
        held["trials"][tested[0]]["shown_ms"] = 1051
        held["trials"][tested[1]]["shown_ms"] = 949
        held["trials"][tested[2]]["shown_ms"] = 1050
        write_answers(out / "answers", plan, 1, fooled_at(0.5), trials=held["trials"])
        (merged,) = merge(read_plans(out), out / "answers")
        assert (merged.off, len(merged.kept)) == (2, 6)

    def test_a_platforms_results_are_read(self, out: Path) -> None:
        plan, _ = page_of(out)
        folder = out / "answers"
        folder.mkdir()
        with (folder / "batch.csv").open("w", newline="") as handle:
            table = csv.writer(handle)
            table.writerow(["WorkerId", "Input.rater", "Answer.answers"])
            for rater in (1, 2):
                table.writerow(["A1", rater, json.dumps(answers(plan, rater, fooled_at(0.0)))])
        (merged,) = merge(read_plans(out), folder)
        assert merged.raters == (1, 2)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda held: held | {"page": "beef"}, r"of page beef in answers-1\.json"),
            (lambda held: held | {"rater": 99}, "expected a rater of 1 to 6, found 99"),
            (lambda held: held | {"rater": 2}, "expected the trials that the page has for rater 2"),
            (lambda held: held | {"agreed": False}, "expected the answers of a rater"),
            (lambda held: {"hello": 1}, "expected the answers of a rater"),
        ],
    )
    def test_what_does_not_belong_is_refused(
        self, out: Path, change: Callable[[Any], Any], said: str
    ) -> None:
        plan, _ = page_of(out)
        path = write_answers(out / "answers", plan, 1, fooled_at(0.5))
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
        with pytest.raises(UsageError, match=said):
            merge(read_plans(out), out / "answers")

    def test_one_number_used_by_two_people_is_refused_and_a_copy_is_not(self, out: Path) -> None:
        plan, _ = page_of(out)
        path = write_answers(out / "answers", plan, 1, fooled_at(0.5))
        (path.parent / "copy.json").write_text(path.read_text())
        (merged,) = merge(read_plans(out), path.parent)
        assert merged.raters == (1,)
        (path.parent / "copy.json").write_text(json.dumps(answers(plan, 1, lambda *_: "right")))
        with pytest.raises(UsageError, match="two people used one number"):
            merge(read_plans(out), path.parent)

    def test_answers_to_two_pages_of_one_task_are_not_mixed(self, out: Path) -> None:
        first, _ = page_of(out)
        second, _ = page_of(out, seed=1)
        for plan in (first, second):
            write_answers(out / f"answers-{plan.seed}", plan, 1, fooled_at(0.5))
            write_answers(out / "both", plan, 1 + plan.seed, fooled_at(0.5))
        with pytest.raises(UsageError, match="expected answers to one page of the task fooled"):
            merge(read_plans(out), out / "both")

    def test_another_page_replaces_the_values_and_says_so(self, out: Path, capsys: Any) -> None:
        plans = [page_of(out)[0], page_of(out, seed=1)[0]]
        for plan in plans:
            for rater in (1, 2, 3, 4):
                write_answers(out / plan.page, plan, rater, fooled_at(0.5))
            assert invoke(["people", str(out), "--answers", str(out / plan.page)]) == 0
        assert f"replaced: the values of page {plans[0].page}" in capsys.readouterr().out

    def test_a_pair_has_a_title(self) -> None:
        assert info_of("people_preferred@l1+cgan").title == "Preferred to l1+cgan"

    def test_a_plan_that_was_changed_is_refused(self, out: Path) -> None:
        plan, _ = page_of(out)
        path = out / "people" / f"{plan.page}.json"
        path.write_text(path.read_text().replace(REAL, "l1", 1))
        with pytest.raises(UsageError, match="found it changed"):
            read_plans(out)

    def test_no_answers_is_said(self, out: Path) -> None:
        page_of(out)
        with pytest.raises(UsageError, match="expected a folder with the raters' files"):
            merge(read_plans(out), out / "nowhere")
        (out / "empty").mkdir()
        with pytest.raises(UsageError, match="expected answers"):
            merge(read_plans(out), out / "empty")


def test_nothing_is_asked_of_both_or_neither(out: Path) -> None:
    assert invoke(["people", str(out)]) == 2
    assert invoke(["people", str(out), "--to", "x", "--answers", "y"]) == 2
    assert invoke(["people", str(out), "--to", str(out / "x"), "--format", "mturk"]) == 2


def test_what_people_say_cannot_be_computed() -> None:
    with pytest.raises(UsageError, match="people give it"):
        families_for(["people_fooled"])


def test_identical_images_give_half(out: Path) -> None:
    plan, _ = page_of(out, raters=60)
    for rater in range(1, 61):  # who cannot tell takes either side
        write_answers(out / "answers", plan, rater, fooled_at(0.5))
    (merged,) = merge(read_plans(out), out / "answers")
    for found in rates(merged).values():
        low, high = found["people_fooled"].interval or (0, 0)
        assert low < 0.5 < high


def test_a_trial_knows_its_variants() -> None:
    assert replace(Trial("test", "a", REAL, "l1"), left="cgan").variants == ("cgan", "l1")

"""How long `--dry-run` says a grid takes with several runs at once, by speeds that were kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import bench.launch.cost.kept_times as kept_module
from bench.cli.dry_run import lanes_of, show_plans
from bench.cli.main import invoke
from bench.launch.cost.estimate import Room, room_needed, with_lanes
from bench.launch.cost.kept_times import keep
from bench.launch.cost.measure import Question
from bench.spec.grid import GridRequest, Plan, resolve

HOUR = 3600
FIELDS = ["--size", "32", "--base-filters", "4", "--steps", str(HOUR)]
GRID = ["run", "--variants", "l1", "--dataset", "toycity", "--seeds", "0-2", *FIELDS]


def plan(engine: str = "eager") -> Plan:
    """Three runs of an hour, where a step takes a second."""
    request = GridRequest(
        variants=("l1",), datasets=("toycity",), seeds=(0, 1, 2), size_px=32, base_filters=4, steps=HOUR,
        engine=engine,
    )  # fmt: skip
    (made,) = resolve(request)
    return made


def measured(engine: str, device: str, rates: dict[int, float], threads: int = 1) -> None:
    """As if `bench speed` had found a second a step, and these rates of so many at once."""
    spec = plan(engine).runs[0]
    for jobs, rate in rates.items():
        question = Question(spec.variant, spec.training, (3, 3), device, threads, jobs)
        keep(question, {"ms_per_step": 1000.0, "images_per_second": rate})


def said_of(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    capfd.readouterr()
    assert invoke([*GRID, "--device", "cpu", "--dry-run", *arguments]) == 0
    return next(
        text for text in " ".join(capfd.readouterr().out.split()).split(" disk: ") if "training on" in text
    ).partition("training on ")[2]


def test_runs_go_to_the_first_lane_that_is_free() -> None:
    assert with_lanes([3, 1, 1, 2], 1) == 7
    assert with_lanes([3, 1, 1, 2], 2) == 4  # 3, then nothing; 1, 1, 2
    assert with_lanes([1, 1, 2, 3], 2) == 4  # the order counts
    assert with_lanes([1, 2], 5) == 2
    assert with_lanes([], 2) == 0


def test_several_at_once_on_a_cpu(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are those of a worker: by its share of the threads."""
    monkeypatch.setattr("bench.core.cores.cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a choice: the load of this machine does not matter
    before = torch.get_num_threads()
    measured("eager", "cpu", {1: 1.0}, threads=3)
    out = ("--out", str(tmp_path))
    said = said_of(capfd, "--jobs", "2", *out)
    assert said.startswith("cpu: about 3 h 00 min in all, 2 h 00 min with 2 at once, if they do not slow")
    assert "(from `bench speed`" in said  # nothing was timed now: by other threads it would have been
    assert torch.get_num_threads() == before
    measured("eager", "cpu", {2: 1.0}, threads=3)  # two at once make as many as one alone
    said = said_of(capfd, "--jobs", "2", *out)
    assert said.startswith(
        "cpu: about 3 h 00 min in all, 4 h 00 min with 2 at once, as `bench speed --jobs 2`"
    )
    measured("eager", "cpu", {1: 1.0}, threads=5)
    said = said_of(capfd, "--jobs", "8", "--threads", "5", *out)
    assert said.startswith("cpu: about 3 h 00 min in all, 60 min with 3 at once")  # there are three runs
    measured("eager", "cpu", {1: 1.0}, threads=1)
    said = said_of(capfd, "--threads", "1", *out)
    assert said.startswith("cpu: about 3 h 00 min (from")


@pytest.mark.parametrize(
    ("gpus", "jobs", "rates", "said"),
    [
        (1, 1, {}, "about 3 h 00 min (from"),
        (
            1,
            2,
            {},
            "about 3 h 00 min in all, one after the other; 2 that share a GPU have not been measured:",
        ),
        (1, 2, {4: 9.0}, "about 3 h 00 min in all, one after the other; 2 that share a GPU have not"),
        (
            1,
            2,
            {2: 2.0},
            "about 3 h 00 min in all, 2 h 00 min with 2 at once, as `bench speed --jobs 2` found",
        ),
        (
            1,
            3,
            {3: 1.5},
            "about 3 h 00 min in all, 2 h 00 min with 3 at once, as `bench speed --jobs 3` found",
        ),
        (2, 2, {}, "about 3 h 00 min in all, 2 h 00 min with 2 at once (from"),  # a GPU each
        (2, 3, {2: 1.0}, "about 3 h 00 min in all, 2 h 00 min with 3 at once, as `bench speed --jobs 2`"),
    ],
)
def test_several_at_once_on_gpus(
    gpus: int, jobs: int, rates: dict[int, float], said: str,
    cache: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(kept_module, "describe_device", lambda device: "a GPU")
    measured("captured", "cuda", {1: 1.0, **rates})
    options = {"jobs": jobs, "launcher": "local", "threads": None}
    show_plans([plan("captured")], "cuda", Room(0, 0, 0), lanes_of(options, "cuda", 3))
    assert f"training on cuda: {said}" in " ".join(capfd.readouterr().out.split())


def test_runs_elsewhere_have_no_lanes_here() -> None:
    options = {"jobs": 4, "launcher": "slurm", "threads": None}
    assert lanes_of(options, "cpu", 9).at_once == 1
    assert lanes_of({**options, "launcher": "ray", "jobs": "auto"}, "cpu", 9).at_once == 1
    assert lanes_of({**options, "launcher": "local"}, "cpu", 3)[:2] == (3, 3)


def test_a_bigger_batch_takes_its_images_together(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.launch.cost.estimate import step_time

    made = plan()
    spec = replace(made.runs[0], training=replace(made.runs[0].training, batch_size=8))
    for jobs, rate in ((1, 8.0), (2, 10.0)):
        question = Question(spec.variant, spec.training, (3, 3), "cpu", torch.get_num_threads(), jobs)
        keep(question, {"ms_per_step": 1000.0, "images_per_second": rate})
    found = step_time(spec, made.dataset, "cpu", 2)
    assert (found.seconds, found.together) == (1.0, 1.6)
    assert step_time(spec, made.dataset, "cpu").together is None


def test_one_training_of_several_lengths_counts_once(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three seeds of an hour, each kept at a quarter and at half of it: three hours, and not 5 h 15 min."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    measured("eager", "cpu", {1: 1.0}, threads=1)
    lengths = ("--keep-at", f"{HOUR // 4},{HOUR // 2}", "--out", str(tmp_path))
    assert said_of(capfd, *lengths).startswith("cpu: about 3 h 00 min (from")
    assert said_of(capfd, *lengths, "--jobs", "2").startswith(
        "cpu: about 3 h 00 min in all, 2 h 00 min with 2 at once"
    )
    # Steps that are swept are trainings of their own, and so are runs that start together elsewhere.
    swept = ("--set", f"steps={HOUR // 4},{HOUR // 2},{HOUR}", "--out", str(tmp_path))
    assert said_of(capfd, *swept).startswith("cpu: about 5 h 15 min (from")
    assert said_of(capfd, *lengths, "--launcher", "slurm").startswith("cpu: about 5 h 15 min (from")


def test_states_of_one_training_count_once_and_its_shorter_ends_too() -> None:
    request = GridRequest(
        variants=("l1", "l1+cgan"), datasets=("toycity",), size_px=32, base_filters=4, steps=8, keep_at=(2, 4)
    )
    (made,) = resolve(request)
    assert len(made.runs) == 6
    runs = [(spec, made.dataset, 0) for spec in made.runs]
    one = {
        spec.variant.name: room_needed([(spec, made.dataset, 0)], "last", 10, 1).states // 3
        for spec in made.runs
    }
    assert one["l1"] < one["l1+cgan"]
    both = sum(one.values())
    # Two states and the one being written, of the larger or of both; and the shorter end of each training.
    assert room_needed(runs, "last", 10, 1, (2, 4, 8)).states == 3 * one["l1+cgan"] + both
    assert room_needed(runs, "last", 10, 2, (2, 4, 8)).states == 3 * both + both
    assert room_needed(runs, "last", 10, 6, (2, 4, 8)).states == 3 * both + both
    longest = [run for run in runs if run[0].training.steps == 8]
    assert room_needed(longest, "last", 10, 1, (2, 4, 8)).states == 3 * one["l1+cgan"]
    assert room_needed(runs, "last", 10, 6).states == 9 * both  # without --keep-at: six trainings

"""`bench speed`: what is counted against sums by hand, what is measured, what is kept of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from baselines import convolutions
from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant
from bench.cli.main import invoke
from bench.launch.cost import measure as measuring
from bench.launch.cost import step_worker as worker
from bench.launch.cost.kept_times import keep, kept
from bench.launch.cost.least_work import step_bytes, step_flops
from bench.launch.cost.measure import Question, Trial, measure
from bench.launch.cost.peaks import Peaks, measure_peaks
from bench.launch.cost.step_worker import random_pairs

CPU = torch.device("cpu")
TINY = TrainingSettings(steps=3, size_px=32, base_filters=4)
COMMAND = [
    "speed",
    "--size",
    "32",
    "--base-filters",
    "4",
    "--steps",
    "3",
    "--device",
    "cpu",
    "--threads",
    "1",
]


def step_trainer(name: str, settings: TrainingSettings) -> Trainer:
    return Trainer(parse_variant(name), settings, random_pairs(settings.load_size_px, (3, 3)), 0, CPU)


def generator_flops(size: int, filters: int) -> tuple[int, int]:
    """Forward, and the first layer's part of it, from the geometry alone."""
    levels = size.bit_length() - 1
    widths = [filters * min(2**level, 8) for level in range(levels)]
    down = [
        2 * 16 * before * after * (size >> (level + 1)) ** 2
        for level, (before, after) in enumerate(zip([3, *widths], widths, strict=False))
    ]
    up = [
        2 * 16 * widths[level] * (1 if level == levels - 1 else 2) * (widths[level - 1] if level else 3)
        * (size >> (level + 1)) ** 2
        for level in range(levels)
    ]  # fmt: skip
    return sum(down) + sum(up), down[0]


def patch_flops(size: int, filters: int, channels: int) -> tuple[int, int]:
    """The same for the 70 px discriminator: three layers of stride 2, two of stride 1, all 4x4."""
    widths = [channels, filters, 2 * filters, 4 * filters, 8 * filters, 1]
    sides = [size // 2, size // 4, size // 8, size // 8 - 1, size // 8 - 2]
    layers = [
        2 * 16 * before * after * side**2
        for before, after, side in zip(widths, widths[1:], sides, strict=False)
    ]
    return sum(layers), layers[0]


@pytest.mark.parametrize(("name", "channels"), [("l1", 0), ("gan", 3), ("l1+cgan", 6)])
def test_operations_are_those_of_the_layers(name: str, channels: int) -> None:
    """Forward and twice as much backward, except for gradients that are not needed."""
    generator, first = generator_flops(64, 8)
    expected = 3 * generator - first
    if channels:
        patch, seen = patch_flops(64, 8, channels)
        expected += 2 * (3 * patch - seen)  # real and generated; the images need no gradient
        expected += 2 * patch  # G's update: through D, whose weights need none
    settings = TrainingSettings(steps=1, size_px=64, base_filters=8)
    assert step_flops(step_trainer(name, settings)) == expected


def test_the_step_of_the_paper_is_87_gflop() -> None:
    """At 256 px and batch size 1; Adam moves 1.5 GB for the generator, weights and gradients 0.65 GB."""
    trainer = step_trainer("l1+cgan", TrainingSettings(steps=1))
    assert step_flops(trainer) == pytest.approx(87e9, rel=0.02)
    assert step_bytes(trainer.generator, None) == pytest.approx(1.52e9 + 0.65e9, rel=0.01)
    assert step_bytes(trainer.generator, trainer.objective.networks["discriminator"]) == pytest.approx(
        2.31e9, rel=0.01
    )


def test_the_floor_is_the_longer_of_both_or_their_sum() -> None:
    peaks = Peaks(flops_per_second=400e12, bytes_per_second=3e12)
    assert peaks.floor_ms(87 * 10**9, 2250 * 10**6) == pytest.approx(0.75)
    assert peaks.serial_floor_ms(87 * 10**9, 2250 * 10**6) == pytest.approx(0.75 + 0.2175)


def test_peaks_are_what_a_processor_can_have() -> None:
    peaks = measure_peaks(CPU, "fp32")
    assert 1e9 < peaks.flops_per_second < 1e14
    assert 1e8 < peaks.bytes_per_second < 1e13


@pytest.mark.parametrize(("convolved", "best"), [(1e30, True), (0.0, False)])
def test_the_peak_of_a_processor_is_the_better_of_two(
    convolved: float, best: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product alone may be slow: steps then took less than the least they can take."""
    monkeypatch.setattr("bench.launch.cost.peaks._convolved_flops_per_second", lambda dtype: convolved)
    found = measure_peaks(CPU, "fp32").flops_per_second
    assert (found == convolved) is best
    assert found > 0


def question(name: str = "l1+cgan", **fields: Any) -> Question:
    settings = {key: fields.pop(key) for key in list(fields) if hasattr(TINY, key)}
    return replace(Question(parse_variant(name), replace(TINY, **settings), (3, 3), "cpu", 1), **fields)


def test_what_is_kept_is_found_again_by_what_the_time_depends_on(cache: Path) -> None:
    assert kept(question()) is None
    path = keep(question(), {"ms_per_step": 12.5})
    found = kept(question(steps=900, lr=1e-3))
    assert found is not None
    assert found[0] == 0.0125
    assert kept(question("l1+cgan[lambda_l1=10]".partition("[")[0])) == found
    for other in (
        question("l1"),
        question("gan"),
        question("l1+cgan/16"),
        question("encdec:l1+cgan"),
        question("no-dropout"),
        question("l1+cgan[gan_loss=hinge]"),
        question("l1+cgan[lambda_fm=10]"),
        question("l1+cgan[spectral_norm=on]"),
        question(ema=0.999),
        question(size_px=64),
        question(batch_size=2),
        question(precision="bf16"),
        question(threads=2),
        question(jobs=2),
        question(channels=(1, 3)),
    ):
        assert kept(other) is None, other
    path.write_text("{")
    assert kept(question()) is None


def test_what_could_be_chosen_is_measured_by_itself(cache: Path) -> None:
    """Each in a process of its own: cuDNN keeps the plans that it has once made."""
    found = measure(question(), Trial(cudnn_benchmark=True, channels_last=True, products=True))
    assert found["flops_per_step"] == step_flops(step_trainer("l1+cgan", TINY))
    assert (found["steps"], found["engine_used"]) == (3, "eager")
    assert {"cpu"} == convolutions.PRODUCTS_ON


def test_a_gpu_gets_warm_and_takes_more_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert question(steps=20).timed_steps == 20
    assert replace(question(steps=20), device="cuda:1").timed_steps == 200
    assert replace(question(steps=900), device="cuda").timed_steps == 900
    monkeypatch.setattr(worker.time, "perf_counter", iter(range(100)).__next__)
    done: list[int] = []
    trainer: Any = SimpleNamespace(step=lambda: done.append(1))
    worker._warm_up(trainer, 5, 0.0, CPU)
    assert len(done) == 5
    worker._warm_up(trainer, 5, 20.0, CPU)  # a second passes whenever the clock is looked at
    assert len(done) == 5 + 5 + 19


def test_the_peaks_of_a_gpu_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answering:
        def __init__(self, asked: dict[str, Any]) -> None:
            pass

        def __enter__(self) -> Answering:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def go(self) -> None:
            pass

        def answer(self) -> str:
            fields = ("flops_per_step", "bytes_per_step", "peak_memory_bytes", "data_wait_share")
            return json.dumps({**dict.fromkeys(fields, 1), "step_seconds": [1.0] * 3, **said})

    said = {"engine_used": "captured", "engine_reason": None}
    asked: list[int] = []

    def peaks(device: str, precision: str, threads: int) -> Peaks:
        asked.append(threads)
        return Peaks(1.0, 1.0)

    monkeypatch.setattr(measuring, "_Worker", Answering)
    monkeypatch.setattr(measuring, "peaks_of", peaks)
    for device in ("cuda", "cpu"):
        measure(replace(question(threads=2, jobs=3), device=device))
    assert asked == [1, 6]


def test_the_command_measures_and_a_dry_run_uses_it(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*COMMAND, "--variants", "l1", "--json", "-"]) == 0
    alone = json.loads(capfd.readouterr().out)["results"][0]
    assert {"variant": "l1", "size_px": 32, "jobs": 1, "steps": 3}.items() <= alone.items()
    low, high = alone["ms_per_step_quartiles"]
    assert 0 < low <= alone["ms_per_step"] <= high
    assert alone["images_per_second"] == pytest.approx(1e3 / alone["ms_per_step"])
    assert alone["share_of_floor"] == pytest.approx(alone["floor_ms"] / alone["ms_per_step"])
    assert 0 <= alone["data_wait_share"] < 1
    assert alone["peak_memory_bytes"] > 1e8
    few = ["--variants", "l1,l1+cgan", "--dataset", "toycity", "--train-limit", "8", "--test-limit", "4"]
    small = ["--size", "32", "--base-filters", "4", "--steps", "10", "--device", "cpu", "--threads", "1"]
    assert invoke(["run", *few, *small, "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "measured on a few steps; from `bench speed`, 20" in said  # l1+cgan and l1


@pytest.mark.slow
def test_processes_side_by_side(cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "speed.json"
    assert invoke([*COMMAND, "--variants", "l1", "--jobs", "2", "--json", str(file)]) == 0
    assert "images/s and share are those of all together" in " ".join(capfd.readouterr().out.split())
    (both,) = json.loads(file.read_text())["results"]
    assert both["jobs"] == 2
    assert both["peak_memory_bytes"] > 2e8
    assert both["images_per_second"] < 2 * 1e3 / both["ms_per_step_quartiles"][0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--size", "31"], "expected"),
        (["--size", "native"], "one size for all images"),
        (["--variants", "l1+cgan/286"], "cannot be built at 32 px"),
        (["--variants", ","], "found none"),
        (["--precision", "tf32"], "needs a CUDA device"),
        (["--variants", "pix3pix"], "did you mean"),
    ],
)
def test_wrong_usage_is_refused(options: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke([*COMMAND, *options]) == 2
    assert said in " ".join(capfd.readouterr().err.split())

"""`--jobs auto`: the counts it weighs, and what it makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import bench.launch.cost.kept_times as kept_module
import bench.launch.jobs_at_once as auto
from baselines.layers import parameter_count
from baselines.settings import TrainingSettings
from bench.cli.main import invoke
from bench.launch.cost.estimate import gpu_bytes, parameters
from bench.launch.cost.kept_times import keep, kept, kept_rate
from bench.launch.cost.measure import Question
from bench.launch.jobs_at_once import UNMEASURED, choose_jobs, on_one_gpu
from bench.spec.grid import GridRequest, Plan, resolve

GIB = 1 << 30


@pytest.mark.parametrize(
    ("rates", "most", "jobs"),
    [
        ({}, 8, UNMEASURED),
        ({}, 1, 1),  # no memory, or no core, for a second one
        ({1: 500.0}, 8, UNMEASURED),  # one count alone compares nothing
        ({1: 500.0, 2: 700.0, 4: 690.0}, 8, 2),
        ({1: 500.0, 2: 700.0, 4: 900.0}, 8, 4),
        ({1: 500.0, 2: 700.0, 4: 900.0}, 3, 2),  # the quickest does not fit
        ({1: 500.0, 4: 900.0}, 3, UNMEASURED),  # nothing is left to compare
        ({1: 700.0, 2: 700.0}, 8, 1),  # no gain, no second one
        ({1: 700.0, 2: 500.0}, 8, 1),
    ],
)
def test_the_quickest_count_that_fits_is_taken(rates: dict[int, float], most: int, jobs: int) -> None:
    choice = on_one_gpu(rates, most)
    assert choice.jobs == jobs
    compared = {count: rate for count, rate in rates.items() if count <= most}
    said = "images/s" if len(compared) > 1 else "not measured"
    assert choice.why.startswith(said)


def plan(seeds: tuple[int, ...] = (0, 1, 2), size_px: int = 256, base_filters: int = 64) -> Plan:
    request = GridRequest(
        variants=("l1", "l1+cgan"), datasets=("toycity",), seeds=seeds, size_px=size_px,
        base_filters=base_filters, steps=10, engine="captured",
    )  # fmt: skip
    (made,) = resolve(request)
    return made


def test_memory_is_counted_by_what_training_keeps() -> None:
    """Against what autograd keeps on the CPU, and exactly: a part for weights, a part an image."""
    made = plan(size_px=32, base_filters=4)
    l1, adversarial = (next(s for s in made.runs if s.variant.name == name) for name in ("l1", "l1+cgan"))
    state = 16 * parameters(l1, made.dataset).generator
    pairs = 400 * l1.training.load_size_px**2 * 6

    def besides(batch_size: int) -> int:
        spec = replace(l1, training=replace(l1.training, batch_size=batch_size))
        return gpu_bytes(spec, made.dataset, 400) - pairs - state

    assert besides(3) - besides(2) == besides(2) - besides(1) > 0
    network, seen = _generator(l1.training), 0

    def see(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        network(torch.zeros(1, 3, 32, 32))
    assert besides(1) == pytest.approx(seen, rel=0.35)  # the CPU's products keep patches instead of images
    assert besides(1) > 4 * parameter_count(network)
    discriminator = parameters(adversarial, made.dataset).discriminator
    both = gpu_bytes(adversarial, made.dataset, 400)
    assert both > gpu_bytes(l1, made.dataset, 400) + 16 * discriminator


def _generator(settings: TrainingSettings) -> torch.nn.Module:
    from baselines.build import build_generator
    from baselines.variants import parse_variant

    return build_generator(parse_variant("l1"), settings, 3, 3).train()


def test_the_step_of_the_paper_fits_a_gpu_many_times() -> None:
    made = plan()
    found = max(gpu_bytes(spec, made.dataset, made.data.train_n) for spec in made.runs)
    assert 16 * 57.2e6 < found < 3e9  # weights, gradients and moments of 57.2 M parameters, and the rest


def measured(spec_plan: Plan, name: str, rates: dict[int, float], threads: int) -> None:
    spec = next(spec for spec in spec_plan.runs if spec.variant.name == name)
    for jobs, rate in rates.items():
        question = Question(spec.variant, spec.training, (3, 3), "cuda", threads, jobs)
        keep(question, {"ms_per_step": 1.0, "images_per_second": rate})


def on_gpus(monkeypatch: pytest.MonkeyPatch, count: int, free: int, cores: int = 16) -> None:
    """As if there were GPUs: what is asked of them is their number, free memory and name."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
    monkeypatch.setattr(auto, "cores", lambda: cores)
    monkeypatch.setattr(kept_module, "describe_device", lambda device: "a GPU")


def test_a_gpu_is_shared_by_what_was_measured(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan()
    on_gpus(monkeypatch, 1, 80 * GIB)
    assert choose_jobs([made], "cuda", None).jobs == UNMEASURED
    measured(made, "l1+cgan", {1: 500.0, 2: 650.0, 4: 800.0, 8: 790.0}, threads=7)
    choice = choose_jobs([made], "cuda", None)
    assert choice.jobs == 4
    assert choice.why == (
        "4 at once on 1 GPU (images/s by `bench speed --jobs`: 1: 500, 2: 650, 4: 800, 8: 790)"
    )
    assert choose_jobs([plan(seeds=(0,))], "cuda", None).jobs == 2  # no more than there are runs
    on_gpus(monkeypatch, 1, 80 * GIB, cores=3)
    assert choose_jobs([made], "cuda", None).jobs == 2  # a core each
    on_gpus(monkeypatch, 1, 10 * GIB)
    assert choose_jobs([made], "cuda", None).jobs == 2
    on_gpus(monkeypatch, 1, 4 * GIB)
    assert choose_jobs([made], "cuda", None).jobs == 1
    on_gpus(monkeypatch, 2, 80 * GIB)
    assert choose_jobs([made], "cuda", None).jobs == 6  # 2 x 4, but there are six runs
    assert choose_jobs([made], "cuda:1", None).jobs == 4


def test_the_heaviest_kind_that_was_measured_decides(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan()
    on_gpus(monkeypatch, 1, 80 * GIB)
    measured(made, "l1", {1: 500.0, 3: 900.0}, threads=1)
    assert choose_jobs([made], "cuda", None).jobs == 3
    measured(made, "l1+cgan", {1: 500.0, 2: 600.0, 3: 550.0}, threads=1)
    assert choose_jobs([made], "cuda", None).jobs == 2


def test_on_a_cpu_it_is_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan()
    monkeypatch.setattr(auto, "cores", lambda: 4)
    monkeypatch.setattr(auto.os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 64 * GIB // 4096))
    assert choose_jobs([made], "cpu", None).jobs == 4
    assert choose_jobs([made], "cpu", 2).jobs == 2
    assert choose_jobs([made], "cpu", 16).jobs == 1
    assert choose_jobs([plan(seeds=(0,))], "cpu", None).jobs == 2
    monkeypatch.setattr(auto.os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 5 * GIB // 4096))
    assert choose_jobs([made], "cpu", None).jobs == 2  # 2 GiB each


def test_a_damaged_measurement_is_none(cache: Path) -> None:
    spec = plan(size_px=32).runs[0]
    question = Question(spec.variant, spec.training, (3, 3), "cpu", 1)
    assert kept_rate(question) is None
    keep(question, {}).write_text("{")
    assert kept_rate(question) is None
    assert kept(question) is None


def test_the_command_says_what_it_chose(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    grid = ["--variants", "l1", "--dataset", "toycity", "--size", "32", "--base-filters", "4", "--steps", "1"]
    assert (
        invoke(["run", *grid, "--jobs", "auto", "--dry-run", "--device", "cpu", "--out", str(tmp_path)]) == 0
    )
    assert "--jobs auto: 1 at once on " in capfd.readouterr().err

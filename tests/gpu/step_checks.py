"""What is checked and measured of single training steps on a GPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from agreement import Distance, compare_engines
from bed import Bed, Part, Row, Rows, numbers

from baselines.variants import parse_variant
from bench.core.errors import RunFailedError
from bench.launch.cost.measure import Question, Trial, measure, peaks_of
from bench.launch.cost.peaks import wait_for

VARIANTS = (
    "l1", "gan", "cgan", "l1+gan", "l1+cgan", "l1+cgan/1", "l1+cgan/16", "l1+cgan/142", "imagegan",
    "encdec:l1", "encdec:l1+cgan", "no-dropout",
)  # fmt: skip


def device(bed: Bed) -> Iterator[Part]:
    """What the device is, and its measured peaks."""

    def peaks(precision: str, _: Rows) -> Iterator[Row]:
        name = "cpu" if bed.dry else torch.cuda.get_device_name()
        found = peaks_of(bed.name, precision, 1)
        words = f"{found.flops_per_second / 1e12:.3g} TFLOP/s, {found.bytes_per_second / 1e12:.3g} TB/s"
        yield Row(f"{name}, {precision}", f"{words}; torch {torch.__version__}", numbers=asdict(found))

    for precision in ("default",) if bed.dry else ("default", "fp32", "bf16"):
        yield Part(precision, 30, partial(peaks, precision))


def agreement(bed: Bed) -> Iterator[Part]:
    """Captured = eager from ten shared states: losses to 1e-5, or as close as eager to itself; so updates."""

    def compare(precision: str, batch_size: int, _: Rows) -> Iterator[Row]:
        settings = replace(bed.settings, precision=precision, batch_size=batch_size)
        found = compare_engines("l1+cgan", settings, bed.device, 2 if bed.dry else 10)
        yield Row(
            f"captured = eager, {precision}, batch {batch_size}",
            f"{_words(found.captured)} ({found.engine}); eager again: {_words(found.eager)}",
            "losses 1e-5, or as eager again; updates as eager again",
            found.captured.loss <= max(1e-5, 3 * found.eager.loss)
            and found.captured.update <= max(1e-4, 3 * found.eager.update),
            asdict(found),
        )

    for precision, batch_size in (("fp32", 1), ("default", 1), ("default", 4)):
        yield Part(f"{precision}, {batch_size}", 45, partial(compare, precision, batch_size))


def _words(distance: Distance) -> str:
    return f"losses {distance.loss:.1e}, gradients {distance.gradient:.1e}, updates {distance.update:.1e}"


def variants(bed: Bed) -> Iterator[Part]:
    """Every kind of variant runs captured, with finite losses."""

    def train(name: str, _: Rows) -> Iterator[Row]:
        run = bed.trainer(name, steps=8)
        *_, entry = run.train(log_every=4)
        loss, reason = entry["loss_l1"], run.engine_reason
        yield Row(name, reason or f"{run.engine_used}, L1 {loss:.3f}", "captured", reason is None)

    for name in VARIANTS if not bed.dry else ("l1", "gan", "l1+cgan/16", "encdec:l1+cgan"):
        yield Part(name, 20, partial(train, name))


def speed(bed: Bed) -> Iterator[Part]:
    """Time of a step by engine and precision, and its share of the counted floor."""

    def step(engine: str, precision: str, _: Rows) -> Iterator[Row]:
        wanted = 0.5 if (engine, precision) == ("captured", "default") else None
        yield _share(
            bed, f"{engine}, {precision}", _measured(bed, engine=engine, precision=precision), wanted
        )

    def compared(before: Rows) -> Iterator[Row]:
        first, times = "eager" if bed.dry else "captured", numbers(before, "ms_per_step")
        ratio = times[f"{first}, default"] / times[f"{first}, bf16"]
        yield Row("bf16 against default", f"{ratio:.2f} times as fast", "1.25", bed.met(ratio >= 1.25))

    asked = [("captured", "default"), ("eager", "default"), ("captured", "bf16"), ("captured", "fp32")]
    for engine, precision in asked if not bed.dry else [("eager", "default"), ("eager", "bf16")]:
        yield Part(f"{engine}, {precision}", 60, partial(step, engine, precision))
    yield Part("bf16", 0, compared)


def _measured(bed: Bed, jobs: int = 1, trial: Trial | None = None, **changes: Any) -> dict[str, Any]:
    settings = replace(bed.settings, **changes)
    return measure(Question(parse_variant("l1+cgan"), settings, (3, 3), bed.name, 1, jobs), trial)


def _share(bed: Bed, what: str, result: dict[str, Any], wanted: float | None = None) -> Row:
    share = result["share_of_floor"]
    floors = f"{result['floor_ms']:.3g} ms ({result['serial_floor_ms']:.3g} ms without overlap)"
    found = (
        f"{result['ms_per_step']:.3g} ms, {result['images_per_second']:.4g} images/s, "
        f"{share:.0%} of the floor of {floors}, "
        f"wait {result['data_wait_share']:.1%}, {result['peak_memory_bytes'] / 1e6:,.0f} MB"
    )
    if result["engine_reason"] is not None:
        found += f"; {result['engine_used']}: {result['engine_reason']}"
    ok = None if wanted is None else bed.met(share >= wanted)
    return Row(what, found, f"{wanted:.0%} of the floor" if wanted else "", ok, result)


def profile(bed: Bed) -> Iterator[Part]:
    """Where a step's time goes, by kernel."""
    yield Part("a step", 45, lambda _: _profile(bed))


def _profile(bed: Bed) -> Iterator[Row]:
    run, steps = bed.trainer("l1+cgan"), 1 if bed.dry else 20
    ms = bed.median_ms(run.step)
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [] if bed.dry else [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as watched:
        for _ in range(steps):
            run.step()
        wait_for(bed.device)
    cost = "self_cpu_time_total" if bed.dry else "self_device_time_total"
    where = torch.autograd.DeviceType.CPU if bed.dry else torch.autograd.DeviceType.CUDA
    events = [event for event in watched.key_averages() if event.device_type == where]
    events.sort(key=lambda event: -getattr(event, cost))
    busy = sum(getattr(event, cost) for event in events) / 1e3 / steps
    count = sum(event.count for event in events) / steps
    found = f"{count:.0f} a step, busy {busy:.3g} ms of {ms:.3g} ms ({run.engine_used})"
    yield Row("all kernels", found, numbers={"kernels": count, "busy_ms": busy, "ms_per_step": ms})
    for event in events[:15]:
        each = f"{getattr(event, cost) / 1e3 / steps:.3g} ms in {event.count / steps:.4g} a step"
        yield Row(event.key[:60], each)


def variations(bed: Bed) -> Iterator[Part]:
    """What is ours to choose by measurement, one change at a time, a process each."""

    def step(name: str, trial: Trial, before: Rows) -> Iterator[Row]:
        result = _measured(bed, trial=trial)
        ms, plain = result["ms_per_step"], numbers(before, "ms_per_step").get("as it is")
        found = f"{ms:.3g} ms ({result['engine_used']})"
        if plain is not None:
            found += f", {plain / ms:.2f} times as fast"
        yield Row(name, found, numbers={"ms_per_step": ms})

    trials = {
        "as it is": Trial(),
        "channels last": Trial(channels_last=True),
        "deep layers as products": Trial(products=True),
    }
    if not bed.dry:
        trials |= {
            "cudnn.benchmark": Trial(cudnn_benchmark=True),
            "channels last, cudnn.benchmark": Trial(channels_last=True, cudnn_benchmark=True),
            "torch.compile": Trial(compiled=True),
            "torch.compile, cudnn.benchmark": Trial(compiled=True, cudnn_benchmark=True),
        }
    for name, trial in trials.items():
        yield Part(name, 180 if trial.compiled else 60, partial(step, name, trial))


def together(bed: Bed) -> Iterator[Part]:
    """Several trainings on one device, without and with MPS."""

    def side_by_side(jobs: int, mps: bool, _: Rows) -> Iterator[Row]:
        what = f"{jobs} processes{' with MPS' if mps else ''}"
        if mps and shutil.which("nvidia-cuda-mps-control") is None:
            yield Row(what, "nvidia-cuda-mps-control is not installed")
            return
        try:
            with _mps() if mps else nullcontext():
                result = _measured(bed, jobs)
        except (RunFailedError, OSError, subprocess.SubprocessError) as error:
            if not mps:
                raise
            yield Row(what, f"MPS refused: {str(error).partition(chr(10))[0][:120]}")
        else:
            yield _share(bed, what, result)

    def best(before: Rows) -> Iterator[Row]:
        shares = numbers(before, "share_of_floor")
        name = max(shares, key=lambda one: shares[one])
        found = f"{shares[name]:.0%} of the floor: {name}"
        yield Row("the best of them", found, "70% of the floor", bed.met(shares[name] >= 0.7))

    for mps in (False, True):
        for jobs in (2,) if bed.dry else (1, 2, 4, 8):
            yield Part(f"{jobs}{' MPS' if mps else ''}", 50 + 10 * jobs, partial(side_by_side, jobs, mps))
    yield Part("best", 0, best)


@contextmanager
def _mps() -> Iterator[None]:
    """The daemon that lets processes share a GPU at the same moment; its sockets need a short path."""
    folder = tempfile.mkdtemp(prefix="mps")
    set_to = {"CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{folder}/log"}
    for one in set_to.values():
        Path(one).mkdir()
    before = {name: os.environ.get(name) for name in set_to}
    os.environ.update(set_to)
    try:
        subprocess.run(["nvidia-cuda-mps-control", "-d"], check=True, timeout=30)
        yield
    finally:
        try:
            subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", timeout=60)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            shutil.rmtree(folder, ignore_errors=True)


def against_released(bed: Bed) -> Iterator[Part]:
    """Our step, images and all, and that of the released code on a pair that is there already, in turn."""
    if bed.released is None:
        row = Row("released code", "not measured: give its checkout by --released", "8 times as fast")
        yield Part("none", 0, lambda _: [row])
        return
    size, steps = (128, 3) if bed.dry else (256, 200)  # it knows no smaller one

    def round_of_both(number: int, _: Rows) -> Iterator[Row]:
        result = _measured(bed, size_px=size)
        ms, engine = result["ms_per_step"], result["engine_used"]
        yield Row(f"ours, round {number}", f"{ms:.3g} ms ({engine})", numbers={"ours_ms": ms})
        script, settings = Path(__file__).with_name("released.py"), bed.settings
        asked = [bed.released, size, settings.base_filters, bed.name, steps]
        done = subprocess.run(
            [sys.executable, script, *map(str, asked)], stdout=subprocess.PIPE, check=True, timeout=240
        )
        ms = 1e3 * median(json.loads(done.stdout))
        yield Row(f"released, round {number}", f"{ms:.3g} ms", numbers={"released_ms": ms})

    def compared(before: Rows) -> Iterator[Row]:
        ours, theirs = (median(numbers(before, f"{side}_ms").values()) for side in ("ours", "released"))
        found = f"{theirs / ours:.2f} times: {ours:.3g} ms against {theirs:.3g} ms"
        yield Row("against the released code", found, "8 times", bed.met(theirs / ours >= 8))

    rounds = range(1, 2 if bed.dry else 4)
    for number in rounds:
        yield Part(f"round {number}", 90, partial(round_of_both, number))
    yield Part("ratio", 0, compared)

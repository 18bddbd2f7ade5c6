"""What is checked and measured of single training steps on a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from agreement import Distance, compare_engines
from bed import Bed, Row
from released import released_step

from baselines.trainer import Trainer
from baselines.variants import parse_variant
from bench.speed.measure import Question, measure, peaks_of
from bench.speed.peaks import wait_for

VARIANTS = (
    "l1", "gan", "cgan", "l1+gan", "l1+cgan", "l1+cgan/1", "l1+cgan/16", "l1+cgan/142", "imagegan",
    "encdec:l1", "encdec:l1+cgan", "no-dropout",
)  # fmt: skip


def agreement(bed: Bed) -> Iterator[Row]:
    """Captured = eager from ten shared states: losses to 1e-5, updates to the order of summation."""
    for precision, batch_size in (("fp32", 1), ("default", 1), ("default", 4)):
        settings = replace(bed.settings, precision=precision, batch_size=batch_size)
        found = compare_engines("l1+cgan", settings, bed.device, 2 if bed.dry else 10)
        yield Row(
            f"captured = eager, {precision}, batch {batch_size}",
            f"{_words(found.captured)} ({found.engine}); eager again: {_words(found.eager)}",
            "losses 1e-5; updates as eager again",
            found.captured.loss <= 1e-5 and found.captured.update <= max(1e-4, 3 * found.eager.update),
            asdict(found),
        )


def _words(distance: Distance) -> str:
    return f"losses {distance.loss:.1e}, gradients {distance.gradient:.1e}, updates {distance.update:.1e}"


def variants(bed: Bed) -> Iterator[Row]:
    """Every kind of variant runs captured, with finite losses."""
    for name in VARIANTS if not bed.dry else ("l1", "gan", "l1+cgan/16", "encdec:l1+cgan"):
        run = bed.trainer(name, steps=8)
        *_, entry = run.train(log_every=4)
        loss, reason = entry["loss_l1"], run.engine_reason
        yield Row(name, reason or f"{run.engine_used}, L1 {loss:.3f}", "captured", reason is None)


def speed(bed: Bed) -> Iterator[Row]:
    """Time of a step by engine and precision, and its share of the counted floor."""
    asked = [("eager", "default"), ("captured", "default"), ("captured", "bf16"), ("captured", "fp32")]
    times: dict[tuple[str, str], float] = {}
    for engine, precision in asked if not bed.dry else [("eager", "default"), ("eager", "bf16")]:
        result = _measured(bed, engine=engine, precision=precision)
        times[engine, precision] = result["ms_per_step"]
        wanted = 0.5 if (engine, precision) == ("captured", "default") else None
        yield _share(bed, f"{engine}, {precision}", result, wanted)
    first = "eager" if bed.dry else "captured"
    ratio = times[first, "default"] / times[first, "bf16"]
    yield Row("bf16 against default", f"{ratio:.2f} times as fast", "1.25", bed.judged(ratio >= 1.25))


def _measured(bed: Bed, jobs: int = 1, **changes: Any) -> dict[str, Any]:
    settings = replace(bed.settings, **changes)
    return measure(Question(parse_variant("l1+cgan"), settings, (3, 3), bed.name, 1, jobs))


def _share(bed: Bed, what: str, result: dict[str, Any], wanted: float | None) -> Row:
    share = result["share_of_floor"]
    floors = f"{result['floor_ms']:.3g} ms ({result['serial_floor_ms']:.3g} ms without overlap)"
    found = (
        f"{result['ms_per_step']:.3g} ms, {result['images_per_second']:.4g} images/s, "
        f"{share:.0%} of the floor of {floors}, "
        f"wait {result['data_wait_share']:.1%}, {result['peak_memory_bytes'] / 1e6:,.0f} MB"
    )
    ok = None if wanted is None else bed.judged(share >= wanted)
    return Row(what, found, f"{wanted:.0%} of the floor" if wanted else "", ok, result)


def variations(bed: Bed) -> Iterator[Row]:
    """What is ours to choose by measurement, one change at a time."""
    networks = ("generator", "discriminator")

    def channels_last(run: Trainer) -> None:
        for name in networks:
            getattr(run, name).to(memory_format=torch.channels_last)

    def compiled(run: Trainer) -> None:
        for name in networks:
            getattr(run, name).compile()

    changes: dict[str, Callable[[Trainer], None]] = {"as it is": lambda run: None}
    changes |= {"channels last": channels_last}
    changes |= {} if bed.dry else {"torch.compile": compiled}
    for benchmark in (False, True):
        for name, change in changes.items():
            torch.backends.cudnn.benchmark = benchmark
            run = bed.trainer("l1+cgan")
            change(run)
            what = f"{name}{', cudnn.benchmark' if benchmark else ''}"
            try:
                ms = bed.median_ms(run.step)
            except Exception as error:
                yield Row(what, f"failed: {str(error).partition(chr(10))[0][:120]}")
            else:
                yield Row(what, f"{ms:.3g} ms ({run.engine_used})", numbers={"ms_per_step": ms})
            finally:
                torch.backends.cudnn.benchmark = False


def profile(bed: Bed) -> Iterator[Row]:
    """Where a step's time goes, by kernel."""
    run = bed.trainer("l1+cgan")
    for _ in range(6):
        run.step()
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [] if bed.dry else [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as watched:
        run.step()
        wait_for(bed.device)
    cost = "self_cpu_time_total" if bed.dry else "self_device_time_total"
    events = sorted(watched.key_averages(), key=lambda event: -getattr(event, cost))
    total = sum(getattr(event, cost) for event in events)
    yield Row("all kernels", f"{total / 1e3:.3g} ms in {sum(event.count for event in events)} calls")
    for event in events[:15]:
        yield Row(event.key[:60], f"{getattr(event, cost) / 1e3:.3g} ms in {event.count} calls")


def together(bed: Bed) -> Iterator[Row]:
    """Several trainings on one device, without and with MPS."""
    counts = (2,) if bed.dry else (1, 2, 4, 8)
    for mps in (False, True):
        if mps and shutil.which("nvidia-cuda-mps-control") is None:
            yield Row("with MPS", "nvidia-cuda-mps-control is not installed")
            continue
        with _mps(bed.out) if mps else nullcontext():
            for jobs in counts:
                result = _measured(bed, jobs)
                wanted = 0.7 if jobs == max(counts) else None
                yield _share(bed, f"{jobs} processes{' with MPS' if mps else ''}", result, wanted)


@contextmanager
def _mps(out: Path) -> Iterator[None]:
    """The daemon that lets processes share a GPU at the same moment."""
    folders = {
        name: str(out / name.lower()) for name in ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
    }
    for folder in folders.values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    os.environ.update(folders)
    try:
        subprocess.run(["nvidia-cuda-mps-control", "-d"], check=True, timeout=30)
        yield
    finally:
        subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", timeout=60)
        for name in folders:
            del os.environ[name]


def device(bed: Bed) -> Iterator[Row]:
    """What the device is, and its measured peaks."""
    name = "cpu" if bed.dry else torch.cuda.get_device_name()
    for precision in ("default",) if bed.dry else ("default", "fp32", "bf16"):
        peaks = peaks_of(bed.name, precision, 1)
        found = f"{peaks.flops_per_second / 1e12:.3g} TFLOP/s, {peaks.bytes_per_second / 1e12:.3g} TB/s"
        yield Row(f"{name}, {precision}", f"{found}; torch {torch.__version__}", numbers=asdict(peaks))


def against_released(bed: Bed) -> Iterator[Row]:
    """Our step, pictures and all, and that of the released code on a pair that is there already, in turn."""
    if bed.released is None:
        yield Row("released code", "not measured: give its checkout by --released", "8 times as fast")
        return
    size = 128 if bed.dry else 256  # it knows no smaller one
    ours = bed.trainer("l1+cgan", size_px=size)
    theirs = released_step(bed.released, size, ours.settings.base_filters, bed.device)
    our_ms, their_ms = [], []
    for _ in range(3):
        our_ms.append(bed.median_ms(ours.step))
        torch.backends.cudnn.benchmark = True  # as it sets it
        their_ms.append(bed.median_ms(theirs))
        torch.backends.cudnn.benchmark = False
    ratio = median(their_ms) / median(our_ms)
    found = f"{ratio:.2f} times: {median(our_ms):.3g} ms against {median(their_ms):.3g} ms"
    yield Row("against the released code", found, "8 times", bed.judged(ratio >= 8))

"""Measures training steps in processes of their own, one or several side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from types import TracebackType
from typing import Any

import numpy as np

from baselines.settings import TrainingSettings
from baselines.variants import Variant
from bench.core import plugins
from bench.core.errors import RunFailedError
from bench.launch.cost.peaks import Peaks

_WARM_UP_STEPS = 5  # capture happens within these
_GPU_WARM_UP_SECONDS = 0.5  # until its clocks reach full speed
_GPU_LEAST_STEPS = 200  # of a few milliseconds each


@dataclass(frozen=True)
class Question:
    """What to measure.

    Attributes:
        variant, settings: of the step; `settings.steps` is the number of timed steps (at least 200 on a GPU).
        channels: of source and target.
        device: as torch names it.
        threads: CPU threads of each process.
        jobs: processes side by side, all on `device`.
    """

    variant: Variant
    settings: TrainingSettings
    channels: tuple[int, int]
    device: str
    threads: int
    jobs: int = 1

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def timed_steps(self) -> int:
        return max(self.settings.steps, _GPU_LEAST_STEPS if self.on_gpu else 1)


@dataclass(frozen=True)
class Trial:
    """A change to the step, to be measured.

    Attributes:
        cudnn_benchmark: cuDNN tries its algorithms and takes the fastest, not the one it predicts.
        channels_last: weights and features are stored channels last.
        compiled: both networks by `torch.compile`.
        products: deep layers as products of matrices on a GPU, as they are on a CPU.
    """

    cudnn_benchmark: bool = False
    channels_last: bool = False
    compiled: bool = False
    products: bool = False


def measure(question: Question, trial: Trial | None = None) -> dict[str, Any]:
    """Take the steps and return their times; keys name their units, as `--json` shows them.

    `trial`: what differs from training.

    Raises:
        RunFailedError: if a process fails.
    """
    asked = {
        "what": "steps",
        "variant": asdict(question.variant),
        "settings": asdict(question.settings),
        "channels": question.channels,
        "device": question.device,
        "threads": question.threads,
        "warm_up": _WARM_UP_STEPS,
        "warm_up_seconds": _GPU_WARM_UP_SECONDS if question.on_gpu else 0.0,
        "steps": question.timed_steps,
        "trial": asdict(trial or Trial()),
        "plugins": [str(path) for path in plugins.loaded_files],
    }
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(asked)) for _ in range(question.jobs)]
        for worker in workers:
            worker.answer()  # ready
        began = time.perf_counter()
        for worker in workers:
            worker.go()
        answers = [json.loads(worker.answer()) for worker in workers]
        seconds = time.perf_counter() - began
    threads = 1 if question.on_gpu else question.threads * question.jobs
    peaks = peaks_of(question.device, question.settings.precision, threads)
    return _result(question, answers, seconds, peaks)


def _result(
    question: Question, answers: Sequence[dict[str, Any]], seconds: float, peaks: Peaks
) -> dict[str, Any]:
    settings, jobs = question.settings, question.jobs
    times = np.concatenate([answer["step_seconds"] for answer in answers]) * 1e3
    low, median, high = np.percentile(times, [25, 50, 75]).tolist()
    # for several processes: elapsed time until the last one is done
    every_ms = median if jobs == 1 else 1e3 * seconds / (question.timed_steps * jobs)
    flops, moved = answers[0]["flops_per_step"], answers[0]["bytes_per_step"]
    floor = peaks.floor_ms(flops, moved)
    memory = [answer["peak_memory_bytes"] for answer in answers]
    return {
        "variant": question.variant.name,
        "size_px": settings.size_px,
        "batch_size": settings.batch_size,
        "base_filters": settings.base_filters,
        "precision": settings.precision,
        "engine": settings.engine,
        "engine_used": answers[0]["engine_used"],
        "engine_reason": answers[0]["engine_reason"],
        "jobs": jobs,
        "threads": question.threads,
        "steps": question.timed_steps,
        "ms_per_step": median,
        "ms_per_step_quartiles": [low, high],
        "images_per_second": 1e3 * settings.batch_size / every_ms,
        "flops_per_step": flops,
        "bytes_per_step": moved,
        "peak_flops_per_second": peaks.flops_per_second,
        "peak_bytes_per_second": peaks.bytes_per_second,
        "floor_ms": floor,
        "serial_floor_ms": peaks.serial_floor_ms(flops, moved),
        "share_of_floor": floor / every_ms,
        "data_wait_share": float(np.mean([answer["data_wait_share"] for answer in answers])),
        "peak_memory_bytes": None if None in memory else sum(memory),
    }


@cache
def peaks_of(device: str, precision: str, threads: int) -> Peaks:
    """The peaks of `device`, measured with none of our other processes on it."""
    asked = {"what": "peaks", "precision": precision, "device": device, "threads": threads}
    with _Worker(asked) as worker:
        return Peaks(**json.loads(worker.answer()))


class _Worker:
    """A `bench.launch.cost.step_worker`; it has ended when the block ends."""

    def __init__(self, asked: dict[str, Any]) -> None:
        threads = str(asked["threads"])
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.launch.cost.step_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)},
        )
        self._send(json.dumps(asked))

    def __enter__(self) -> _Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()
        self._said.close()

    def go(self) -> None:
        self._send("go")

    def answer(self) -> str:
        """The worker's next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._said.seek(0)
            words = self._said.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise RunFailedError(f"a measuring process ended with {code}: {words[-1]}")
        return line

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: `answer` reports why

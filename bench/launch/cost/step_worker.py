"""A process that takes training steps: `python -m bench.launch.cost.step_worker`, started by `measure`.

It reads a line of JSON that says what to measure, prints "ready" once it is warm, waits for a line, takes its
steps and prints their times. As a process it has its own memory, and several run side by side.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import NDArray

from baselines import convolutions
from baselines.engine import make_current, resolve_device
from baselines.settings import TrainingSettings
from baselines.sizes import Size, image_size
from baselines.trainer import Trainer
from baselines.variants import Variant
from bench.core import plugins
from bench.launch.cost.least_work import step_bytes, step_flops
from bench.launch.cost.peaks import measure_peaks, wait_for

_PAIRS = 32  # all different, so that caches help no more than in training


@dataclass(frozen=True)
class RandomPairs:
    """Images of noise, in memory."""

    source: NDArray[np.uint8]
    target: NDArray[np.uint8]


def random_pairs(size_px: Size, channels: tuple[int, int]) -> RandomPairs:
    """The pairs that a measurement needs, all of one size."""
    rng, shape = np.random.default_rng(0), image_size(size_px).shape
    made = [rng.integers(0, 256, (_PAIRS, *shape, count), dtype=np.uint8) for count in channels]
    return RandomPairs(*made)


def main() -> None:
    """Do what the first line of stdin says."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keeps what libraries print out of the answers
    asked = json.loads(sys.stdin.readline())
    torch.set_num_threads(asked["threads"])
    device = resolve_device(asked["device"])
    make_current(device)
    if asked["what"] == "peaks":
        _tell(answers, asdict(measure_peaks(device, asked["precision"])))
    else:
        _measure(asked, device, answers)


def _measure(asked: dict[str, Any], device: torch.device, answers: TextIO) -> None:
    for path in asked["plugins"]:
        plugins.load_file(Path(path))
    settings, channels = TrainingSettings(**asked["settings"]), tuple(asked["channels"])
    data = random_pairs(settings.load_size_px, channels)
    trial = asked["trial"]
    torch.backends.cudnn.benchmark = trial["cudnn_benchmark"]
    if trial["products"]:
        convolutions.PRODUCTS_ON.add("cuda")
    trainer = Trainer(Variant(**asked["variant"]), settings, data, 0, device)
    networks = [trainer.objective.networks[name] for name in trainer.objective.adams]
    if trial["channels_last"]:  # before Adam creates its moments in the layout of the weights
        for network in networks:
            network.to(memory_format=torch.channels_last)
    counted = {
        "flops_per_step": step_flops(trainer),
        "bytes_per_step": _bytes(trainer),
    }
    if trial["compiled"]:  # after counting: a compiled network hides its operations
        for network in networks:
            network.compile()
    _warm_up(trainer, asked["warm_up"], asked["warm_up_seconds"], device)
    answers.write("ready\n")
    answers.flush()
    if not sys.stdin.readline():
        return  # the parent process is gone
    waited = trainer.wait_seconds
    began = time.perf_counter()
    seconds = _step_seconds(trainer, asked["steps"], device)
    wait_for(device)
    whole = time.perf_counter() - began
    found = {
        **counted,
        "step_seconds": seconds,
        "data_wait_share": (trainer.wait_seconds - waited) / whole,
        "peak_memory_bytes": _peak_memory(device),
        "engine_used": trainer.engine_used,
        "engine_reason": trainer.engine_reason,
    }
    _tell(answers, found)


def _bytes(trainer: Trainer) -> int:
    """`step_bytes` of each generator with the discriminator of the same direction."""
    networks = {name: trainer.objective.networks[name] for name in trainer.objective.adams}
    return sum(
        step_bytes(network, networks.get(name.replace("generator", "discriminator")))
        for name, network in networks.items()
        if name.startswith("generator")
    )


def _warm_up(trainer: Trainer, steps: int, seconds: float, device: torch.device) -> None:
    """Take at least `steps` steps, for at least `seconds`: a step is captured only after some eager ones."""
    began = time.perf_counter()
    while steps > 0 or time.perf_counter() - began < seconds:
        trainer.step()
        steps -= 1
    wait_for(device)


def _step_seconds(trainer: Trainer, steps: int, device: torch.device) -> list[float]:
    """Time of each step; on a GPU between events, so that the host never waits."""
    if device.type != "cuda":
        marks = [time.perf_counter()]
        for _ in range(steps):
            trainer.step()
            marks.append(time.perf_counter())
        return np.diff(marks).tolist()
    events = [_mark() for _ in range(steps + 1)]
    events[0].record()
    for event in events[1:]:
        trainer.step()
        event.record()
    wait_for(device)
    return [one.elapsed_time(other) / 1e3 for one, other in pairwise(events)]


def _mark() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _peak_memory(device: torch.device) -> int | None:
    """The most bytes that this process took, of the GPU or of main memory; None: not known here."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _tell(answers: TextIO, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content, allow_nan=False) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()

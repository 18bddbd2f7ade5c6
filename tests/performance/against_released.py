"""A training step of ours and one of the released PyTorch code, in turn, in one process, on the CPU.

    python tests/performance/against_released.py CHECKOUT --size 256 --threads 2 --rounds 15

CHECKOUT is https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix. Ours is a whole step of `l1+cgan`
(images are cut out, mirrored and converted, networks updated, losses summed); of the released code only
`optimize_parameters` is timed, on a pair that is there already. Both have the same networks, batch size 1 and
float32. The ratio is taken within a round, where both meet the same machine; seconds of CPU are the fairer
figure on one that others use.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from baselines.settings import TrainingSettings
from baselines.trainer import Trainer
from baselines.variants import parse_variant
from bench.launch.cost.step_worker import random_pairs

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu"))
from released import released_step

CPU = torch.device("cpu")


def timed(step: Callable[[], object], times: int) -> tuple[float, float]:
    """Wall and CPU milliseconds of a call, over `times` of them."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        step()
    return 1e3 * (time.perf_counter() - wall) / times, 1e3 * (time.process_time() - cpu) / times


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:8.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--size", type=int, default=256, choices=(128, 256))
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=3, help="of each code in a round")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    settings = TrainingSettings(steps=10**6, size_px=asked.size, base_filters=asked.filters)
    pairs = random_pairs(settings.load_size_px, (3, 3))
    ours = Trainer(parse_variant("l1+cgan"), settings, pairs, 0, CPU)
    steps = {
        "ours": ours.step,
        "released": released_step(asked.checkout, asked.size, asked.filters, CPU),
    }
    for step in steps.values():
        timed(step, 2)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for number in range(asked.rounds):  # who is first takes turns
        for name in sorted(steps, reverse=bool(number % 2)):
            found[name].append(timed(steps[name], asked.steps))
    print(
        f"l1+cgan, {asked.size} px, {asked.filters} filters, batch 1, {asked.threads} threads, "
        f"torch {torch.__version__}; {asked.rounds} rounds of {asked.steps} steps; median (quartiles)"
    )
    for kind, what in enumerate(("wall", "CPU")):
        for name, values in found.items():
            print(f"{what:4} ms a step, {name:9}{spread([value[kind] for value in values])}")
        ratios = [b[kind] / a[kind] for a, b in zip(found["ours"], found["released"], strict=True)]
        print(f"{what:4} released / ours       {spread(ratios)}")


if __name__ == "__main__":
    main()

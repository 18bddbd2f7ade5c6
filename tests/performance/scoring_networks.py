"""Time of the scoring networks before and after folding, in one process, in turn; CPU seconds, one thread.

    python tests/performance/scoring_networks.py [--rounds 5]

Prints milliseconds an image, the ratio, and how far features, Fréchet distances and labels differ.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from bench.core.freed_memory import kept_by_the_process
from bench.scoring.judges.base import in_batches
from bench.scoring.judges.fcn_lite0 import FCNLite0
from bench.scoring.judges.train_network import segment
from bench.scoring.metrics.frechet import frechet_distance, gaussian
from bench.scoring.metrics.lite0 import pretrained_lite0
from bench.scoring.metrics.lite0_features import FeatureNetwork, default_feature_network

CHUNK = 16
Work = Callable[[Tensor], Tensor]


def images(count: int, px: int, seed: int = 0) -> Tensor:
    """(N, 3, px, px) uint8: coloured blobs with fine noise."""
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.normal(size=(count, 3, px, px)), (0, 0.5, 6, 6))
    noisy = 120 + 45 * blobs / blobs.std() + rng.normal(scale=8, size=blobs.shape)
    return torch.from_numpy(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def in_turn(works: dict[str, tuple[Work, bool]], shown: Tensor, rounds: int) -> dict[str, Tensor]:
    """Run each work on the same images in turn; print medians and ratios to the first."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    found: dict[str, Tensor] = {}
    for number in range(rounds + 1):
        for name, (work, keeps) in works.items():
            with kept_by_the_process() if keeps else nullcontext():
                started = time.process_time()
                found[name] = work(shown)
                if number:  # the first round warms up
                    spent[name].append((time.process_time() - started) / len(shown) * 1e3)
    first = np.array(next(iter(spent.values())))
    for name, values in spent.items():
        ratio = np.median(first / np.array(values))
        print(f"  {name:32s} {np.median(values):6.1f} ms an image, {ratio:.2f} times as fast", flush=True)
    return found


def features(rounds: int) -> None:
    """fd_lite0's network on 48 images."""
    print("features of EfficientNet-Lite0 at 224 px")
    folded, plain = default_feature_network("cpu"), FeatureNetwork({}, pretrained_lite0(), "cpu")

    def before(shown: Tensor) -> Tensor:
        return torch.cat(
            [_plain(plain, shown[start : start + CHUNK]) for start in range(0, len(shown), CHUNK)]
        )

    works: dict[str, tuple[Work, bool]] = {
        "before": (before, False),
        "folded": (folded.features, False),
        "folded, memory kept": (folded.features, True),
    }
    with torch.inference_mode():
        shown, found = images(48, 128), in_turn(works, images(48, 128), rounds)
        other = torch.from_numpy(ndimage.gaussian_filter(shown.numpy(), (0, 0, 1, 1)))
        sides = [(found["before"], before(other)), (found["folded"], folded.features(other))]
    gap = (sides[0][0] - sides[1][0]).abs().max()
    one, two = (frechet_distance(gaussian(a.numpy()), gaussian(b.numpy())) for a, b in sides)
    print(f"  largest deviation of a feature {gap:.1e} (largest feature {sides[0][0].abs().max():.1f})")
    print(f"  Fréchet distance {one:.9f} and {two:.9f}: relative deviation {abs(two / one - 1):.1e}")


def _plain(network: FeatureNetwork, shown: Tensor) -> Tensor:
    resized = torch.nn.functional.interpolate(
        shown.float() / 255.0, (224, 224), mode="bilinear", align_corners=False, antialias=True
    )
    return network.network(resized)


def judge(px: int, count: int, rounds: int) -> None:
    """fcn-lite0 with random head and random running statistics, at `px`."""
    print(f"judge fcn-lite0 at {px} px")
    torch.manual_seed(0)
    plain = FCNLite0(19).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    folded = plain.folded().to(memory_format=torch.channels_last)

    def by(network: torch.nn.Module, at_once: int | None = None) -> Work:
        def work(shown: Tensor) -> Tensor:
            parts = in_batches(shown, shown.shape[-2:]) if at_once is None else torch.split(shown, at_once)
            return torch.cat([segment(network, part, "cpu") for part in parts])

        return work

    works = {
        "before": (by(plain), False),
        "folded": (by(folded), False),
        "folded, memory kept": (by(folded), True),
        "folded, memory kept, 16 at once": (by(folded, CHUNK), True),
    }
    with torch.inference_mode():
        found = in_turn(works, images(count, px), rounds)
    differ = int((found["before"] != found["folded, memory kept, 16 at once"]).sum())
    print(f"  {differ} of {found['before'].numel()} labels differ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    features(rounds)
    judge(128, 32, rounds)
    judge(256, 32, rounds)


if __name__ == "__main__":
    main()

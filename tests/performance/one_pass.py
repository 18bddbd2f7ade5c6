"""One pass of ours against the three tools it replaces, side by side: seconds, values, peak memory.

    python tests/performance/one_pass.py --n 500 --threads 2 --rounds 2
    python tests/performance/one_pass.py --memory 500,5000 --threads 2

Ours is `one_pass.score` for fid, kid and ssim. The others are pytorch-fid, torch-fidelity's KID and
scikit-image's SSIM in a loop, each as its documentation has it. All read the same PNG files (made here),
load the same random Inception in the released format, and start without any cache. Rounds are interleaved,
each measurement in a process of its own; imports are not counted. Seconds of CPU are the fairer figure on a
machine that others use. `--images DIR` takes real pairs: two folders
`target/` and `prediction/` of files with equal names.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does for the tests

from inception_file import write_inception

OURS, ORIGINALS = "one pass", ("pytorch-fid", "torch-fidelity", "scikit-image")
BATCH = 16


def make_images(folder: Path, n: int, size: int) -> None:
    """`target/` and `prediction/` with n PNG files each: soft blobs with noise, predictions blurrier."""
    for part in ("target", "prediction"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for index in range(n):
        rng = np.random.default_rng(index)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)
        for part, grain in (("target", 12.0), ("prediction", 5.0)):
            noisy = np.clip(smooth + rng.normal(0, grain, smooth.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / part / f"{index:05d}.png", compress_level=1)


def one_pass(folder: Path, weights: Path, metrics: str) -> dict[str, float]:
    """The metrics by `bench score`'s own path, from files to values."""
    from bench.data.cache import FileHashes
    from bench.scoring.metrics.base import ScoringContext
    from bench.scoring.one_pass import score
    from bench.stages.imported.gather import ForeignRequest, gather

    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        cache = Path(name)
        request = ForeignRequest((folder / "prediction",), target=folder / "target")
        images = gather(request, FileHashes(cache / "hashes.json"))
        context = ScoringContext(
            images.card, images.size_px, "photo", "run", "cpu", cache, images.test(cache),
            inception_weights=weights,
        )  # fmt: skip
        keys = metrics.split(",")
        output, _ = score(images.prediction(0), context, keys, lambda done, remark: None)
    return {result.name: float(result.value) for result in output.results if result.value is not None}


def pytorch_fid(folder: Path, weights: Path, _: str) -> dict[str, float]:
    from pytorch_fid import fid_score, inception

    inception.load_state_dict_from_url = lambda *_, **__: _pytorch_fid_state(weights)
    model = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    sides = [
        fid_score.calculate_activation_statistics(
            sorted((folder / part).iterdir()), model, BATCH, num_workers=0
        )
        for part in ("prediction", "target")
    ]
    return {"fid": float(fid_score.calculate_frechet_distance(*sides[0], *sides[1]))}


def _pytorch_fid_state(weights: Path) -> dict[str, torch.Tensor]:
    """The released weights carry the same names in both packages."""
    state: dict[str, torch.Tensor] = torch.load(weights, weights_only=True)
    return state


def torch_fidelity(folder: Path, weights: Path, _: str) -> dict[str, float]:
    from torch_fidelity import calculate_metrics

    n = len(list((folder / "target").iterdir()))
    found = calculate_metrics(
        input1=str(folder / "prediction"), input2=str(folder / "target"), kid=True, cuda=False, cache=False,
        kid_subset_size=min(1000, n), batch_size=BATCH, verbose=False, save_cpu_ram=True,
        feature_extractor_weights_path=str(weights),
    )  # fmt: skip
    return {"kid": float(found["kernel_inception_distance_mean"])}


def scikit_image(folder: Path, weights: Path, _: str) -> dict[str, float]:
    from skimage.metrics import structural_similarity

    values = []
    for path in sorted((folder / "prediction").iterdir()):
        a, b = (np.asarray(Image.open(folder / part / path.name)) for part in ("prediction", "target"))
        settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        values.append(structural_similarity(a, b, data_range=255, channel_axis=-1, **settings))
    return {"ssim": float(np.mean(values))}


TOOLS = {
    OURS: one_pass,
    "pytorch-fid": pytorch_fid,
    "torch-fidelity": torch_fidelity,
    "scikit-image": scikit_image,
}


def measure(
    tool: str, folder: Path, weights: Path, threads: int, metrics: str = "fid,kid,ssim"
) -> dict[str, Any]:
    """Run one tool in a process of its own: {"seconds", "cpu_seconds", "values", "peak_mb"}."""
    command = [sys.executable, __file__, "--tool", tool, "--work", str(folder), str(weights)]
    command += ["--threads", str(threads), "--metrics", metrics]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{tool} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _run_tool(tool: str, folder: Path, weights: Path, threads: int, metrics: str) -> None:
    """In the child: imports first, then the clock."""
    import pytorch_fid.fid_score  # noqa: F401
    import skimage.metrics  # noqa: F401
    import torch_fidelity  # noqa: F401

    torch.set_num_threads(threads)
    started = time.perf_counter()
    before = time.process_time()
    values = TOOLS[tool](folder, weights, metrics)
    found = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - before}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux
    print(json.dumps({**found, "values": values, "peak_mb": peak}))


def compare(folder: Path, weights: Path, threads: int, rounds: int) -> None:
    """Interleaved rounds, medians, and the ratio."""
    found: dict[str, list[dict[str, Any]]] = {tool: [] for tool in TOOLS}
    for _ in range(rounds):
        for tool in TOOLS:
            found[tool].append(measure(tool, folder, weights, threads))
            last = found[tool][-1]
            took = f"{last['seconds']:8.1f} s {last['cpu_seconds']:8.1f} s of CPU {last['peak_mb']:6.0f} MB"
            print(f"{tool:15} {took}  {last['values']}", flush=True)
    for key, said in (("seconds", "seconds"), ("cpu_seconds", "seconds of CPU")):
        median = {tool: float(np.median([one[key] for one in runs])) for tool, runs in found.items()}
        others = sum(median[tool] for tool in ORIGINALS)
        ratio = others / median[OURS]
        print(f"{said}: {OURS} {median[OURS]:.1f}, the three tools {others:.1f}: {ratio:.2f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=60, help="images of each side")
    parser.add_argument("--size", type=int, default=256, help="side in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--images", type=Path, help="folder with target/ and prediction/")
    parser.add_argument("--memory", help="numbers of images: only the peak memory of one pass at each")
    parser.add_argument("--metrics", default="fid,kid,ssim", help="of the one pass, with --memory")
    parser.add_argument("--tool", choices=TOOLS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tool:
        _run_tool(options.tool, *options.work, options.threads, options.metrics)
        return
    with tempfile.TemporaryDirectory(prefix="one-pass-") as name:
        weights = Path(name) / "inception.pth"
        write_inception(weights)
        if options.memory:
            for n in map(int, options.memory.split(",")):
                folder = Path(name) / f"n{n}"
                make_images(folder, n, options.size)
                last = measure(OURS, folder, weights, options.threads, options.metrics)
                print(f"N = {n}: {last['peak_mb']:.0f} MB at most, {last['seconds']:.0f} s", flush=True)
            return
        folder = options.images or Path(name) / "images"
        if not options.images:
            make_images(folder, options.n, options.size)
        compare(folder, weights, options.threads, options.rounds)


if __name__ == "__main__":
    main()

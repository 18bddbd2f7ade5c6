"""What the judge of the FCN score makes of blur: real test photos, blurred step by step.

    python tests/performance/judge_on_blur.py --data-root DIR --dataset cityscapes --size 128

A judge that reads blurred photos nearly as well as sharp ones cannot punish a variant for blur: this says how
far the FCN score is a measure of sharpness at all. The judge is the one of `bench run` with these settings;
it is taken from the cache where it is there, else trained.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.filters import gaussian

from bench.core.progress import Reporter
from bench.core.resources import cache_dir
from bench.data.datasets import open_dataset
from bench.data.types import SplitArrays
from bench.run.data_in_use import Workbench
from bench.scoring.one_pass import score
from bench.spec.grid import data_roots
from bench.spec.pairs_used import data_spec
from bench.spec.scoring_choice import ScoringChoice

KEYS = ("fcn_pixel_acc", "fcn_class_acc", "fcn_class_iou", "fd_lite0", "hf_ratio", "ssim")


def blurred(test: SplitArrays, sigma: float, index: int) -> NDArray[np.uint8]:
    """The target under a Gaussian of `sigma` pixels, (H, W, 3) uint8."""
    image = test.target[index]
    if sigma == 0:
        return np.asarray(image)
    smooth = gaussian(image.astype(np.float64), sigma, channel_axis=2, preserve_range=True)
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--dataset", default="cityscapes")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--judge", default="auto")
    parser.add_argument("--sigmas", default="0,0.5,1,1.5,2,3,4", help="in pixels of the image")
    asked = parser.parse_args()
    roots = data_roots([str(asked.data_root)] if asked.data_root else [], [asked.dataset])
    dataset = open_dataset(asked.dataset, root=roots.get(asked.dataset))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("sigma (px)", *KEYS):
        table.add_column(head, justify="right")
    with Reporter() as reporter:
        choice = ScoringChoice(KEYS, asked.judge)
        bench = Workbench(dataset, data_spec(dataset, None, None), cache_dir(), "cpu", choice, reporter)
        context = bench.context(asked.size, "blurred")
        for sigma in map(float, asked.sigmas.split(",")):
            with reporter.task(f"sigma {sigma:g}", bench.spec.test_n) as advance:
                made, _ = score(partial(blurred, context.test, sigma), context, KEYS, advance)
            values = {result.name: result.value for result in made.results}
            table.add_row(f"{sigma:g}", *(f"{values[key]:.3f}" for key in KEYS))
    Console(width=120, highlight=False).print(table)


if __name__ == "__main__":
    main()

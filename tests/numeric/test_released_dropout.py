"""A generator that the released code has trained, with dropout on: the same distribution as its own test.py.

    PIX2PIX_BENCH_RELEASED=CHECKOUT PIX2PIX_BENCH_RELEASED_RUN=CHECKOUT/checkpoints/NAME \
        PIX2PIX_BENCH_RELEASED_PAIRS=FOLDER pytest tests/numeric/test_released_dropout.py -s

FOLDER holds side-by-side pairs in `test/`, as the run was trained on; the run is a U-Net with dropout.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from bench.cli.main import invoke
from bench.records.record import read_records

NAMES = ("PIX2PIX_BENCH_RELEASED", "PIX2PIX_BENCH_RELEASED_RUN", "PIX2PIX_BENCH_RELEASED_PAIRS")
CHECKOUT, RUN, PAIRS = (os.environ.get(name, "") for name in NAMES)
pytestmark = pytest.mark.skipif(
    not (CHECKOUT and RUN and PAIRS), reason=f"needs a run of the released code: {', '.join(NAMES)}"
)
IMAGES, SAMPLES, TIMES = 10, 5, 10  # test images; samples of each in a value of `diversity`; values of theirs


@pytest.fixture(scope="module")
def options() -> dict[str, str]:
    """What the run was trained with, from its train_opt.txt."""
    text = Path(RUN, "train_opt.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^ *(\w+): (\S+)", text, re.M))


@pytest.fixture(scope="module")
def pairs(options: dict[str, str]) -> list[Image.Image]:
    """At the run's size already, so that nothing resizes them."""
    files = sorted(Path(PAIRS, "test").iterdir())
    side = int(options["crop_size"])
    chosen = [files[place * len(files) // IMAGES] for place in range(IMAGES)]
    return [Image.open(file).convert("RGB").resize((2 * side, side)) for file in chosen]


@pytest.fixture(scope="module")
def theirs(
    options: dict[str, str], pairs: list[Image.Image], tmp_path_factory: pytest.TempPathFactory
) -> NDArray[np.float64]:
    """(TIMES * SAMPLES, IMAGES, H, W, 3): one run of test.py on copies of each image is as good as many."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "data" / "test").mkdir(parents=True)
    names = [[f"{image}-{time}" for image in range(IMAGES)] for time in range(TIMES * SAMPLES)]
    for line in names:
        for name, pair in zip(line, pairs, strict=True):
            pair.save(folder / "data" / "test" / f"{name}.png")
    (folder / "checkpoints" / "run").mkdir(parents=True)
    shutil.copy(Path(RUN, "latest_net_G.pth"), folder / "checkpoints" / "run")
    asked = {
        "dataroot": folder / "data", "checkpoints_dir": folder / "checkpoints", "name": "run",
        "results_dir": folder / "results", "model": "pix2pix", "dataset_mode": "aligned", "gpu_ids": "-1",
        "load_size": options["crop_size"], "num_test": 10**6,
        **{name: options[name] for name in ("crop_size", "direction", "netG", "ngf", "norm")},
    }  # fmt: skip
    words = [str(word) for name, value in asked.items() for word in (f"--{name}", value)]
    alone = [sys.executable, "-B", "test.py", *words]
    subprocess.run(alone, cwd=CHECKOUT, check=True, capture_output=True)
    made = folder / "results" / "run" / "test_latest" / "images"
    return np.array(
        [[np.asarray(Image.open(made / f"{name}_fake_B.png")) for name in line] for line in names], np.float64
    )


@pytest.fixture(scope="module")
def ours(
    options: dict[str, str], pairs: list[Image.Image], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    """Values of the row that the harness makes of the same weights."""
    folder = tmp_path_factory.mktemp("ours")
    for split in ("train", "test"):
        (folder / "pairs" / split).mkdir(parents=True)
        for number, pair in enumerate(pairs):
            pair.save(folder / "pairs" / split / f"{number}.png")
    command = ["run", "--dataset", "theirs", "--data-root", str(folder / "pairs"), "--layout", "pairs"]
    command += ["--model", f"r=released:{RUN}/latest_net_G.pth", "--direction", options["direction"]]
    command += ["--size", options["crop_size"], "--metrics", "diversity,mae", "--judge", "none"]
    assert invoke([*command, "--device", "cpu", "--out", str(folder / "out")]) == 0
    (record,) = [one for one in read_records(folder / "out") if one.label == "r"]
    return {key: float(result.value or 0) for key, result in record.results.items()}


def interval(values: list[float]) -> tuple[float, float]:
    """Where one more value lies with 95 %, if they are normal."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) * math.sqrt(1 + 1 / len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def test_diversity_is_that_of_their_test_py(theirs: NDArray[np.float64], ours: dict[str, float]) -> None:
    """`diversity` of five samples each, in repeated runs of theirs."""
    lots = theirs.reshape(TIMES, SAMPLES, *theirs.shape[1:])
    values = [float(lot.std(axis=0, ddof=1).mean()) for lot in lots]
    low, high = interval(values)
    print(f"diversity: theirs {np.mean(values):.4f} ({low:.4f} to {high:.4f}), ours {ours['diversity']:.4f}")
    assert low > 0
    assert low <= ours["diversity"] <= high


def test_outputs_are_as_far_from_the_targets(
    theirs: NDArray[np.float64],
    ours: dict[str, float],
    pairs: list[Image.Image],
    options: dict[str, str],
) -> None:
    """`mae` of one sample each, in repeated runs of theirs."""
    whole = np.array([np.asarray(pair) for pair in pairs], np.float64)
    side = int(options["crop_size"])
    target = whole[:, :, :side] if options["direction"] == "BtoA" else whole[:, :, side:]
    values = [float(np.abs(made - target).mean()) for made in theirs]
    low, high = interval(values)
    print(f"mae: theirs {np.mean(values):.4f} ({low:.4f} to {high:.4f}), ours {ours['mae']:.4f}")
    assert low <= ours["mae"] <= high

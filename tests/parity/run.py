"""Our trainer against the released code, from training to table: `make parity DATA=folder RELEASED=folder`.

    python tests/parity/run.py RELEASED --data-root DIR --out OUT [--seeds 0,1,2] [--jobs 2] [--ours FOLDER]

Trains `l1+cgan` and `l1` with the released code and with ours, then ours with the places of dropout of the
released code, and ours on images that were resized as it resizes them: so the table says which difference is
due to what. All are scored by the same judge. What is there already is kept: the same command goes on.
`--ours` takes a folder of our runs that are there already, such as reports/reference/cityscapes-128-8-epochs,
instead of training them; metrics whose judge has other weights there are then left out of that comparison.
OUT/parity has parity.md and parity.csv (`tests/parity/compare.py`). On a CPU: 7 to 20 minutes a run, 24 runs
(18 with `--ours`), one core each.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCORED = ["--judge", "auto", "--threads", "1"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("released", type=Path, help="folder of the released code")
    parser.add_argument("--data-root", type=Path, required=True, help="folder with cityscapes/ in it")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, choices=[128, 256])
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--device", default="cpu", help="of our runs and of scoring (default: cpu)")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once (default: 1)")
    parser.add_argument("--ours", type=Path, help="folder of our runs, instead of training them")
    return parser.parse_args()


def python(*words: object) -> None:
    """Run a Python script or module; ends this program where it fails."""
    done = subprocess.run([sys.executable, *map(str, words)])
    if done.returncode:
        raise SystemExit(done.returncode)


def train_released(asked: argparse.Namespace) -> list[tuple[str, Path]]:
    """The runs of the released code: name for the table, folder with its test images."""
    data, to = asked.data_root / "cityscapes", asked.out / "released"
    wanted, found, missing = len(list((data / "val").iterdir())), [], []
    for arm in ("l1+cgan", "l1"):
        for seed in asked.seeds.split(","):
            images = to / "results" / f"{arm}-s{seed}" / "val_latest" / "images"
            if len(list(images.glob("*_fake_B.png"))) < wanted:
                options = ["--epochs", asked.epochs, "--size", asked.size, "--filters", asked.filters]
                where = [asked.released, "--data", data, "--to", to]
                missing.append([HERE / "train_released.py", *where, "--arm", arm, "--seed", seed, *options])
            found.append((f"released {arm} s{seed}", images))
    with ThreadPoolExecutor(asked.jobs) as jobs:
        list(jobs.map(lambda words: python(*words), missing))
    return found


def train_ours(asked: argparse.Namespace) -> list[str]:
    """Our runs, as NAME=FOLDER for the table."""
    bench = ["-m", "bench", "run", "--size", asked.size, "--base-filters", asked.filters]
    bench += ["--epochs", asked.epochs, "--seeds", asked.seeds, "--device", asked.device]
    bench += ["--jobs", asked.jobs, *SCORED]
    cityscapes = ["--dataset", "cityscapes", "--data-root", asked.data_root]
    ours = {name: asked.out / name.replace(" ", "-") for name in ("ours", "ours with their dropout")}
    if asked.ours:
        ours["ours"] = asked.ours
    else:
        python(*bench, *cityscapes, "--variants", "l1+cgan,l1", "--out", ours["ours"])
    dropout = ["--variants", "l1+cgan,l1", "--set", "dropout_at=released"]
    python(*bench, *cityscapes, *dropout, "--out", ours["ours with their dropout"])
    pixels = asked.out / "resized"
    if not (pixels / "test").is_dir():
        resize = HERE / "resize_as_released.py"
        python(resize, asked.data_root / "cityscapes", "--to", pixels, "--size", asked.size)
    name = "ours on their pixels"
    ours[name] = asked.out / name.replace(" ", "-")
    here = ["--dataset", "resized", "--data-root", f"resized={pixels}", "--direction", "BtoA"]
    python(*bench, *here, "--variants", "l1+cgan,l1", "--out", ours[name])
    return [f"{name}={folder}" for name, folder in ours.items()]


def main() -> None:
    asked = arguments()
    if importlib.util.find_spec("dominate") is None:
        raise SystemExit("expected the package dominate, which the released code needs: pip install dominate")
    released, ours = train_released(asked), train_ours(asked)
    scores = asked.out / "scores"
    judged = ["--judge-dataset", "cityscapes", "--data-root", asked.data_root, *SCORED]
    names = ["--name", ",".join(name for name, _ in released), "--dataset", "cityscapes"]
    folders = [folder for _, folder in released]
    python("-m", "bench", "score", *folders, *names, *judged, "--device", asked.device, "--out", scores)
    pairs = [word for one in ours for word in ("--ours", one)]
    python(HERE / "compare.py", scores, *pairs, "--to", asked.out / "parity")


if __name__ == "__main__":
    main()

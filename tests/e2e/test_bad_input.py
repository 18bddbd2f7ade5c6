"""Wrong usage and bad input: one clear line, exit code 2, nothing written or lost."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cli.list import KINDS
from bench.cli.main import invoke

QUICK = ["--steps", "2", "--base-filters", "4", "--judge", "none", "--metrics", "ssim", "--device", "cpu"]


def refused(arguments: list[str], capfd: pytest.CaptureFixture[str], *words: str) -> None:
    """The command line is refused with exit code 2 and one line that holds `words`."""
    capfd.readouterr()
    assert invoke(arguments) == 2
    said = capfd.readouterr().err.strip().splitlines()
    facts = ("disk: ", "data: ", "mine: the aspect is changed")  # said of the data before anything is read
    lines = [line for line in said if not line.startswith(facts) and "--threads N chooses" not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("bench: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--variants", "l1+ccgan", "--dataset", "toycity"], ["l1+ccgan", "did you mean 'l1+cgan'"]),
        (["--variants", "l1/70", "--dataset", "toycity"], ["no discriminator"]),
        (["--variants", "l1", "--dataset", "toycitty"], ["toycitty", "toycity"]),
        (["--variants", "l1", "--dataset", "toycity", "--metrics", "sim"], ["did you mean 'ssim'"]),
        (["--variants", "l1", "--dataset", "toycity", "--judge", "fcn-smal"], ["did you mean 'fcn-small'"]),
        (["--suite", "los", "--dataset", "toycity"], ["suite 'los'", "losses"]),
        (["--variants", "l1", "--dataset", "toycity", "--size", "16"], ["16", "32"]),
        (["--variants", "imagegan,l1+cgan/286", "--dataset", "toycity"], ["286", "64 px", "larger --size"]),
        (
            ["--variants", "l1", "--dataset", "toycity", "--data-root", "nowhere"],
            ["nowhere", "check the path"],
        ),
        (["--variants", "l1", "--dataset", "cityscapes"], ["cityscapes", "register"]),
        (["--variants", "l1", "--dataset", "toycity", "--seeds", "a"], ["--seeds"]),
        (["--variants", "l1", "--dataset", "toycity", "--set", "lambda=3"], ["lambda"]),
        (["--variants", "l1", "--dataset", "toycity", "--set", "dropout=1.5"], ["dropout"]),
        (["--variants", "l1", "--dataset", "toycity", "--steps", "0"], ["--steps"]),
        (["--variants", "l1", "--dataset", "toycity", "--precision", "tf32"], ["CUDA"]),
        (["--variants", "l1", "--dataset", "toycity", "--set", "precision=fp32,tf32"], ["CUDA"]),
        (["--variants", "l1", "--dataset", "toycity", "--base-filters", "100000"], ["512"]),
        (["--variants", "l1", "--dataset", "somewhere"], ["--data-root somewhere=DIR"]),
        (["--variants", "l1", "--dataset", "toycity", "--inception-weights", "none.pth"], ["none.pth"]),
        (["--variants", "l1", "--dataset", "toycity", "--variant-file", "none.toml"], ["none.toml"]),
        (["--variants", "l1", "--dataset", "toycity", "--direction", "photo2depth"], ["photo2depth"]),
        (["--dataset", "toycity"], ["--variants", "--suite"]),
        (["--variants", "l1"], ["--dataset"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_refused_before_anything_is_written(
    arguments: list[str], words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    device = ["--device", "cpu"] if any("tf32" in argument for argument in arguments) else []
    refused(["run", *arguments, *device, "--out", str(out)], capfd, *words)
    assert not out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_asked_for_and_absent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--variants", "l1", "--dataset", "toycity", "--out", str(tmp_path / "out")]
    refused([*arguments, "--device", "cuda"], capfd, "cuda", "--device cpu")
    refused([*arguments, "--device", "tpu"], capfd, "tpu", "cuda")
    assert not (tmp_path / "out").exists()


def _truncate(root: Path) -> str:
    path = root / "test" / "2.png"
    path.write_bytes(path.read_bytes()[:-300])
    return "2.png"


def _empty(root: Path) -> str:
    (root / "train" / "3.png").write_bytes(b"")
    return "3.png"


def _wrong_size(root: Path) -> str:
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(root / "train" / "1.png")
    return "1.png"


def _wrong_mode(root: Path) -> str:
    transparent = Image.open(root / "test" / "1.png").convert("RGBA")
    transparent.putalpha(100)
    transparent.save(root / "test" / "1.png")
    return "1.png"


def _missing_split(root: Path) -> str:
    for path in (root / "test").iterdir():
        path.unlink()
    (root / "test").rmdir()
    return "test"


def _empty_split(root: Path) -> str:
    for path in (root / "train").iterdir():
        path.unlink()
    return "train"


@pytest.mark.parametrize("spoil", [_truncate, _empty, _wrong_size, _wrong_mode, _missing_split, _empty_split])
def test_bad_images_are_named(
    spoil: Callable[[Path], str], tmp_path: Path, cache: Path, write_pairs, capfd: pytest.CaptureFixture[str]
) -> None:  # type: ignore[no-untyped-def]
    root, out = tmp_path / "mine", tmp_path / "out"
    write_pairs(root, {"train": 4, "test": 2})
    named = spoil(root)
    arguments = ["run", "--variants", "l1", "--dataset", "mine", "--data-root", str(root), "--size", "32"]
    refused([*arguments, *QUICK, "--out", str(out)], capfd, named)
    assert not out.exists()


def test_a_half_that_is_missing_is_named(
    tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "mine"
    for split in ("train", "test"):
        for side in ("source", "target"):
            (root / split / side).mkdir(parents=True)
            for name in "ab":
                Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(root / split / side / f"{name}.png")
    (root / "test" / "target" / "b.png").unlink()
    arguments = ["run", "--variants", "l1", "--dataset", "mine", "--data-root", str(root), "--size", "32"]
    refused([*arguments, *QUICK, "--out", str(tmp_path / "out")], capfd, "b.png")


def test_labels_outside_the_classes(tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "facades"
    root.mkdir()
    for number in range(10):
        Image.fromarray(np.full((32, 32, 3), 9 * number, np.uint8)).save(root / f"cmp_b{number:04d}.jpg")
        labels = Image.fromarray(np.full((32, 32), 1 if number else 77, np.uint8))
        labels.save(root / f"cmp_b{number:04d}.png")
    arguments = ["run", "--variants", "l1", "--dataset", "facades", "--data-root", str(root), "--size", "32"]
    refused([*arguments, *QUICK, "--out", str(tmp_path / "out")], capfd, "cmp_b0000.png", "77")


def test_output_that_cannot_be_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["run", "--variants", "l1", "--dataset", "toycity", *QUICK]
    (tmp_path / "file").write_text("kept")
    refused([*arguments, "--out", str(tmp_path / "file")], capfd, "file", "another --out")
    refused([*arguments, "--out", str(tmp_path / "file" / "below")], capfd, "another --out")
    refused([*arguments, "--out", "/proc/bench"], capfd, "/proc", "another --out")
    assert (tmp_path / "file").read_text() == "kept"


def test_no_room_at_the_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import collections

    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(
        "bench.records.output_folder.shutil.disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000)
    )
    arguments = ["run", "--variants", "l1", "--dataset", "toycity", *QUICK, "--out", str(tmp_path / "out")]
    refused(arguments, capfd, "MB free", "found 0 MB")
    assert not (tmp_path / "out").exists()


def test_record_of_an_unknown_schema(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    records = tmp_path / "out" / "records"
    records.mkdir(parents=True)
    record = records / "a.json"
    record.write_text(json.dumps({"schema_version": 99, "id": "a"}))
    refused(["report", str(tmp_path / "out")], capfd, "schema 1", "99", "a.json")
    assert not (tmp_path / "out" / "report").exists()
    record.write_text("{")
    refused(["report", str(tmp_path / "out")], capfd, "a.json")
    refused(["report", str(tmp_path / "none")], capfd, "found none")
    refused(["score", str(tmp_path / "none")], capfd, "found none")
    refused(["check", str(tmp_path / "none"), "--baseline", "x.json"], capfd, "found none")


def test_a_damaged_record_stops_a_grid_before_it_starts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    grid = ["run", "--variants", "l1", "--dataset", "toycity", "--size", "32", "--train-limit", "4"]
    grid += ["--test-limit", "2", *QUICK, "--out", str(out)]
    assert invoke(grid) == 0
    (record,) = (out / "records").glob("toycity-l1-s0-*.json")
    text = record.read_text()
    record.write_text(text[:-40])
    refused(grid, capfd, record.name, "delete it and run again")
    record.unlink()
    assert invoke(grid) == 0


def test_checkpoints_and_images_for_generate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.safetensors").write_bytes(b"no weights")
    (tmp_path / "images").mkdir()
    arguments = ["generate", "--images", str(tmp_path / "images"), "--to", str(tmp_path / "to")]
    refused([*arguments, "--checkpoint", str(tmp_path / "c.safetensors")], capfd, "c.safetensors")
    refused([*arguments, "--checkpoint", str(tmp_path / "none")], capfd, "none")
    refused(["generate"], capfd, "--checkpoint")


def test_plugins_that_fail_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.py").write_text("1 / 0")
    refused(["--plugin", str(tmp_path / "p.py"), "list", "metrics"], capfd, "p.py", "ZeroDivisionError")
    refused(["--plugin", str(tmp_path / "none.py"), "list", "metrics"], capfd, "none.py")


def test_plugin_metric_and_variant_are_used(tmp_path: Path) -> None:
    """In a process of its own: a plug-in stays registered as long as the process lives."""
    (tmp_path / "p.py").write_text(
        """
from baselines.variants import Variant
from bench.scoring.metrics.base import MetricOutput
from bench.core.plugins import register
from bench.records.record import MetricResult

class Mean:
    keys = ("mean_grey",)
    def __init__(self, context):
        self.total, self.n = 0.0, 0
    def update(self, batch):
        self.total += float(batch.prediction.mean(axis=(1, 2, 3)).sum())
        self.n += len(batch.names)
    def compute(self):
        return MetricOutput([MetricResult("mean_grey", self.total / self.n, 128.0, self.n, {"version": 1})])

register("metrics", "mean_grey", Mean)
register("variants", "soft", Variant("soft", adversarial="cgan", lambda_l1=5.0))
"""
    )
    command = ["--plugin", str(tmp_path / "p.py"), "run", "--variants", "soft", "--dataset", "toycity"]
    small = ["--size", "32", "--train-limit", "4", "--test-limit", "2", "--steps", "2", "--base-filters", "4"]
    scored = [
        "--judge",
        "none",
        "--metrics",
        "mean_grey,ssim",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *command, *small, *scored],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    (record,) = [json.loads(p.read_text()) for p in (tmp_path / "o" / "records").glob("toycity-soft-*.json")]
    assert 0 < record["results"]["mean_grey"]["value"] < 255
    assert "mean_grey" in (tmp_path / "o" / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        (["--help"], 0.4),
        (["run", "--help"], 0.4),
        (["list"], 1.0),
        *((["list", kind], 1.0) for kind in KINDS),
    ],
)
def test_help_and_lists_are_there_at_once(arguments: list[str], limit: float) -> None:
    """They import no torch, and the best of five takes less CPU than the time that is promised."""
    code = (
        "import sys; from bench.cli.main import invoke; "
        f"assert invoke({arguments!r}) == 0; "
        "heavy = {'torch', 'pandas', 'scipy', 'skimage', 'matplotlib'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    seconds = []
    while len(seconds) < 5 and min(seconds, default=limit) >= limit:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < limit

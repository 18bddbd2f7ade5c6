"""What is checked and measured of whole runs on a GPU: the `bench` command, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

from bed import Bed, Part, Row, Rows

from bench.records.record import RunRecord, read_records

TINY = ["--size", "32", "--base-filters", "4", "--steps", "5", "--train-limit", "60", "--test-limit", "12"]
INTERRUPTED = (143, -signal.SIGTERM)  # by its own word, and where it had nothing to save
TARGET_IMAGES = 500  # the target is for so many
METRICS = ("ssim", "mae", "hf_ratio", "fd_lite0")


def _bench(bed: Bed, *arguments: str) -> tuple[int, float]:
    """Exit code and seconds; when time is up it is asked to save its state and leave.

    It uses all cores, regardless of what `make` sets for the tests.
    """
    began = time.monotonic()
    limits = () if bed.dry else ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    free = {name: value for name, value in os.environ.items() if name not in limits}
    running = subprocess.Popen([sys.executable, "-m", "bench", *arguments], stdout=sys.stderr, env=free)
    try:
        code = running.wait(max(1.0, bed.deadline - began))
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGTERM)
        code = running.wait()
    return code, time.monotonic() - began


def _ended(what: str, code: int, target: str) -> Row:
    """The row of a command that did not do its work: for want of time, or because it failed."""
    if code in INTERRUPTED:
        return Row(what, "the same command goes on", target, unfinished=True)
    return Row(what, f"failed with exit code {code}", target, False)


def _runs(out: Path) -> list[RunRecord]:
    if not (out / "records").is_dir():
        return []
    return [record for record in read_records(out) if record.kind == "run" and record.status == "finished"]


def evaluation(bed: Bed) -> Iterator[Part]:
    """500 test images by every metric there is, once networks are loaded and the judge is trained."""
    yield Part("evaluation", 150, lambda _: _evaluation(bed))


def _evaluation(bed: Bed) -> Iterator[Row]:
    out, data, roots = bed.out / "evaluation", "toycity", []
    if bed.data_root is not None:
        data, roots = "cityscapes", ["--data-root", str(bed.data_root)]
    run = ["run", "--variants", "l1", "--dataset", data, *roots, "--out", str(out), "--device", bed.name]
    code, _ = _bench(bed, *run, *(TINY if bed.dry else ["--steps", "5", "--size", "256"]))
    if code == 0:
        code, _ = _bench(bed, "score", str(out), *roots, "--device", bed.name)
    if code != 0:
        yield _ended("evaluation", code, "30 s")
        return
    (record,) = _runs(out)
    count, seconds = record.spec["data"]["test_n"], record.timings["score"]
    missing = [name for name, result in record.results.items() if result.value is None]
    found = f"{seconds:.1f} s for {count} images, generated in {record.timings['generate']:.1f} s"
    without = f"; without {', '.join(missing)}" if missing else ""
    ok = bed.met(seconds <= 30) if count == TARGET_IMAGES else None
    yield Row(data, found + without, f"30 s for {TARGET_IMAGES}", ok, dict(record.timings))


def quality(bed: Bed) -> Iterator[Part]:
    """Final metrics by engine and precision over three seeds, on toycity: apart by no more than noise."""
    kinds = ["eager/default"] if bed.dry else ["eager/default", "captured/default", "captured/bf16"]

    def train(kind: str, before: Rows) -> Iterator[Row]:
        engine, _, precision = kind.partition("/")
        out = bed.out / f"quality-{engine}-{precision}"
        run = ["run", "--variants", "l1+cgan", "--dataset", "toycity", "--seeds", "0-2", "--device", bed.name]
        run += ["--engine", engine, "--precision", precision, "--metrics", ",".join(METRICS)]
        code, _ = _bench(bed, *run, *(TINY if bed.dry else ["--size", "64"]), "--out", str(out))
        if code != 0:
            yield _ended(kind, code, "trains")
            return
        basis = {row.what: row.numbers["values"] for row in before if "values" in row.numbers}
        for metric in METRICS:
            values = [float(run.results[metric].value or 0.0) for run in _runs(out)]
            other = basis.get(f"{metric}: {kinds[0]}", values)
            noise = ((stdev(values) ** 2 + stdev(other) ** 2) / len(values)) ** 0.5
            apart = abs(fmean(values) - fmean(other))
            words = f"{fmean(values):.4g} ± {stdev(values):.2g}, {apart:.2g} ± {noise:.2g} from {kinds[0]}"
            ok = bed.met(apart <= 3 * noise)
            yield Row(f"{metric}: {kind}", words, "within 3 standard errors", ok, {"values": values})

    for kind in kinds:
        yield Part(kind, 90, partial(train, kind))


def suite(bed: Bed) -> Iterator[Part]:
    """The losses suite on Cityscapes, 5 epochs, 3 seeds; goes on where the last command left off."""
    if bed.data_root is None and not bed.dry:
        row = Row("losses suite", "not run: give the folder of the Cityscapes pairs by --data-root", "12 min")
        yield Part("none", 0, lambda _: [row])
        return
    yield Part("suite", 120, lambda _: _suite(bed))


def _suite(bed: Bed) -> Iterator[Row]:
    out, clock = bed.out / "suite", bed.out / "suite.json"
    asked = ["--dataset", "toycity", *TINY, "--metrics", "ssim"]
    if not bed.dry:
        asked = ["--dataset", "cityscapes", "--data-root", str(bed.data_root), "--epochs", "5"]
        asked += ["--seeds", "0-2", "--jobs", "4"]
    code, seconds = _bench(bed, "run", "--suite", "losses", *asked, "--device", bed.name, "--out", str(out))
    spent = seconds + (json.loads(clock.read_text()) if clock.is_file() else 0.0)
    clock.write_text(json.dumps(spent))
    if code != 0:
        yield _ended(f"losses suite, {len(_runs(out))} runs in {spent / 60:.1f} min", code, "12 min")
        return
    found = f"{len(_runs(out))} runs, scored and reported, in {spent / 60:.1f} min"
    yield Row("losses suite", found, "12 min", bed.met(spent <= 720), {"seconds": spent})

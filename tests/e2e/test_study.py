"""A study of 10,000 runs that do nothing: what the driver, the report and the gate cost.

Every run leaves a record and a table of values by image as large as those of a real run, copied from one.
`BENCH_STUDY_RUNS=1000 make test-slow` makes a smaller one. The figures are printed (`pytest -s`).
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.main import invoke
from bench.core.progress import Reporter
from bench.launch.driver import run_grid
from bench.launch.jobs import Advanced, Ended, Job, Launch, Observer
from bench.launch.run_job import Runners
from bench.records.record import RunRecord, per_image_path, read_records, write_record
from bench.spec.grid import GridRequest, resolve
from bench.spec.scoring_choice import ScoringChoice

RUNS = int(os.environ.get("BENCH_STUDY_RUNS", 10_000))
SMALL = ["--size", "32", "--base-filters", "4", "--train-limit", "40", "--test-limit", "20", "--steps", "100"]
CHOICE = ScoringChoice(metrics=("ssim", "psnr", "hf_ratio", "lab_l", "pixel_acc@5"), judge="none")


class NoWork:
    """A launcher whose runs are finished at once: each leaves a copy of the pattern as its record."""

    def __init__(self, pattern: RunRecord, folder: Path) -> None:
        self.pattern, self.table = pattern, per_image_path(folder, pattern.id)
        self.memory: list[float] = []

    def run(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        for number, job in enumerate(jobs):
            notify(Advanced(job.id, "train", job.spec.training.steps, job.spec.training.steps))
            result = self.pattern.results["ssim"]
            nudged = {**self.pattern.results, "ssim": replace(result, value=result.value + number * 1e-6)}
            record = replace(
                self.pattern, id=job.id, label=job.spec.label, spec=job.spec.to_dict(), results=nudged
            )
            shutil.copyfile(self.table, per_image_path(job.launch.out, job.id))
            write_record(job.launch.out, record)
            notify(Ended(job.id, "finished", "done"))
            if number % 100 == 99:
                self.memory.append(megabytes())


def megabytes() -> float:
    """Resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def timed(command: Sequence[str]) -> tuple[int, float, float]:
    """Exit code, seconds and peak MB of a `bench` command."""
    code = (
        "import sys; from bench.cli.main import invoke; code = invoke(sys.argv[1:]);"
        "lines = open('/proc/self/status').read().splitlines();"  # getrusage would count the parent's
        "print(next(line for line in lines if line.startswith('VmHWM')).split()[1], file=sys.stderr);"
        "sys.exit(code)"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    return done.returncode, time.perf_counter() - started, int(done.stderr.split()[-1]) / 1e3


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_runs(tmp_path: Path) -> None:
    real, out = tmp_path / "real", tmp_path / "out"
    metrics = ",".join(CHOICE.metrics)
    run = ["run", "--dataset", "toycity", "--variants", "l1", *SMALL, "--metrics", metrics]
    assert invoke([*run, "--judge", "none", "--device", "cpu", "--out", str(real)]) == 0
    pattern = next(record for record in read_records(real) if record.kind == "run")

    weights = ",".join(str(value) for value in range(1, max(2, RUNS // 1000) + 1))  # of each, two variants
    asked = GridRequest(
        variants=("l1", "l1+cgan"), datasets=("toycity",), sets=(f"lambda_l1={weights}",),
        seeds=tuple(range(RUNS // 2 // max(2, RUNS // 1000))), size_px=32, base_filters=4, steps=100,
        train_limit=40, test_limit=20,
    )  # fmt: skip
    started = time.perf_counter()
    plans = resolve(asked)
    figures = {"resolve": time.perf_counter() - started}
    count = len(plans[0].runs)

    def study() -> NoWork:
        launcher = NoWork(pattern, real)
        with open(os.devnull, "w") as nowhere, Reporter() as reporter:
            reporter.console.file = nowhere
            launch = Launch(out, "cpu", CHOICE, "bench run (study)")
            ended = run_grid(plans, launch, reporter, launcher)
        assert len(ended) == count + 3
        assert all(outcome.is_done for outcome in ended)
        return launcher

    started = time.perf_counter()
    launcher = study()
    figures["run"] = time.perf_counter() - started
    started = time.perf_counter()
    assert study().memory == [], "what is finished is skipped"
    figures["skip"] = time.perf_counter() - started
    growth = launcher.memory[-1] - launcher.memory[len(launcher.memory) // 10]
    disk = sum(path.stat().st_size for path in (out / "records").iterdir()) / count / 1e3
    print(
        f"\n{count} runs: {figures['run'] / count * 1e3:.1f} ms a run, {disk:.0f} kB a run in records/, "
        f"driver at {launcher.memory[-1]:.0f} MB ({growth:+.1f} MB over the last nine tenths); "
        f"resolved in {figures['resolve']:.1f} s, skipped in {figures['skip']:.1f} s",
        flush=True,
    )
    assert figures["run"] / count < 0.05
    assert growth < 20 + 2e-3 * count

    gate = tmp_path / "gate.json"
    for name, command in {
        "report": ["report", str(out), "--to", str(tmp_path / "report")],
        "baseline": ["baseline", str(out), str(gate)],
        "check": ["check", str(out), "--baseline", str(gate)],
    }.items():
        code, seconds, peak = timed(command)
        print(f"bench {name}: {seconds:.1f} s, {peak:.0f} MB at most", flush=True)
        assert code == 0, name
        assert seconds < 600, name

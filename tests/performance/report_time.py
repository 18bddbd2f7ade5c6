"""How long a report of many records takes: seconds of wall and CPU, size of the page, peak memory.

    python tests/performance/report_time.py [--shapes 5x200,50x20,250x4,1000x1]

A shape is variants x seeds. Records are copies of real ones (by default the reference results of this
project: 500 test images, 16 metrics), with another learning rate for each variant, another seed, and values
a little apart; written to a temporary folder. Each report is made in a process of its own, imports included.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np

from bench.records.record import RunRecord, read_per_image, read_records, write_record

REFERENCE = Path(__file__).parents[2] / "reports" / "reference" / "cityscapes-64-generators"


def write_copies(source: Path, out: Path, variants: int, seeds: int) -> None:
    """`variants` x `seeds` records in `out`, made from the finished runs of `source` in turn."""
    runs = [record for record in read_records(source) if record.kind == "run" and record.status == "finished"]
    by_label = {record.label: record for record in runs}
    tables = {label: read_per_image(source, record) for label, record in by_label.items()}
    for number, label in zip(range(variants), cycle(by_label), strict=False):
        for seed in range(seeds):
            record = _copy(by_label[label], number // len(by_label), seed, f"copy-{number:04d}-{seed:04d}")
            write_record(out, record, tables[label])


def _copy(record: RunRecord, setting: int, seed: int, name: str) -> RunRecord:
    shift = 1 + 0.01 * np.random.default_rng([setting, seed, *record.label.encode()]).normal()
    results = {
        key: replace(result, value=None if result.value is None else result.value * shift)
        for key, result in record.results.items()
    }
    training = {**record.spec["training"], "lr": 2e-4 * (1 + setting)}
    spec = {**record.spec, "id": name, "seed": seed, "training": training}
    return replace(record, id=name, spec=spec, results=results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--source", type=Path, default=REFERENCE)
    parser.add_argument("--shapes", default="5x200,50x20,250x4,1000x1")
    asked = parser.parse_args()
    print("| variants x seeds | wall | CPU | page | report.md | peak memory |\n|---|--:|--:|--:|--:|--:|")
    for shape in asked.shapes.split(","):
        variants, seeds = map(int, shape.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            out, report = Path(folder) / "out", Path(folder) / "report"
            write_copies(asked.source, out, variants, seeds)
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "bench", "report", str(out), "--to", str(report)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            page, text = ((report / name).stat().st_size / 1e6 for name in ("index.html", "report.md"))
            print(
                f"| {shape} | {wall:.1f} s | {cpu:.1f} s | {page:.1f} MB | {text:.2f} MB "
                f"| at most {after.ru_maxrss / 1e6:.2f} GB |",
                flush=True,
            )


if __name__ == "__main__":
    main()

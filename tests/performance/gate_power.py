"""How often the gate alarms when only the seeds changed, and which drops it catches, on real records.

    python tests/performance/gate_power.py OUT --label l1+cgan [--cases 1+1,2+2,3+3,5+1] [--trials 200]

From an output with many seeds of one label, some are the baseline and others the candidate, and both are
decided by the gate's own rule (all metrics, Holm, default tolerances): every disjoint choice of seeds, in
both directions, or `--trials` of them. One seed a side goes by a stored spread, that of all seeds but the
candidate. Drops are planted into the candidate's values by image: confusion counts move off the diagonal,
pseudo-values of a distance grow. For each of `--drops` choices the smallest drop that turns the planted
metric into a regression is found by bisection; their 95th percentile is the smallest that is caught 95 % of
the time. Choices from few seeds overlap: take the result as rough. `gate_simulated.py` goes on from here.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import stdev

import numpy as np
import pandas as pd

from bench.gate import decide as verdicts
from bench.gate.baseline import Baseline
from bench.gate.decide import row_verdicts
from bench.gate.noise import evidence
from bench.gate.outcome import Outcome
from bench.gate.rows import GateRow, Spread, rows_of
from bench.gate.tolerances import DEFAULT_TOLERANCES, Settings
from bench.records.record import read_records
from bench.scoring.metrics.catalogue import PSEUDO
from bench.scoring.metrics.confusion import ABSENT_IS_ZERO, ABSENT_LEFT_OUT, scores_from_confusion

STEPS = 7  # of bisection


def subset(row: GateRow, chosen: list[int]) -> GateRow:
    """The row with the seeds at these places."""
    metrics = {
        name: replace(entry, values=tuple(entry.values[i] for i in chosen))
        for name, entry in row.metrics.items()
    }
    seeds, tables = (tuple(held[i] for i in chosen) for held in (row.seeds, row.tables))
    return replace(row, seeds=seeds, metrics=metrics, tables=tables, galleries=())


def with_stored_spread(row: GateRow, whole: GateRow, others: list[int]) -> GateRow:
    """The row as a baseline that was trained with these seeds of `whole` once, and keeps their spread."""
    metrics = {
        name: replace(
            entry, kept_spread=Spread(stdev(whole.metrics[name].values[i] for i in others), len(others))
        )
        for name, entry in row.metrics.items()
    }
    return replace(row, metrics=metrics)


def choices(count: int, case: tuple[int, int]) -> list[tuple[list[int], list[int]]]:
    """All disjoint choices of (baseline, candidate) among so many seeds, in an order that repeats."""
    b, m = case
    found = [
        (list(before), list(after))
        for before in itertools.combinations(range(count), b)
        for after in itertools.combinations(sorted(set(range(count)) - set(before)), m)
    ]
    return [found[i] for i in np.random.default_rng(b + m).permutation(len(found))]


def decided(before: GateRow, after: GateRow, metrics: tuple[str, ...] = ()) -> Outcome:
    return row_verdicts(
        {"row": after}, {}, Baseline({"row": before}, DEFAULT_TOLERANCES), Settings(metrics=metrics)
    )


class Remembered:
    """The gate's `evidence`, found once for each pair of numbers: a planted drop changes one metric only."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int], object] = {}
        self.alive: list[object] = []  # so that no id is used twice

    def __call__(self, metric: str, before: GateRow, after: GateRow, **more: bool) -> object:
        pair = before.metrics[metric], after.metrics[metric]
        key = id(pair[0]), id(pair[1])
        if key not in self.found:
            self.found[key] = evidence(metric, before, after, **more)
            self.alive.append(pair)
        return self.found[key]


def distance_grown(row: GateRow, metric: str, drop: float) -> GateRow:
    """The row with a distance grown by the share `drop`."""
    column = f"{metric}{PSEUDO}"
    tables = tuple(table.assign(**{column: table[column] * (1 + drop)}) for table in row.tables)
    entry = row.metrics[metric]
    return _with(row, metric, tuple(value * (1 + drop) for value in entry.values), tables)


def iou_lowered(row: GateRow, metric: str, drop: float) -> GateRow:
    """The row with class IoU lowered by `drop`: counts move from the diagonal to the commonest class."""
    low, high = 0.0, 1.0
    wanted = row.metrics[metric].value - drop
    for _ in range(24):
        share = (low + high) / 2
        values, tables = _moved(row, metric, share)
        low, high = (share, high) if np.mean(values) > wanted else (low, share)
    return _with(row, metric, tuple(values), tables)


def _moved(row: GateRow, metric: str, share: float) -> tuple[list[float], tuple[pd.DataFrame, ...]]:
    values, tables = [], []
    for table, value in zip(row.tables, row.metrics[metric].values, strict=True):
        stack = np.stack(table["fcn_conf"].to_list()).astype(np.float64)
        classes = math.isqrt(stack.shape[1])
        cubes = stack.reshape(len(stack), classes, -1)
        whole = cubes.sum(0)
        policy = next(
            p
            for p in (ABSENT_IS_ZERO, ABSENT_LEFT_OUT)
            if abs(float(scores_from_confusion(whole, p)[2]) - value) < 1e-6
        )
        common = int(whole.sum(1).argmax())
        index = np.array([i for i in range(classes) if i != common])
        taken = share * cubes[:, index, index]
        cubes = cubes.copy()
        cubes[:, index, index] -= taken
        cubes[:, index, common] += taken
        tables.append(table.assign(fcn_conf=list(cubes.reshape(len(stack), -1))))
        values.append(float(scores_from_confusion(cubes.sum(0), policy)[2]))
    return values, tuple(tables)


def _with(row: GateRow, metric: str, values: tuple[float, ...], tables: tuple[pd.DataFrame, ...]) -> GateRow:
    metrics = {**row.metrics, metric: replace(row.metrics[metric], values=values)}
    return replace(row, metrics=metrics, tables=tables)


def smallest_caught(
    before: GateRow, after: GateRow, metric: str, plant: Callable[[GateRow, str, float], GateRow],
    most: float, metrics: tuple[str, ...],
) -> float:  # fmt: skip
    """The smallest planted drop that makes the metric a regression; infinity beyond `most`."""

    def caught(drop: float) -> bool:
        found = decided(before, plant(after, metric, drop), metrics)
        return any(v.metric == metric and v.state == "regressed" for v in found.verdicts)

    if not caught(most):
        return math.inf
    low, high = 0.0, most
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if caught(middle) else (middle, high)
    return high


PLANTS: dict[str, tuple[Callable[[GateRow, str, float], GateRow], float, str]] = {
    "fcn_class_iou": (iou_lowered, 0.8, "{:.3f}"),  # of the value
    "fd_lite0": (distance_grown, 2.0, "{:.0%}"),
}


def line(row: GateRow, case: tuple[int, int], metrics: tuple[str, ...], trials: int, drops: int) -> str:
    """A line of the table."""
    alarms, smallest = 0, {name: [] for name in PLANTS}
    drawn = choices(len(row.seeds), case)[:trials]
    for trial, (first, second) in enumerate(drawn):
        before, after = subset(row, first), subset(row, second)
        if case == (1, 1):
            before = with_stored_spread(before, row, sorted(set(range(len(row.seeds))) - set(second)))
        alarms += decided(before, after, metrics).exit_code == 1
        if trial < drops:
            for name, (plant, most, _) in PLANTS.items():
                top = most * after.metrics[name].value if name == "fcn_class_iou" else most
                smallest[name].append(smallest_caught(before, after, name, plant, top, metrics))
    sides = f"{case[0]} + {case[1]}" + (" (stored spread)" if case == (1, 1) else "")
    cells = [sides, "all" if not metrics else "two", f"{alarms} of {len(drawn)}"]
    for name, (_, _, shown) in PLANTS.items():
        if not smallest[name]:
            cells.append("–")
            continue
        at = float(np.quantile(smallest[name], 0.95, method="higher"))
        cells.append("never" if math.isinf(at) else shown.format(at))
    return f"| {' | '.join(cells)} |"


def row_of(out: Path, label: str) -> tuple[str, GateRow]:
    """The one row of `label`, over the seeds that finished."""
    runs = [r for r in read_records(out) if r.label == label and r.status == "finished"]
    rows, _ = rows_of(runs, out)
    ((key, row),) = rows.items()
    return key, row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--label", default="l1+cgan")
    parser.add_argument("--cases", default="1+1,2+2,3+3,5+1", help="seeds of baseline + candidate")
    parser.add_argument("--trials", type=int, default=200, help="draws for false alarms")
    parser.add_argument("--drops", type=int, default=40, help="draws for drops, of these")
    given = parser.parse_args()
    verdicts.evidence = Remembered()
    key, row = row_of(given.out, given.label)
    print(f"{key}, {len(row.seeds)} seeds, {len(row.metrics)} metrics, N = {len(row.tables[0])}\n")
    for name in PLANTS:
        entry = row.metrics[name]
        print(f"{name}: mean {entry.value:.4g}, sd over seeds {np.std(entry.values, ddof=1):.3g}")
    print(
        "\n| seeds, baseline + checked | metrics | false alarms | IoU drop caught | fd_lite0 growth caught |"
    )
    print("|---|---|--:|--:|--:|")
    for case in (tuple(map(int, said.split("+"))) for said in given.cases.split(",")):
        if sum(case) <= len(row.seeds):
            for metrics in ((), tuple(PLANTS)):
                print(line(row, case, metrics, given.trials, given.drops), flush=True)


if __name__ == "__main__":
    main()

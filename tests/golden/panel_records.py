"""Outputs scored by a panel of judges: confusion matrices by image whose scores follow given accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import synthetic
from numpy.typing import NDArray

from bench.core.bootstrap import bootstrap_sum
from bench.records.panel import PANEL, SCORES, JudgeScores, column
from bench.records.record import MetricResult, RunRecord, write_record
from bench.scoring.metrics.confusion import ABSENT_LEFT_OUT, scores_from_confusion

N, K, PIXELS = 40, 3, 600
FIRST, SECOND = "a" * 16, "b" * 16


def matrices(accuracy: float, seed: int, label: str) -> NDArray[np.int64]:
    """(N, K, K): of each class about this share of pixels is found, the rest is taken for the next class."""
    order = np.random.default_rng([seed, round(1000 * accuracy), *label.encode()])
    hard = np.random.default_rng(5).normal(0, 0.03, (N, K))  # the same images are hard for everybody
    right = np.clip(accuracy + hard + order.normal(0, 0.01, (N, K)), 0.01, 0.99) * PIXELS
    made = np.zeros((N, K, K), np.int64)
    for k in range(K):
        made[:, k, k] = right[:, k].round()
        made[:, k, (k + 1) % K] = PIXELS - made[:, k, k]
    return made


def scored(stack: NDArray[np.int64], judge: str) -> dict[str, MetricResult]:
    values = scores_from_confusion(stack.sum(0), ABSENT_LEFT_OUT)
    rows = stack.reshape(N, -1).astype(float)
    protocol = {
        "metric": "segmentation",
        "judge": judge[:1],
        "judge_hash": judge,
        "class_policy": ABSENT_LEFT_OUT,
    }
    return {
        key: MetricResult(
            key, float(value), "max", N, protocol,
            interval=bootstrap_sum(
                rows, lambda t, i=place: scores_from_confusion(t.reshape(-1, K, K), ABSENT_LEFT_OUT)[i]  # type: ignore[misc]
            ),
        )
        for place, (key, value) in enumerate(zip(SCORES, values, strict=True))
    }  # fmt: skip


def meta(judge: str) -> dict[str, Any]:
    return {"network": f"fcn-{judge[:1]}", "size_px": 64, "hash": judge}


def write(
    out: Path, accuracies: Mapping[str, Sequence[float]], seeds: int = 3, dataset: str = "cityscapes"
) -> list[RunRecord]:
    """Runs of each variant, with the accuracy by the first judge and, where there is one, by the second."""
    records = []
    for label, by_judge in accuracies.items():
        for seed in range(seeds):
            stacks = [matrices(accuracy, seed, label) for accuracy in by_judge]
            spec = synthetic.spec(label, seed, dataset=dataset, direction="labels2photo")
            spec["data"]["test_n"] = N
            table: dict[str, Any] = {"name": [f"{i:03d}" for i in range(N)]}
            table["fcn_conf"] = [one.ravel() for one in stacks[0]]
            details: dict[str, Any] = {"judge": meta(FIRST)}
            if len(stacks) > 1:
                details[PANEL] = [JudgeScores(meta(SECOND), scored(stacks[1], SECOND)).to_json()]
                table[column("fcn_conf", SECOND)] = [one.ravel() for one in stacks[1]]
            record = RunRecord(
                f"{label}-{seed}", "run", label, spec, "finished", results=scored(stacks[0], FIRST),
                details=details, environment={"commit": "a" * 40, "dirty": False},
            )  # fmt: skip
            write_record(out, record, pd.DataFrame(table))
            records.append(record)
    return records

"""An output with images of several variants, and simulated raters who answer a page made from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from gate_records import result, run

from bench.core.images import write_png
from bench.people.plan import SPOILT, Plan, Trial
from bench.records.record import GalleryFiles, write_record

Rater = Callable[[Trial, int, np.random.Generator], str]
"""(trial, rater, random numbers) -> "left" or "right"."""


def write_output(
    out: Path, labels: tuple[str, ...] = ("l1", "l1+cgan"), images: int = 24, side: int = 16
) -> Path:
    """Finished runs with `images` predictions each, and targets beside them, as `bench score DIR` leaves."""
    names = tuple(f"{place:03}" for place in range(images))
    rng = np.random.default_rng(5)
    files = GalleryFiles(names[:4], None, "gallery/x/source", "gallery/x/target")
    for folder in (files.sources, files.targets):
        for name in names:
            write_png(out / folder / f"{name}.png", rng.integers(0, 256, (side, side, 3), np.uint8))
    for label in labels:
        record = run(result("ssim", 0.5), label=label)
        predictions = f"predictions/{record.id}"
        for name in names:
            write_png(out / predictions / f"{name}.png", rng.integers(0, 256, (side, side, 3), np.uint8))
        write_record(out, replace(record, gallery=replace(files, predictions=predictions)))
    return out


def answers(plan: Plan, rater: int, answer: Rater, **changes: Any) -> dict[str, Any]:
    """What the page hands back of a rater who answers by `answer`."""
    rng = np.random.default_rng([7, rater])
    shown = None if plan.seconds is None else round(1000 * plan.seconds)
    trials = [
        asdict(trial) | {"answer": answer(trial, rater, rng), "shown_ms": shown, "response_ms": 700}
        for trial in plan.sessions[rater - 1]
    ]
    held = {"schema_version": 1, "page": plan.page, "task": plan.task, "rater": rater, "agreed": True}
    return {**held, "seconds": 90.0, "trials": trials, **changes}


def write_answers(folder: Path, plan: Plan, rater: int, answer: Rater, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"answers-{rater}.json"
    path.write_text(json.dumps(answers(plan, rater, answer, **changes)))
    return path


def attentive(choose: Callable[[Trial, int, np.random.Generator], str]) -> Rater:
    """A rater who passes every catch trial, and otherwise takes the side that shows `choose(...)`."""

    def answer(trial: Trial, rater: int, rng: np.random.Generator) -> str:
        wanted = choose(trial, rater, rng)
        if trial.kind == "catch":
            spoilt = "left" if trial.left == SPOILT else "right"
            return spoilt if "(real)" in (trial.left, trial.right) else _other(spoilt)
        return "left" if trial.left == wanted else "right"

    return answer


def _other(side: str) -> str:
    return "right" if side == "left" else "left"


def fooled_at(share: float) -> Rater:
    """Takes the real image for the generated one with this probability."""
    return attentive(
        lambda trial, _, rng: "(real)" if rng.random() < share else next(iter(trial.variants), "(real)")
    )

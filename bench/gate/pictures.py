"""Predictions kept beside a baseline, and the worst regressed pictures beside them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.gate.baseline import Baseline
from bench.gate.noise import row_as_shown, side_of
from bench.gate.outcome import Outcome
from bench.gate.rows import GateRow
from bench.report.pairing import image_values
from bench.specs import slug

KEPT = 8  # pictures of a row
SHOWN = 3  # pictures of a regressed metric
_IN_ALL = 12


@dataclass(frozen=True)
class Pair:
    """A picture that got worse, beside the baseline's.

    Attributes:
        row, metric: of the regression.
        name: stem of the test picture.
        worse: by how much, in the metric's unit.
        baseline, measured: the files.
    """

    row: str
    metric: str
    name: str
    worse: float
    baseline: Path
    measured: Path

    def to_json(self) -> dict[str, Any]:
        said = {"row": self.row, "metric": self.metric, "name": self.name, "worse": self.worse}
        return {**said, "baseline": self.baseline.as_posix(), "measured": self.measured.as_posix()}


def pictures_dir(path: Path) -> Path:
    """gate.json -> gate-pictures/."""
    return path.with_name(f"{path.stem}-pictures")


def _kept_path(path: Path, row: str, name: str) -> Path:
    return pictures_dir(path) / slug(row) / f"{slug(name)}.png"


def keep_pictures(baseline: Baseline, out: Path, path: Path, *, wanted: bool) -> Baseline:
    """Copy each row's first gallery predictions (of its first seed) beside `path`; remove what was there.

    Returns:
        The baseline that names them.
    """
    shutil.rmtree(pictures_dir(path), ignore_errors=True)
    rows = {key: replace(row, pictures=()) for key, row in baseline.rows.items()}
    for key, row in rows.items() if wanted else ():
        kept = []
        for name in row.galleries[0].names[:KEPT] if row.galleries and row.galleries[0] else ():
            source = _prediction(row, out, name)
            if source is not None:
                target = _kept_path(path, key, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                kept.append(name)
        rows[key] = replace(row, pictures=tuple(kept))
    return replace(baseline, rows=rows)


def _prediction(row: GateRow, out: Path, name: str) -> Path | None:
    """The row's prediction (first seed) of a test picture, if the file is there and inside the output."""
    files = row.galleries[0] if row.galleries else None
    if files is None or files.predictions is None:
        return None
    relative = Path(files.predictions) / f"{name}.png"
    if relative.is_absolute() or ".." in relative.parts or not (out / relative).is_file():
        return None
    return out / relative


def worst_pairs(
    outcome: Outcome, baseline: Baseline, path: Path, measured: Mapping[str, GateRow], out: Path
) -> list[Pair]:
    """The pictures that lost most in each regressed metric, of those that the baseline keeps."""
    pairs: list[Pair] = []
    for verdict in outcome.verdicts:
        if verdict.state == "regressed":
            sides = baseline.rows[verdict.row], measured[verdict.row]
            losses = _losses(verdict.metric, *sides)
            for name, worse in sorted(losses.items(), key=lambda item: -item[1])[:SHOWN]:
                kept, now = _kept_path(path, verdict.row, name), _prediction(sides[1], out, name)
                if worse > 0 and kept.is_file() and now is not None:
                    pairs.append(Pair(verdict.row, verdict.metric, name, worse, kept, now))
    return pairs[:_IN_ALL]


def _losses(metric: str, before: GateRow, after: GateRow) -> dict[str, float]:
    """How much worse each kept picture became, first seed against first seed."""
    sides: list[dict[str, float]] = []
    for row in (before, after):
        shown, column = row_as_shown(metric, row)
        values = image_values(shown, column) if row.tables else None
        if values is None:
            return {}
        sign, origin = side_of(row.metrics[metric])
        turned = sign * (values[0] - origin)
        sides.append(dict(zip(sorted(row.tables[0]["name"]), turned.tolist(), strict=True)))
    names: Sequence[str] = [name for name in before.pictures if name in sides[0] and name in sides[1]]
    losses = {name: sides[1][name] - sides[0][name] for name in names}
    return {name: loss for name, loss in losses.items() if np.isfinite(loss)}

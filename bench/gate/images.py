"""Predictions kept beside a baseline, and the worst regressed images beside them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.core.errors import UsageError
from bench.gate.baseline import Baseline
from bench.gate.noise import turned
from bench.gate.outcome import Outcome
from bench.gate.rows import GateRow
from bench.spec.run_spec import slug

KEPT = 8  # images of a row
SHOWN = 3  # images of a regressed metric
_IN_ALL = 12


@dataclass(frozen=True)
class Pair:
    """An image that got worse, beside the baseline's.

    Attributes:
        row, metric: of the regression.
        name: stem of the test image.
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


@dataclass(frozen=True)
class WorstImages:
    """The worst images of what regressed.

    Attributes:
        pairs: those that are shown.
        hidden: how many more of the kept images got worse.
    """

    pairs: tuple[Pair, ...] = ()
    hidden: int = 0

    @property
    def note(self) -> str:
        """What they were chosen from, and how many are not shown."""
        return (
            f"Chosen from the gallery images that the baseline keeps (at most {KEPT} a row, of its first "
            f"seed), not from all test images: at most {SHOWN} a metric, each image of a row once; "
            f"{self.hidden} more that got worse not shown."
        )

    def to_json(self) -> dict[str, Any]:
        note = self.note if self.pairs else ""
        images = [pair.to_json() for pair in self.pairs]
        return {"images": images, "images_note": note, "images_not_shown": self.hidden}


def images_dir(path: Path) -> Path:
    """gate.json -> gate-images/."""
    return path.with_name(f"{path.stem}-images")


def _kept_path(path: Path, row: str, name: str) -> Path:
    return images_dir(path) / slug(row) / f"{slug(name)}.png"


def naming_images(baseline: Baseline, out: Path, path: Path, older: Baseline | None) -> Baseline:
    """`baseline`, with the images of each row that `keep_images` will put beside `path`.

    These are the row's first gallery predictions, of its first seed.

    Args:
        baseline: without images.
        out: the output that it was made from.
        path: of its file.
        older: the baseline that is there now, if any.

    Raises:
        UsageError: if a folder is in the way that no older baseline has written.
    """
    folder, mine = images_dir(path), _kept_paths(older, path)
    if (folder.exists() or folder.is_symlink()) and not mine:
        raise UsageError(
            f"expected no folder at {folder} for --images, found one that no baseline {path} has written: "
            "move it away, or name another FILE"
        )
    rows = {key: replace(row, images=_first_predictions(row, out)) for key, row in baseline.rows.items()}
    named = replace(baseline, rows=rows)
    for target in _kept_paths(named, path):
        if target.exists() and target not in mine:
            raise UsageError(
                f"expected no file at {target}, found one that {path} does not name: move it away"
            )
    return named


def keep_images(baseline: Baseline, out: Path, path: Path, older: Baseline | None) -> None:
    """Copy the images that `baseline` names beside `path`; of the files there only the older one's go."""
    wanted = _kept_paths(baseline, path)
    for target, (row, name) in wanted.items():
        if (source := _prediction(row, out, name)) is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for target in _kept_paths(older, path).keys() - wanted.keys():
        target.unlink(missing_ok=True)
        for folder in (target.parent, images_dir(path)):
            with suppress(OSError):  # somebody else's files are in it
                folder.rmdir()


def _kept_paths(baseline: Baseline | None, path: Path) -> dict[Path, tuple[GateRow, str]]:
    """The files of a baseline's images, each with its row and name."""
    rows = {} if baseline is None else baseline.rows
    return {_kept_path(path, key, name): (row, name) for key, row in rows.items() for name in row.images}


def _first_predictions(row: GateRow, out: Path) -> tuple[str, ...]:
    names = row.galleries[0].names[:KEPT] if row.galleries and row.galleries[0] else ()
    return tuple(name for name in names if _prediction(row, out, name) is not None)


def _prediction(row: GateRow, out: Path, name: str) -> Path | None:
    """The row's prediction (first seed) of a test image, if the file is there and inside the output."""
    files = row.galleries[0] if row.galleries else None
    if files is None or files.predictions is None:
        return None
    relative = Path(files.predictions) / f"{name}.png"
    outside = relative.is_absolute() or ".." in relative.parts
    return None if outside or not (out / relative).is_file() else out / relative


def worst_images(
    outcome: Outcome, baseline: Baseline, path: Path, measured: Mapping[str, GateRow], out: Path
) -> WorstImages:
    """The images that lost most in each regressed metric, of those that the baseline keeps.

    Rows take turns, and in each row its metrics do; an image of a row comes once.
    """
    by_row: dict[str, list[list[Pair]]] = {}
    for verdict in outcome.verdicts:
        if verdict.state == "regressed":
            key, sides = verdict.row, (baseline.rows[verdict.row], measured[verdict.row])
            found = []
            for name, worse in sorted(_losses(verdict.metric, *sides).items(), key=lambda item: -item[1]):
                kept, now = _kept_path(path, key, name), _prediction(sides[1], out, name)
                if worse > 0 and kept.is_file() and now is not None:
                    found.append(Pair(key, verdict.metric, name, worse, kept, now))
            by_row.setdefault(key, []).append(found)
    turns = _in_turn([_once(_in_turn([found[:SHOWN] for found in metrics])) for metrics in by_row.values()])
    got_worse = {(pair.row, pair.name) for metrics in by_row.values() for found in metrics for pair in found}
    return WorstImages(tuple(turns[:_IN_ALL]), len(got_worse) - len(turns[:_IN_ALL]))


def _in_turn(queues: Sequence[Sequence[Pair]]) -> list[Pair]:
    """The first of each, then the second of each, and so on."""
    return [pair for turn in itertools.zip_longest(*queues) for pair in turn if pair is not None]


def _once(pairs: Sequence[Pair]) -> list[Pair]:
    """Each image once: where it comes first."""
    by_name: dict[str, Pair] = {}
    for pair in pairs:
        by_name.setdefault(pair.name, pair)
    return list(by_name.values())


def _losses(metric: str, before: GateRow, after: GateRow) -> dict[str, float]:
    """How much worse each kept image became, first seed against first seed."""
    sides: list[dict[str, float]] = []
    for row in (before, after):
        values = turned(metric, row, first=True)
        if values is None:
            return {}
        sides.append(dict(zip(sorted(row.tables[0]["name"]), values.tolist(), strict=True)))
    names = [name for name in before.images if name in sides[0] and name in sides[1]]
    losses = {name: sides[1][name] - sides[0][name] for name in names}
    return {name: loss for name, loss in losses.items() if np.isfinite(loss)}

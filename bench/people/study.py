"""A page from an output, and the plans of the pages that were made from it.

OUT/people/PAGE.json   the plan of each page: what answers are checked against
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.core.decode import decode
from bench.core.documents import DocumentError, read_json
from bench.core.errors import UsageError
from bench.core.files import write_text
from bench.core.images import read_png
from bench.people.plan import Length, Plan, Task, sessions
from bench.people.stimuli import Rated, available, chosen_runs, pngs
from bench.records.gallery import gallery_of
from bench.records.record import RunRecord, read_records

SECONDS = 1.0


@dataclass(frozen=True)
class Asked:
    """What the page shall show.

    Attributes:
        variants: empty: all.
        raters: for how many the page has trials.
        images: how many test images it holds, evenly spaced; None: somewhat more than a session needs.
    """

    task: Task = "fooled"
    variants: tuple[str, ...] = ()
    raters: int = 60
    length: Length = field(default_factory=Length)
    images: int | None = None
    seed: int = 0


def make(
    out: Path, asked: Asked, data_roots: Sequence[str], cache: Path
) -> tuple[Plan, dict[str, dict[str, bytes]]]:
    """The plan of a page and its images; the plan is kept in `out`.

    Raises:
        UsageError: if there are no runs with images, or too few images or variants for the trials.
    """
    rated = _rated(out, asked.variants, data_roots, cache)
    length = replace(asked.length, practice=0) if asked.task == "better" else asked.length
    wanted = asked.images or round(1.25 * length.images)
    places = np.unique(
        np.linspace(0, len(rated.names) - 1, min(wanted, len(rated.names))).round().astype(int)
    )
    names = [rated.names[place] for place in places]
    trials = sessions(asked.task, tuple(rated.runs), names, asked.raters, length, asked.seed)
    images = pngs(out, rated, names, asked.seed, with_source=asked.task == "better")
    plan = Plan(
        task=asked.task,
        seed=asked.seed,
        seconds=SECONDS if asked.task == "fooled" else None,
        variants=tuple(rated.runs),
        images={
            name: {side: hashlib.sha256(png).hexdigest() for side, png in sides.items()}
            for name, sides in images.items()
        },
        sessions=trials,
        runs={label: run.id for label, run in rated.runs.items()},
    ).numbered()
    write_text(out / "people" / f"{plan.page}.json", json.dumps(asdict(plan), indent=1) + "\n")
    return plan, images


def read_plans(out: Path) -> dict[str, Plan]:
    """Page -> plan, of all pages made from `out`.

    Raises:
        UsageError: if one cannot be read or was changed.
    """
    found: dict[str, Plan] = {}
    for path in sorted((out / "people").glob("*.json")):
        try:
            plan = decode(read_json(path), Plan)
        except (DocumentError, ValueError) as error:
            raise UsageError(
                f"expected the plan of a page in {path} ({error}): make the page again"
            ) from error
        if plan.numbered().page != plan.page:
            raise UsageError(
                f"expected the plan of page {plan.page} in {path} as it was made, found it changed"
            )
        found[plan.page] = plan
    return found


def _rated(out: Path, variants: Sequence[str], data_roots: Sequence[str], cache: Path) -> Rated:
    runs = chosen_runs(read_records(out), variants)
    first = next(iter(runs.values()))
    whole = (out / "runs").is_dir()
    found = _of_data_set(out, first, data_roots, cache) if whole else _of_gallery(out, first)
    return replace(found, runs=runs, names=available(out, runs, found.names))


def _of_data_set(out: Path, run: RunRecord, data_roots: Sequence[str], cache: Path) -> Rated:
    """Targets and sources of all test images, from the data set that the run was tested on."""
    from bench.spec.trained import plans_of

    size_px = run.spec["training"]["size_px"]
    known = (run.dataset, run.direction)
    plan = next(one for one in plans_of(out, data_roots) if (one.data.name, one.data.direction) == known)
    test = plan.dataset.load("test", size_px=size_px, cache=cache, limit=plan.data.test_n)
    places = {name: place for place, name in enumerate(test.names)}
    return Rated(
        {}, tuple(test.names), lambda name: test.target[places[name]], lambda name: test.source[places[name]]
    )


def _of_gallery(out: Path, run: RunRecord) -> Rated:
    """Targets and sources that an output keeps: all that there is where other tools made the images."""
    files = gallery_of(run)
    names = tuple(path.stem for path in sorted((out / files.targets).glob("*.png")))
    sourced = (out / files.sources).is_dir() and any((out / files.sources).iterdir())
    return Rated(
        {},
        names,
        lambda name: read_png(out / files.targets / f"{name}.png"),
        (lambda name: read_png(out / files.sources / f"{name}.png")) if sourced else None,
    )

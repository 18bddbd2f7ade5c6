"""A plan as a page that works from disk, or as the files of a crowd-work platform.

index.html                 the page; needs nothing beside it
layout.html, raters.csv    for a platform: the layout of a task, one line a rater; images/ goes to a server
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bench.core.files import write_bytes, write_text
from bench.people.plan import REAL, SPOILT, Plan
from bench.people.stimuli import SOURCE
from bench.report.escape import html_environment

Images = Mapping[str, Mapping[str, bytes]]
_KINDS = ("practice", "test", "catch")
_QUESTIONS = {"fooled": "Which one was generated?", "better": "Which one is better?"}
_TITLES = {"fooled": "Real or generated?", "better": "Which image is better?"}


def write_page(plan: Plan, images: Images, folder: Path) -> Path:
    """Write the page with everything in it."""
    study = _study(plan, images, _data_uri) | {
        "sessions": [_session(plan, rater) for rater in range(len(plan.sessions))]
    }
    path = folder / "index.html"
    write_text(path, _render("people.html.j2", plan, study, images))
    return path


def write_crowd(plan: Plan, images: Images, folder: Path, image_url: str) -> tuple[Path, Path]:
    """Write what a crowd-work platform takes: a layout with `${rater}` and `${trials}`, a CSV with both.

    Args:
        image_url: where the files of `folder/images` will be. Their names say nothing of what they show.
    """

    def published(png: bytes) -> str:
        name = f"{hashlib.sha256(png).hexdigest()[:20]}.png"
        write_bytes(folder / "images" / name, png)
        return f"{image_url.rstrip('/')}/{name}"

    study = _study(plan, images, published) | {"session": "TRIALS", "rater": "RATER"}
    text = _render("people_crowd.html.j2", plan, study, images)
    text = text.replace('"TRIALS"', "${trials}").replace('"RATER"', "${rater}")
    layout, listed = folder / "layout.html", folder / "raters.csv"
    write_text(layout, text)
    held = io.StringIO()
    table = csv.writer(held, lineterminator="\n")
    table.writerow(["rater", "trials"])
    for rater in range(len(plan.sessions)):
        table.writerow([rater + 1, json.dumps(_session(plan, rater), separators=(",", ":"))])
    write_text(listed, held.getvalue())
    return layout, listed


def _render(template: str, plan: Plan, study: dict[str, Any], images: Images) -> str:
    text = json.dumps(study, separators=(",", ":")).replace("<", "\\u003c")
    practice = plan.counts("practice")
    return (
        html_environment()
        .get_template(template)
        .render(
            title=_TITLES[plan.task],
            task=plan.task,
            seconds=_seconds(plan.seconds),
            practice=practice,
            rest=len(plan.sessions[0]) - practice,
            with_source=any(SOURCE in sides for sides in images.values()),
            study=Markup(text),  # JSON without "<": it cannot end the script element that holds it
        )
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else "one second" if value == 1 else f"{value:g} seconds"


def _study(plan: Plan, images: Images, uri: Callable[[bytes], str]) -> dict[str, Any]:
    names, sides = list(images), _sides(plan)
    return {
        "page": plan.page,
        "task": plan.task,
        "question": _QUESTIONS[plan.task],
        "show_ms": None if plan.seconds is None else round(plan.seconds * 1000),
        "raters": len(plan.sessions),
        "kinds": _KINDS,
        "names": names,
        "sides": sides,
        "real": REAL,
        "source": sides.index(SOURCE),
        "images": [{sides.index(side): uri(png) for side, png in images[name].items()} for name in names],
    }


def _sides(plan: Plan) -> list[str]:
    return [REAL, SPOILT, SOURCE, *plan.variants]


def _session(plan: Plan, rater: int) -> list[tuple[int, int, int, int]]:
    """Kind, image and sides of each trial, as places in the lists of `_study`."""
    sides, names = _sides(plan), {name: place for place, name in enumerate(plan.images)}
    return [
        (_KINDS.index(trial.kind), names[trial.image], sides.index(trial.left), sides.index(trial.right))
        for trial in plan.sessions[rater]
    ]


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"

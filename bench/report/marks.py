"""The markers of the figures as shapes of the page: a row looks alike in tables, panels and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from bench.report.plots.colours import REFERENCE_MARKERS, looks

# matplotlib's marker -> (name, path around 0 within -5 to 5)
SHAPES: dict[str, tuple[str, str]] = {
    "o": ("circle", "M-4.2 0A4.2 4.2 0 1 1 4.2 0A4.2 4.2 0 1 1-4.2 0z"),
    "s": ("square", "M-3.8-3.8H3.8V3.8H-3.8z"),
    "^": ("up", "M0-4.6L4.8 3.7H-4.8z"),
    "D": ("diamond", "M0-4.9L4.9 0L0 4.9L-4.9 0z"),
    "v": ("down", "M0 4.6L-4.8-3.7H4.8z"),
    "p": ("pentagon", "M0-4.7L4.5-1.4L2.8 3.9H-2.8L-4.5-1.4z"),
    "<": ("left", "M-4.6 0L3.7-4.8V4.8z"),
    "h": ("hexagon", "M0-4.8L4.2-2.4V2.4L0 4.8L-4.2 2.4V-2.4z"),
    ">": ("right", "M4.6 0L-3.7 4.8V-4.8z"),
    "X": ("cross",
          "M-4.5-2.3L-2.3-4.5 0-2.2 2.3-4.5 4.5-2.3 2.2 0 4.5 2.3 2.3 4.5 0 2.2-2.3 4.5-4.5 2.3-2.2 0z"),
    "P": ("plus", "M-1.6-4.6H1.6V-1.6H4.6V1.6H1.6V4.6H-1.6V1.6H-4.6V-1.6H-1.6z"),
    "*": ("star", "M0-4.8L1.2-1.6L4.6-1.5L1.9.6L2.8 3.9L0 2L-2.8 3.9L-1.9.6L-4.6-1.5L-1.2-1.6z"),
}  # fmt: skip
_SVG = '<svg class="mark" viewBox="-5 -5 10 10" aria-hidden="true"><use href="#mark-{}" fill="{}"/></svg>'
DASHED = ("dashed", "M-.6-5H.6V-2.2H-.6zM-.6-1.4H.6V1.4H-.6zM-.6 2.2H.6V5H-.6z")  # the real row


@dataclass(frozen=True)
class Mark:
    """How a row is marked on the page: the name of its shape, and its colour for CSS."""

    shape: str
    colour: str


def row_marks(colours: Mapping[str, str]) -> dict[str, Mark]:
    """Label of a variant -> its mark, as figures have it."""
    return {label: Mark(SHAPES[look.marker][0], look.colour) for label, look in looks(colours).items()}


def drawer(marks: Mapping[str, Mark]) -> Callable[..., Markup]:
    """For templates: `mark(label)` is the `<svg>` of a row's mark, "" of what has none."""
    known = {"run": marks, "reference": reference_marks()}

    def draw(label: str, kind: str = "run") -> Markup:
        found = known[kind].get(label)
        return Markup(_SVG).format(found.shape, found.colour) if found else Markup("")

    return draw


def reference_marks() -> dict[str, Mark]:
    """Label of a reference row -> its mark."""
    found = {label: Mark(SHAPES[marker][0], "var(--ink)") for label, marker in REFERENCE_MARKERS.items()}
    return {"real": Mark(DASHED[0], "var(--ink)"), **found}


def shapes(marks: Iterable[Mark]) -> list[tuple[str, str]]:
    """(name, path) of the shapes that these marks need, each once."""
    known = dict([*SHAPES.values(), DASHED])
    return [(name, known[name]) for name in dict.fromkeys(mark.shape for mark in marks)]

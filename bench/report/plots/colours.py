"""One look a variant, the same in every table and figure, told apart by colour-blind readers and in print.

The colours are seaborn's "colorblind" palette (after Okabe and Ito) without the two that vanish on white.
Dash patterns and markers go with them, so that lines differ on a grey printer too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FIXED = {"l1": "#0173b2", "gan": "#ca9161", "cgan": "#de8f05", "l1+gan": "#cc78bc", "l1+cgan": "#029e73"}
OTHERS = ["#d55e00", "#56b4e9", "#7a7a7a", "#8c6d00", "#6a3d9a"]
DASHES = ["", (4, 2), (1, 1.5), (6, 2, 1, 2)]
MARKERS = ["o", "s", "^", "D", "v", "p", "<", "h", ">"]  # no period in common with the dashes


@dataclass(frozen=True)
class Look:
    """How a variant is drawn.

    Attributes:
        colour: "#rrggbb".
        dash: on and off in points, "" for a plain line.
        marker: a matplotlib marker.
    """

    colour: str
    dash: Any
    marker: str

    @property
    def linestyle(self) -> Any:
        """The dash pattern as matplotlib takes it."""
        return (0, self.dash) if self.dash else "-"


Looks = Mapping[str, Look]
REFERENCE_MARKERS = {"copy": "X", "nearest": "P", "random": "*"}
"""Markers of the rows that no training made; `real` is a dashed line."""


def variant_colours(labels: Iterable[str]) -> dict[str, str]:
    """Label -> "#rrggbb", in order of appearance: the paper's five keep theirs, others take what is free."""
    wanted = list(dict.fromkeys(labels))
    chosen = {label: FIXED[label] for label in wanted if label in FIXED}
    free = [*OTHERS, *(colour for label, colour in FIXED.items() if label not in chosen)]
    rest = [label for label in wanted if label not in chosen]
    chosen.update({label: free[i % len(free)] for i, label in enumerate(rest)})
    return chosen


def looks(colours: Mapping[str, str]) -> dict[str, Look]:
    """Label -> look: the paper's five have their own dash and marker on every page, others follow in turn."""
    others = (label for label in colours if label not in FIXED)
    places = {label: place for place, label in enumerate([*FIXED, *others])}
    return {
        label: Look(colour, DASHES[places[label] % len(DASHES)], MARKERS[places[label] % len(MARKERS)])
        for label, colour in colours.items()
    }

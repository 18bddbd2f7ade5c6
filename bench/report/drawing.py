"""How every figure of a report looks, and how it becomes an `<svg>` of the page and a PNG beside it.

Colours in the SVG that stand for ink, rules and paper are CSS variables of the page, so that a figure
follows its light or dark ground. Text stays text.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bench.report.colours import DASHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, REFERENCE = "#1b1b1c", "#6b6b6c", "#d4d4d5", "#4c4c4d"
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", REFERENCE: "var(--ink)"}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pix2pix-bench",
    "text.parse_math": False,  # a variant may be called "$x"
    "axes.unicode_minus": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "legend.frameon": False,
}

Colours = Mapping[str, str]


@dataclass(frozen=True)
class Plot:
    """A finished figure.

    Attributes:
        key: file-name-safe, unique in the report.
        title, caption: as the page prints them.
        alt: what it shows, for those who cannot see it.
        svg: an `<svg>` element.
        png: the same on white, 150 dpi.
        width_px: natural width on the page.
    """

    key: str
    title: str
    caption: str
    alt: str
    svg: str
    png: bytes
    width_px: int


@contextmanager
def style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(cast(Any, _STYLE)):
        yield


def new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(max(width, 2.5), max(height, 1.6)), layout="constrained")


def plain(text: str) -> str:
    """Text as matplotlib takes it: printable, and not so long that it pushes the axes out."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= 36 else f"{shown[:35]}…"


def dashes_of(labels: list[str], colours: Colours) -> dict[str, Any]:
    """Dash patterns: plain, but for labels whose colour another one has already."""
    seen: dict[str, int] = {}
    chosen = {}
    for label in labels:
        turn = seen[colours[label]] = seen.get(colours[label], -1) + 1
        chosen[label] = DASHES[turn % len(DASHES)]
    return chosen


def linestyle(dash: Any) -> Any:
    return (0, dash) if dash else "-"


def legend(
    figure: Figure, labels: list[str], colours: Colours, dashes: Mapping[str, Any], target: bool = False
) -> None:
    from matplotlib.lines import Line2D

    entries = [(plain(label), colours[label], 1.8, linestyle(dashes[label])) for label in labels]
    if target:
        entries.insert(0, ("target", REFERENCE, 2.4, "-"))
    handles = [Line2D([], [], color=c, linewidth=w, linestyle=s) for _, c, w, s in entries]
    names = [
        f"\u2009{name}" if name.startswith("_") else name for name, *_ in entries
    ]  # "_x" would be hidden
    across = max(1, min(len(names), int(figure.get_figwidth() * 11 // (max(map(len, names)) + 6))))
    figure.set_figheight(figure.get_figheight() + 0.19 * (math.ceil(len(names) / across) - 1))
    figure.legend(handles, names, loc="outside upper left", ncols=across, handlelength=2, columnspacing=1.4)


def plain_log_ticks(ax: Axes) -> None:
    """0.1, 1, 10 as they are: powers would need mathematical text, which is off for the labels' sake."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    low, high = ax.get_ylim()
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    few = math.log10(high / low) > 1.5
    ax.yaxis.set_minor_formatter(NullFormatter() if few else FuncFormatter(_short_minor))


def _short_minor(value: float, _: int | None) -> str:
    return f"{value:g}" if f"{value:.0e}"[0] in "25" else ""


def short_ticks(ax: Axes) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))


def finish(figure: Figure, key: str, title: str, caption: str, alt: str) -> Plot:
    picture, drawing = io.BytesIO(), io.StringIO()
    figure.savefig(picture, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    figure.savefig(drawing, format="svg", transparent=True, metadata={"Date": None})
    width = round(figure.get_figwidth() * 96)
    return Plot(key, title, caption, alt, _inline(drawing.getvalue(), key), picture.getvalue(), width)


def _inline(svg: str, key: str) -> str:
    """The `<svg>` element alone: ids unique in the page, colours as variables, no metadata, no size."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="', f'id="{key}-', svg)
    svg = svg.replace("url(#", f"url(#{key}-").replace('href="#', f'href="#{key}-')
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)

"""How every figure of a report looks, and how it becomes an `<svg>` of the page and a PNG beside it.

Colours in the SVG that stand for ink, rules and paper are CSS variables of the page, so that a figure
follows its light or dark ground. Text stays text.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bench.report.plots.colours import Look, Looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.analysis.sections import Section

INK, MUTED, RULE, REFERENCE = "#1b1b1c", "#6b6b6c", "#d4d4d5", "#4c4c4d"
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", REFERENCE: "var(--ink)"}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
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
MAX_ROWS, MAX_LINES = 24, 12  # rows and lines that a figure holds legibly


@dataclass(frozen=True)
class Drawing:
    """A figure before it is written.

    Attributes:
        figure: drawn under `style()`.
        key: file-name-safe, unique in the report.
        title, caption: as the page prints them.
        alt: what it shows, for those who cannot see it.
    """

    figure: Figure
    key: str
    title: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Plot:
    """A finished figure.

    Attributes:
        key, title, caption, alt: those of the drawing.
        svg: an `<svg>` element.
        png: the same on white, 150 dpi.
        pdf: the same for print, text as text.
        width_px: natural width on the page.

    Of `svg`, `png` and `pdf`, those that were not asked for are empty.
    """

    key: str
    title: str
    caption: str
    alt: str
    svg: str
    png: bytes
    pdf: bytes
    width_px: int


@contextmanager
def style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(cast(Any, _STYLE)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a browser has other fonts
        yield


def new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(max(width, 2.5), max(height, 1.6)), layout="constrained")


def plain(text: str, longest: int = 36) -> str:
    """Text as matplotlib takes it: printable, and not so long that it pushes the axes out.

    What is left out is in the middle: names of one sweep differ at their ends.
    """
    shown = "".join(c if c.isprintable() else " " for c in text)
    if len(shown) <= longest:
        return shown
    tail = (longest - 1) * 2 // 5
    return f"{shown[: longest - 1 - tail]}…{shown[-tail:]}"


def panels(
    count: int, width: float, height: float, across: int = 3, **shared: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of small multiples, `width` x `height` inches each, and its `count` axes."""
    across = 2 if count == 4 else min(across, count)
    down = math.ceil(count / across)
    figure = new_figure(across * width, down * height + 0.4)
    axes: list[Axes] = list(figure.subplots(down, across, squeeze=False, **shared).ravel())
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def far_off(real: list[str]) -> str:
    """What a caption says of values of the real row that are not `near`."""
    return f" Real images, far off: {', '.join(real)}." if real else ""


def first_seed(section: Section) -> str:
    """What a caption adds where a figure shows one seed of several."""
    return ", first seed" if any(len(row.seeds) > 1 for row in section.rows) else ""


def over_seeds(section: Section, said: str) -> str:
    """`said`, where any row has several seeds; else ""."""
    return said if any(len(row.seeds) > 1 for row in section.rows) else ""


def rows_cut(section: Section, most: int) -> str:
    """What a caption says where not all rows are drawn."""
    count = len(section.rows)
    return f" The first {most} of {count} rows." if count > most else ""


def trace(ax: Axes, x: Any, y: Any, look: Look, turn: int = 0, **more: Any) -> None:
    """A line in its look; on long ones only some points are marked, at other places for each `turn`."""
    every = None if len(x) <= 8 else (turn * 3 % max(1, len(x) // 6), max(1, len(x) // 6))
    ax.plot(
        x, y, **{
            "color": look.colour, "linestyle": look.linestyle, "marker": look.marker, "markevery": every,
            "linewidth": 1.5, "markersize": 4, "markeredgewidth": 0, **more,
        },
    )  # fmt: skip


@dataclass(frozen=True)
class Sign:
    """An entry of a legend that stands for no variant."""

    name: str
    style: Mapping[str, Any]


TARGET_SIGN = Sign("target", {"color": REFERENCE, "linewidth": 2.4})
REAL_SIGN = Sign("real", {"color": REFERENCE, "linewidth": 1, "linestyle": (0, (4, 3))})


def legend(
    figure: Figure, labels: Iterable[str], looks: Looks, signs: Iterable[Sign] = (), lines: bool = True
) -> None:
    """The variants' looks and other signs above the axes; without `lines` markers alone."""
    from matplotlib.lines import Line2D

    entries = [
        (plain(label), {
            "color": look.colour, "linewidth": 1.6 if lines else 0, "linestyle": look.linestyle,
            "marker": look.marker, "markersize": 4.5 if lines else 6.5, "markeredgewidth": 0,
        })
        for label, look in ((label, looks[label]) for label in labels)
    ]  # fmt: skip
    entries += [(sign.name, dict(sign.style)) for sign in signs]
    handles = [Line2D([], [], **cast(Any, held)) for _, held in entries]
    names = [f"\u2009{name}" if name.startswith("_") else name for name, _ in entries]  # "_x": hidden
    width = figure.get_figwidth()
    across = max(1, min(len(names), int(width * 11 // (max(map(len, names)) + 6))))
    across = len(names) if sum(0.62 + 0.075 * len(name) for name in names) < width - 0.2 else across
    figure.set_figheight(figure.get_figheight() + 0.19 * (math.ceil(len(names) / across) - 1))
    figure.legend(handles, names, loc="outside upper left", ncols=across, handlelength=2.6, columnspacing=1.4)


def near(limits: tuple[float, float], value: float) -> bool:
    """Whether a value is within one span of what the variants take up: farther off it would squash them."""
    span = limits[1] - limits[0]
    return limits[0] - span <= value <= limits[1] + span


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


ALL_IMAGES = frozenset(("svg", "png", "pdf"))


def finish(drawing: Drawing, images: frozenset[str] = ALL_IMAGES) -> Plot:
    """Write a drawing as SVG, PNG and PDF, or as some of them: each takes its time."""
    figure, key = drawing.figure, drawing.key
    if layout := figure.get_layout_engine():  # once: saving would find it again, and draw once more to do so
        figure.set_dpi(72)  # the SVG's
        layout.execute(figure)
        figure.set_layout_engine(None)
    image, vector, printed = io.BytesIO(), io.StringIO(), io.BytesIO()
    writers: dict[str, tuple[Any, dict[str, Any]]] = {
        "svg": (vector, {"transparent": True, "metadata": {"Date": None}}),
        "png": (image, {"dpi": 150, "facecolor": "white", "metadata": {"Software": None}}),
        "pdf": (printed, {"metadata": {"CreationDate": None}}),
    }
    for kind in (kind for kind in writers if kind in images):
        to, options = writers[kind]
        figure.savefig(to, format=kind, **options)
    svg = _inline(vector.getvalue(), key) if "svg" in images else ""
    width = round(figure.get_figwidth() * 96)
    return Plot(
        key, drawing.title, drawing.caption, drawing.alt, svg, image.getvalue(), printed.getvalue(), width
    )


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

"""How text and tables from records get into LaTeX: as text, and nothing else.

The tables come from a template, not from pandas' `Styler.to_latex`, which was tried: it has no rule between
rows, no notes below the table and no place for the font size, and every cell would still be LaTeX of our own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from bench.report.escape import environment
from bench.report.plots.style import plain

_ACROSS = 4  # metrics side by side in a tabular on a portrait page
_INCHES = 6.3  # width of its text
_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after \\ these would be arguments
    "'": r"\textquotesingle{}", "\0": "{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$", "±": r"$\pm$", "×": r"$\times$",
    "−": "$-$", "–": "--", "…": r"\dots{}", "“": "``", "”": "''", "↙": r"$\swarrow$", "↘": r"$\searrow$",
    "↖": r"$\nwarrow$", "↗": r"$\nearrow$", "²": r"\textsuperscript{2}", "\u2009": r"\,", "\u00a0": "~",
}  # fmt: skip


def latex_text(value: object) -> str:
    """`value` as text that LaTeX prints as it is, on one line; `Markup` passes unchanged."""
    if isinstance(value, Markup):
        return str(value)
    shown = "".join(c if c.isprintable() or c == "\u00a0" else " " for c in str(value))
    joined = re.sub("-(?=-)", "-\0", re.sub(" +", " ", shown))  # hyphens in a row stay hyphens
    return "".join(_SIGNS.get(c, c) for c in joined)


@functools.cache
def latex_environment() -> jinja2.Environment:
    """Escapes all that an expression `<< >>` prints; statements stand in `<% %>`."""
    made = environment(
        finalize=latex_text, variable_start_string="<<", variable_end_string=">>", block_start_string="<%",
        block_end_string="%>", comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    made.filters["short"] = plain
    made.filters["parts"] = _parts
    made.filters["inches"] = lambda width_px: f"{min(_INCHES, width_px / 96):.2f}"
    return made


def _parts(columns: Sequence[Any]) -> Iterator[tuple[slice, Sequence[Any]]]:
    """Columns in lots that fit a page, each with its place among the cells of a row."""
    lots = -(-len(columns) // _ACROSS)
    size = -(-len(columns) // max(lots, 1))
    for start in range(0, len(columns), size):
        part = slice(start, start + size)
        yield part, columns[part]

"""`bench compare`: two records or outputs, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import table_console
from bench.core.errors import UsageError, unknown_name
from bench.scoring.metrics.named_keys import metric_keys

if TYPE_CHECKING:
    from rich.table import Table

    from bench.analysis.compare_outputs import Comparison
    from bench.analysis.differences import Difference


@click.command()
@click.argument("a", type=click.Path(path_type=Path), metavar="A")
@click.argument("b", type=click.Path(path_type=Path), metavar="B")
@click.option(
    "--metrics", metavar="KEYS", help="Metric keys, comma-separated; all that both have by default."
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def compare(a: Path, b: Path, metrics: str | None, as_json: bool) -> None:
    """Compare two records (OUT/records/ID.json), or the rows that two outputs share, metric by metric.

    \b
    bench compare OUT1 OUT2
    bench compare OUT/records/ID1.json OUT/records/ID2.json --metrics ssim,fid

    Exit code 3 where protocols or test images differ.
    """
    import json

    from bench.analysis.compare_outputs import compare as compared
    from bench.analysis.compare_outputs import load

    for path in (a, b):
        if not path.exists():
            raise UsageError(f"expected a record or an output at {path}, found none: check the path")
    left, right, keys = load(a), load(b), metric_keys(metrics)
    known = {key for entry in (*left, *right) for key in entry.record.results}
    for key in keys:
        if key not in known:
            raise unknown_name("metric", key, known, "bench list metrics")
    found = compared(left, right, keys)
    if as_json:
        click.echo(json.dumps({"a": str(a), "b": str(b), **found.to_json()}, indent=1, allow_nan=False))
        return
    console = table_console()
    console.print(f"A = {a}\nB = {b}", markup=False, soft_wrap=True)
    for table in tables(found):
        console.print(table, crop=False)  # a narrower terminal wraps lines; nothing is cut
    for note in _how_to_read(found.lines) + list(found.notes):
        console.print(note, markup=False, soft_wrap=True)


_HEADS = ("metric", "A", "B", "A - B", "95 % interval", "p", "better")
_MORE_DIGITS = 4  # than a metric's own, at most


def tables(comparison: Comparison) -> list[Table]:
    """The comparison for a terminal of 80 columns: one table for each row, all of the same widths."""
    from rich.table import Table
    from rich.text import Text

    several = len({line.row for line in comparison.lines}) > 1
    cells = [_cells(line) for line in comparison.lines]
    widths = [max(map(len, column)) for column in zip(_HEADS, *cells, strict=True)]
    shown: dict[str, Table] = {}
    for line, texts in zip(comparison.lines, cells, strict=True):
        if line.row not in shown:
            title = Text(line.row) if several else None
            whole = sum(widths) + len(widths)
            table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), width=whole)
            for head, width in zip(_HEADS, widths, strict=True):
                left = head in (_HEADS[0], _HEADS[-1])
                table.add_column(head, justify="left" if left else "right", no_wrap=True, min_width=width)
            shown[line.row] = table
        shown[line.row].add_row(*map(Text, texts), style="bold" if line.distinguishable else "")
    return list(shown.values())


def _cells(line: Difference) -> tuple[str, ...]:
    """The cells under `_HEADS`; the interval is the one that decided."""
    from bench.analysis.column import fixed

    digits = _digits(line)
    ends = line.over_seeds if line.decided_by == "seeds" else line.interval
    interval = "–" if ends is None else " to ".join(f"{end:+.{digits}f}" for end in ends)
    values = (fixed(line.a, digits), fixed(line.b, digits), f"{line.difference:+.{digits}f}", interval)
    p_value = "–" if line.corrected is None else f"{line.corrected:.2g}"
    return (line.metric, *values, p_value, _verdict(line))


def _digits(line: Difference) -> int:
    """So many decimals that two digits of the difference are seen, but at least the metric's own."""
    own, size = line.column.info.digits, abs(line.difference)
    needed = 1 - math.floor(math.log10(size)) if size > 0 else own
    return min(max(own, needed), own + _MORE_DIGITS)


def _verdict(line: Difference) -> str:
    """The side that is better: "A", "B", "unclear" or "not known"; with "(seeds)" where these decide."""
    if line.corrected is None:
        said = "not known"
    elif not line.distinguishable:
        said = "unclear"
    elif not line.column.info.ranks:
        said = "they differ"
    else:
        said = "A" if line.column.merit(line.a) > line.column.merit(line.b) else "B"
    return said + " (seeds)" * (line.decided_by == "seeds")


def _how_to_read(lines: Sequence[Difference]) -> list[str]:
    """What the columns of these lines mean."""
    said = [
        "p: how often chance alone makes such a difference, corrected (Holm) over all lines.",
        "better: the better side, where p is at most 5 %; unclear: the difference may be chance.",
    ]
    seeds = [line for line in lines if line.decided_by == "seeds"]
    if seeds:
        said.append("(seeds): the interval is over training seeds, which decide; else over test images.")
    if any(line.basis == "images" for line in seeds):
        said.append(
            "unclear (seeds): these images tell the two apart (p), other seeds may not (0 is inside)."
        )
    if aimed := dict.fromkeys(one.metric for one in seeds if one.column.target is not None):
        said.append(f"{', '.join(aimed)}: the interval over seeds is of the distances from the target.")
    return said

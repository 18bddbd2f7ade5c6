"""`bench compare`: two records or outputs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.options import names
from bench.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from rich.table import Table

    from bench.compare import Comparison


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

    Exit code 3 where protocols or test pictures differ.
    """
    import json

    from rich.console import Console

    from bench.compare import compare as compared
    from bench.compare import load

    for path in (a, b):
        if not path.exists():
            raise UsageError(f"expected a record or an output at {path}, found none: check the path")
    left, right, keys = load(a), load(b), names(metrics)
    known = {key for entry in (*left, *right) for key in entry.record.results}
    for key in keys:
        if key not in known:
            raise unknown_name("metric", key, known, "bench list metrics")
    found = compared(left, right, keys)
    if as_json:
        click.echo(json.dumps({"a": str(a), "b": str(b), **found.to_json()}, indent=1, allow_nan=False))
        return
    console = Console(highlight=False)
    console.print(f"A = {a}\nB = {b}", markup=False, soft_wrap=True)
    console.print(_table(found))
    console.print("p-values are corrected (Holm) over all lines; yes: the two differ, at 5 %.")
    for note in found.notes:
        console.print(note, markup=False, soft_wrap=True)


def _table(comparison: Comparison) -> Table:
    """The comparison for a terminal."""
    from rich.table import Table
    from rich.text import Text

    from bench.report.frame import info_of

    shown = Table(box=None, padding=(0, 2, 0, 0))
    several = len({line.row for line in comparison.lines}) > 1
    for head in (["row"] if several else []) + ["metric"]:
        shown.add_column(head, overflow="fold")
    for head in ("A", "B", "A - B", "95 % interval", "p"):
        shown.add_column(head, justify="right", no_wrap=True)
    shown.add_column("distinguishable")
    for line in comparison.lines:
        digits = info_of(line.metric).digits
        interval = (
            "–" if line.interval is None else " to ".join(f"{end:+.{digits}f}" for end in line.interval)
        )
        values = (f"{line.a:.{digits}f}", f"{line.b:.{digits}f}", f"{line.difference:+.{digits}f}", interval)
        p_value = "–" if line.p_value is None else f"{line.p_value:.2g}"
        verdict = "not known" if line.p_value is None else "yes" if line.distinguishable else "no"
        cells = [line.row, line.metric, *values, p_value, verdict][0 if several else 1 :]
        shown.add_row(*map(Text, cells), style="bold" if line.distinguishable else "")
    return shown

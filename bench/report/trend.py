"""A trend as a page, as Markdown and as CSV.

index.html          the page; needs nothing beside it
trend.md, figures/  the same tables and figures
trend.csv           one row an output, row and metric
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from bench.analysis.column import Column, info_of
from bench.core.files import move_file
from bench.gate.outcome import Verdict
from bench.gate.trend import Line, Moment, Point, Trend
from bench.report.escape import html_environment, markdown_environment
from bench.report.plots.colours import looks, variant_colours
from bench.report.plots.style import Plot, finish, style
from bench.report.plots.trend import MARKED, trend_figures


@dataclass(frozen=True)
class Group:
    """Rows that share data set, direction, size and budget, as the page shows them.

    Attributes:
        title: such as "toycity/labels2photo/64px".
        table: (row, metric, first value, last value, change, last verdict), as texts.
        breaks: where lines break, in words.
    """

    title: str
    table: tuple[tuple[str, ...], ...]
    breaks: tuple[str, ...]
    plots: tuple[Plot, ...]


def write_trend(found: Trend, destination: Path) -> tuple[Path, ...]:
    """Write the files of a trend into `destination`; each replaces its predecessor whole.

    Returns:
        What was written, the page first.
    """
    groups = [_group(found, title, number) for number, title in enumerate(_beginnings(found), 1)]
    context: dict[str, Any] = {
        "title": _title(found), "answer": answer(found), "moments": [_moment(one) for one in found.moments],
        "judged_by": found.judged_by, "groups": groups, "marked": MARKED,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "svg": lambda plot: Markup(plot.svg),
    }  # fmt: skip
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-trend-", dir=destination.parent) as name:
        made = Path(name)
        frame(found).to_csv(made / "trend.csv", index=False)
        (made / "figures").mkdir()
        for plot in (plot for group in groups for plot in group.plots):
            (made / "figures" / f"{plot.key}.png").write_bytes(plot.png)
        page = html_environment().get_template("trend.html.j2").render(context)
        (made / "index.html").write_text(page, encoding="utf-8")
        text = markdown_environment().get_template("trend.md.j2").render(context)
        (made / "trend.md").write_text(text, encoding="utf-8")
        names = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
        names.sort(key=lambda path: path.name != "index.html")
        for path in reversed(names):
            (destination / path).parent.mkdir(parents=True, exist_ok=True)
            move_file(made / path, destination / path)
    return tuple(destination / path for path in names)


def answer(found: Trend) -> str:
    """What the newest output says, in a sentence."""
    newest = found.moments[-1]
    if newest.outcome is None:
        return "Nothing could be judged: no output has all its runs finished."
    worse = [v for v in newest.outcome.verdicts if v.state == "regressed"]
    against = f"against {found.judged_by}"
    if not worse:
        undecided = sum(v.state in ("missing", "incomparable", "empty") for v in newest.outcome.verdicts)
        open_ = f"; {undecided} could not be compared" if undecided else ""
        return f"In the newest output, {newest.out.name}, nothing got worse {against}{open_}."
    named = ", ".join(_said(found, verdict) for verdict in worse[:3])
    more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
    return f"In the newest output, {newest.out.name}, {named}{more} got worse {against}."


def _said(found: Trend, verdict: Verdict) -> str:
    """ "SSIM of l1 (since n3)": the first output of the last ones that all say so."""
    since = found.moments[-1]
    for moment in reversed(found.moments):
        held = moment.verdict(verdict.row, verdict.metric)
        if held is None or held.state != verdict.state:
            break
        since = moment
    name = f"{info_of(verdict.metric).title} of {verdict.row.rpartition('/')[2]}"
    return name if since is found.moments[-1] else f"{name} (since {since.out.name})"


def frame(found: Trend) -> pd.DataFrame:
    """One row an output, row and metric; verdicts beside values."""
    lines = []
    for line in found.lines:
        for point in line.points:
            moment, cell = found.moments[point.place], point.cell
            verdict = moment.verdict(line.row, line.metric)
            low, high = cell.interval or (None, None)
            lines.append({
                "output": moment.out.name, "created": moment.created, "commits": " ".join(moment.commits),
                "row": line.row, "metric": line.metric, "value": cell.value, "low": low, "high": high,
                "seeds": len(cell.values), "n": cell.n[0], "segment": point.segment,
                "verdict": point.state, "p_value": verdict.p_value if verdict else None,
            })  # fmt: skip
    return pd.DataFrame(lines)


def _title(found: Trend) -> str:
    first, last = found.moments[0].created[:10], found.moments[-1].created[:10]
    days = first if first == last else f"{first} to {last}"
    return f"{len(found.moments)} outputs, {days}"


def _moment(moment: Moment) -> tuple[str, ...]:
    """Output, when, commits, what the gate says."""
    failed = f"; {len(moment.failures)} rows did not finish" if moment.failures else ""
    said = "the baseline" if moment.outcome is None else moment.outcome.summary
    when = f"{moment.created[:16].replace('T', ' ')}"
    return moment.out.name, when, " ".join(moment.commits) or "not recorded", said + failed


def _beginning(row: str) -> str:
    return row.rpartition("/")[0]


def _beginnings(found: Trend) -> list[str]:
    """Data, size and budget of the rows; reference rows, which have no budget, go with all of theirs."""
    alone = list(dict.fromkeys(_beginning(line.row) for line in found.lines))
    return [one for one in alone if not any(other.startswith(f"{one}/") for other in alone)]


def _group(found: Trend, title: str, number: int) -> Group:
    lines = [line for line in found.lines if title == _beginning(line.row) or _is_above(line.row, title)]
    names = {row: row.rpartition("/")[2] for row in dict.fromkeys(line.row for line in lines)}
    with style():
        looked = looks(variant_colours(names.values()))
        key = f"t{number}"
        plots = tuple(finish(one) for one in trend_figures(found.moments, lines, names, looked, key))
    table = tuple(_row(line, names[line.row], found.moments) for line in lines)
    breaks = [
        f"{names[line.row]}, {info_of(line.metric).title}, at {found.moments[place].out.name}: {said}"
        for line in lines
        for place, said in line.breaks
    ]
    return Group(title, table, tuple(breaks), plots)


def _is_above(row: str, title: str) -> bool:
    """Whether a row without a budget belongs to the group of `title`, which has one."""
    return title.startswith(f"{_beginning(row)}/")


def _row(line: Line, name: str, moments: Sequence[Moment]) -> tuple[str, ...]:
    first, last = line.points[0], line.points[-1]
    column = Column(line.metric, info_of(line.metric), "", last.cell.goal, last.cell.protocol)
    change = "–"
    if len(line.points) > 1 and first.segment == last.segment:
        change = f"{last.cell.value - first.cell.value:+.{column.decimals}f}"
    state = (last.state or "") if last.place == len(moments) - 1 else "not in the newest output"
    shown = [_value(column, point) for point in (first, last)]
    return name, f"{column.title} {column.arrow}".strip(), *shown, change, state


def _value(column: Column, point: Point) -> str:
    ends = point.cell.interval
    interval = f" [{column.text(ends[0])}, {column.text(ends[1])}]" if ends else ""
    return f"{column.text(point.cell.value)}{interval}"

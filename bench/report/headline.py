"""The first lines of a report: who leads, by how much, and whether that is real, in words made of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bench.analysis.column import Column
from bench.analysis.differences import Difference, leaves_out_zero
from bench.analysis.sections import Section

PRIMARY = ("fcn_class_iou", "label_class_iou", "fid", "fd_lite0", "ssim", "psnr", "mae")
THEMES = (("fid", "fd_lite0", "kid"), ("ssim", "mae", "psnr"), ("hf_ratio",))  # one sentence each, if there
Standings = Mapping[str, Difference | None]
"""By column: its best variant against the next, None where it is alone."""
OVER = {"images": " over test images", "seeds": " over seeds"}


def headline(section: Section, standings: Standings) -> list[str]:
    """One to four sentences; the first is the main finding."""
    counted = _counted_failures(section)
    if not section.rows and any(entry.record.kind == "run" for entry in section.entries):
        return [f"No run finished{f': {counted}' if counted else ''}."]
    if not section.rows:
        return ["Only reference rows so far: no trained variant has been scored."]
    columns = _chosen(section, standings)
    if not columns and any(map(section.rows_with, section.columns)):
        return ["Only metrics that describe, and do not rank, have values; they stand below."]
    if not columns:
        return ["No metric has a value for any trained variant; the reasons stand below."]
    sentences = [_sentence(section, column, standings[column.id]) for column in columns]
    real = section.real.mean(columns[0]) if section.real else None
    if real is not None:
        sentences[0] += f" Real images score {columns[0].text(real)}."
    return sentences + ([f"Not counted: {counted}."] if counted else [])


def _counted_failures(section: Section) -> str:
    counts = Counter(record.status for record in section.failed)
    return " and ".join(
        f"{count} {'run' if count == 1 else 'runs'} that {'diverged' if status == 'diverged' else 'failed'}"
        for status, count in counts.items()
    )


def _chosen(section: Section, standings: Standings) -> list[Column]:
    """The column of the main finding, then one for each further theme."""
    by_key: dict[str, Column] = {}
    for column in section.columns:
        if column.id in standings:
            by_key.setdefault(column.info.key, column)
    order = [key for key in PRIMARY if key in by_key] or list(by_key)
    if not order:
        return []
    chosen = order[:1]
    for theme in THEMES:
        if chosen[0] not in theme:
            chosen += [key for key in theme if key in by_key][:1]
    return [by_key[key] for key in chosen]


def _sentence(section: Section, column: Column, found: Difference | None) -> str:
    best = section.ranked(column)[0]
    text = column.text(best.value(column))
    if found is None:
        interval = best.cells[column.id].interval
        ends = f" [{', '.join(column.texts(*interval))}]{OVER['images']}" if interval else ""
        words = f", {column.direction_words}" if column.direction_words else ""
        return f"{best.label} reaches {column.title}{words}: {text}{ends}."
    if column.target is not None:
        return _target_sentence(section, column, found)
    other = found.rows[1].label
    if found.distinguishable:
        side = "above" if found.difference > 0 else "below"
        lower = "" if column.goal == "max" else ", where lower is better"
        return f"{best.label} leads on {column.title}{lower}: {text}, {_gap(found)} {side} {other}."
    return (
        f"On {column.title} {best.label} ({text}) and {other} ({column.text(found.b)}) {_undecided(found)}."
    )


def _gap(found: Difference) -> str:
    """ "0.031 [0.012, 0.050] over seeds": by how much the best is ahead; where the metric has a target, how
    much closer to it."""
    column, (interval, over) = found.column, found.quoted
    size, sign = abs(found.difference), 1 if found.difference >= 0 else -1
    if column.target is not None:
        size = column.distance(found.b) - column.distance(found.a)
        # over images the values are on one side of the target; over seeds mean distances are compared
        sign = -1 if over == "seeds" or found.a > column.target else 1
        if over == "seeds" and interval is not None:
            size = -sum(interval) / 2
            sign, size = (sign, size) if size >= 0 or found.distinguishable else (-sign, -size)
    if interval is None:
        return column.texts(size)[0]
    low, high = sorted(sign * end for end in interval)
    gap, *ends = column.texts(size, low, high)
    return f"{gap} [{', '.join(ends)}]{OVER[over]}"


def _undecided(found: Difference, what: str = "they") -> str:
    if found.decided_by == "none":
        return f"differ by {_gap(found)}; one seed and no interval: whether that is a lead is not known"
    interval = found.quoted[0]
    alone = interval is not None and leaves_out_zero(interval)
    among = " once all comparisons of the table are counted" if alone else ""
    return f"cannot be told apart{among}: {what} differ by {_gap(found)}"


def _target_sentence(section: Section, column: Column, found: Difference) -> str:
    words = "as sharp as the real images" if column.info.key == "hf_ratio" else "the target"
    best, rival = found.rows
    farthest = min(section.rows_with(column), key=lambda row: column.merit(row.value(column)))
    on, own, other = f"On {column.title} ({column.goal:g}: {words})", *map(column.text, (found.a, found.b))
    if found.distinguishable:
        said = f"{on} {best.label} comes closest: {own}, {_gap(found)} closer than {rival.label}"
    else:
        whose = "their seeds' mean distances" if found.quoted[1] == "seeds" else "their distances"
        undecided = _undecided(found, f"{whose} from {column.goal:g}")
        said = f"{on} {best.label} ({own}) and {rival.label} ({other}), the closest, {undecided}"
    if farthest is rival:
        return f"{said}{f' ({other})' if found.distinguishable else ''}."
    return f"{said}; {farthest.label} is farthest with {column.text(farthest.value(column))}."

"""The first lines of a report: who leads, by how much, and whether that is real, in words made of numbers."""

from __future__ import annotations

from collections.abc import Mapping

from bench.analysis.differences import Standing
from bench.analysis.table import Column, Section

PRIMARY = ("fcn_class_iou", "label_class_iou", "fid", "fd_lite0", "ssim", "psnr", "mae")
THEMES = (("fid", "fd_lite0", "kid"), ("ssim", "mae", "psnr"), ("hf_ratio",))  # one sentence each, if there
OVER = {"images": " over test images", "seeds": " over seeds"}


def headline(section: Section, standings: Mapping[str, Standing]) -> list[str]:
    """One to four sentences; the first is the main finding."""
    counted = _counted_failures(section)
    if not section.rows:
        runs = [entry for entry in section.entries if entry.record.kind == "run"]
        return (
            [f"No run finished{f': {counted}' if counted else ''}."]
            if runs
            else ["Only reference rows so far: no trained variant has been scored."]
        )
    columns = _chosen(section, standings)
    if not columns:
        described = any(row.cells[c.id].mean is not None for c in section.columns for row in section.rows)
        return [
            "Only metrics that describe, and do not rank, have values; they stand below."
            if described
            else "No metric has a value for any trained variant; the reasons stand below."
        ]
    sentences = [
        _sentence(section, columns[0], standings[columns[0].id]) + _against_real(section, columns[0])
    ]
    sentences += [_sentence(section, column, standings[column.id]) for column in columns[1:]]
    if counted:
        sentences.append(f"Not counted: {counted}.")
    return sentences


def _counted_failures(section: Section) -> str:
    counts: dict[str, int] = {}
    for entry in section.failed:
        counts[entry.record.status] = counts.get(entry.record.status, 0) + 1
    said = []
    for status, count in counts.items():
        runs = "run" if count == 1 else "runs"
        said.append(f"{count} {runs} {'that diverged' if status == 'diverged' else 'that failed'}")
    return " and ".join(said)


def _chosen(section: Section, standings: Mapping[str, Standing]) -> list[Column]:
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


def _sentence(section: Section, column: Column, found: Standing) -> str:
    value = found.best.cells[column.id].mean
    assert value is not None
    if found.runner_up is None:
        return f"{found.best.label} reaches {_of(column)} {column.text(value)}{_interval(column, found)}."
    if column.goal not in ("max", "min"):
        return _target_sentence(section, column, found, value)
    other = found.runner_up.cells[column.id].mean
    assert other is not None
    assert found.difference is not None
    gap = _gap(column, found)
    if found.distinguishable:
        side = "above" if found.difference > 0 else "below"
        lower = "" if column.goal == "max" else ", where lower is better"
        return (
            f"{found.best.label} leads on {column.title}{lower}: {column.text(value)}, "
            f"{gap} {side} {found.runner_up.label}."
        )
    return (
        f"On {column.title} {found.best.label} ({column.text(value)}) and {found.runner_up.label} "
        f"({column.text(other)}) {_undecided(found, gap)}."
    )


def _gap(column: Column, found: Standing) -> str:
    """ "0.031 [0.012, 0.050] over seeds": by how much the best is ahead; where the metric has a target, how
    much closer to it."""
    assert found.runner_up is not None
    assert found.difference is not None
    size, sign = abs(found.difference), 1 if found.difference >= 0 else -1
    if column.goal not in ("max", "min"):
        ours, theirs = (row.cells[column.id].mean for row in (found.best, found.runner_up))
        assert ours is not None
        assert theirs is not None
        size = column.distance(theirs) - column.distance(ours)
        # over images the values lie on one side of the target; over seeds mean distances are compared
        sign = -1 if found.over == "seeds" or ours > float(column.goal) else 1
        if found.over == "seeds" and found.interval is not None:
            size = -sum(found.interval) / 2
            sign, size = (sign, size) if size >= 0 or found.distinguishable else (-sign, -size)
    if found.interval is None:
        return column.texts(size)[0]
    low, high = sorted(sign * end for end in found.interval)
    gap, *ends = column.texts(size, low, high)
    return f"{gap} [{', '.join(ends)}]{OVER[found.over]}"


def _undecided(found: Standing, gap: str, what: str = "they") -> str:
    if found.basis == "none":
        return f"differ by {gap}; one seed and no interval: whether that is a lead is not known"
    alone = found.interval is not None and (found.interval[0] > 0 or found.interval[1] < 0)
    among = " once all comparisons of the table are counted" if alone else ""
    return f"cannot be told apart{among}: {what} differ by {gap}"


def _target_sentence(section: Section, column: Column, found: Standing, value: float) -> str:
    words = "as sharp as the real images" if column.info.key == "hf_ratio" else "the target"
    known = [(cell.mean, row) for row in section.rows if (cell := row.cells[column.id]).mean is not None]
    farthest_value, farthest = min(known, key=lambda pair: column.merit(pair[0]))
    assert found.runner_up is not None
    other, rival = found.runner_up.cells[column.id].mean, found.runner_up.label
    assert other is not None
    on, gap = f"On {column.title} ({column.goal:g}: {words})", _gap(column, found)
    if found.distinguishable:
        said = f"{on} {found.best.label} comes closest: {column.text(value)}, {gap} closer than {rival}"
    else:
        whose = "their seeds' mean distances" if found.over == "seeds" else "their distances"
        said = (
            f"{on} {found.best.label} ({column.text(value)}) and {rival} ({column.text(other)}), the "
            f"closest, {_undecided(found, gap, f'{whose} from {column.goal:g}')}"
        )
    if farthest is found.runner_up:
        return f"{said}{f' ({column.text(other)})' if found.distinguishable else ''}."
    return f"{said}; {farthest.label} is farthest with {column.text(farthest_value)}."


def _of(column: Column) -> str:
    words = f", {column.direction_words}" if column.direction_words else ""
    return f"{column.title}{words}:"


def _interval(column: Column, found: Standing) -> str:
    interval = found.best.cells[column.id].interval
    return f" [{', '.join(column.texts(*interval))}]{OVER['images']}" if interval else ""


def _against_real(section: Section, column: Column) -> str:
    real = next((row for row in section.references if row.label == "real"), None)
    value = real.cells[column.id].mean if real else None
    return "" if value is None else f" Real images score {column.text(value)}."

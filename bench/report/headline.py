"""The first sentences of a report: who is best at what, by how much, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bench.analysis.column import Column
from bench.analysis.differences import Difference, leaves_out_zero
from bench.analysis.questions import PEOPLE, QUESTIONS, headline_columns, question_of
from bench.analysis.readings import blind_columns, blind_statements
from bench.analysis.sections import Section

Standings = Mapping[str, Difference | None]
"""By column: its best variant against the next, None where it is alone."""
OVER = {"images": "over test images", "seeds": "over seeds"}


def headline(section: Section, standings: Standings) -> list[str]:
    """The main finding first, then one sentence or two for each further question.

    A column whose judge cannot tell comes last, behind the sentence that says so.
    """
    counted = _counted_failures(section)
    if not section.rows and any(entry.record.kind == "run" for entry in section.entries):
        return [f"No run finished{f': {counted}' if counted else ''}."]
    if not section.rows:
        return ["There are only reference rows so far: no variant has been scored."]
    columns = _chosen(section, standings)
    if not columns and any(map(section.rows_with, section.columns)):
        return ["Only metrics that describe, and do not rank, have values. They stand below."]
    if not columns:
        return ["No metric has a value for any variant. The reasons stand below."]
    blind = blind_columns(section)
    clear = [column for column in columns if column.id not in blind]
    sentences = [_finding(section, column, standings[column.id]) for column in clear]
    if len(clear) < len(columns):
        sentences += blind_statements(section)
        sentences += [_finding(section, c, standings[c.id]) for c in columns if c.id in blind]
    return sentences + ([f"Not counted: {counted}."] if counted else [])


def one_seed(section: Section) -> list[str]:
    """What must be known of findings that rest on one seed: a sentence, or none."""
    counts = {len(row.seeds) for row in section.rows}
    said = "Each variant was trained with one seed: another seed may give another order."
    return [said] if counts == {1} and len(section.rows) > 1 else []


def _counted_failures(section: Section) -> str:
    counts = Counter(record.status for record in section.failed)
    return " and ".join(
        f"{count} {'run' if count == 1 else 'runs'} that {'diverged' if status == 'diverged' else 'failed'}"
        for status, count in counts.items()
    )


def _chosen(section: Section, standings: Standings) -> list[Column]:
    """A column for each question; where no question has one, the first that ranks."""
    ranking = [column for column in section.columns if column.id in standings]
    found = [headline_columns(question, ranking)[:1] for question in QUESTIONS]
    return [column for held in found for column in held] or ranking[:1]


def _finding(section: Section, column: Column, found: Difference | None) -> str:
    if found is None:
        return _alone(section, column)
    said = _clear(found) if found.distinguishable else _undecided(found)
    farthest = min(section.rows_with(column), key=lambda row: column.merit(row.value(column)))
    if column.target is not None and farthest is not found.rows[1]:
        said += f" {farthest.label} is farthest away, with {column.text(farthest.value(column))}."
    real = section.real.mean(column) if section.real else None
    return said if real is None else f"{said} Real images score {column.text(real)}."


def _alone(section: Section, column: Column) -> str:
    best = section.ranked(column)[0]
    interval, ends = "", best.cells[column.id].interval
    if ends is not None:
        interval = f" (95 % interval {_over(column, 'images')}: {' to '.join(column.texts(*ends))})"
    words = column.direction_words
    better = f"{words[:1].upper()}{words[1:]}. " if words else ""
    other = "No other variant has a value." if len(section.rows) > 1 else "There is no other variant."
    return (
        f"{best.label} scores {column.text(best.value(column))} on {column.title}{interval}. {better}{other}"
    )


def _clear(found: Difference) -> str:
    """ "a has the best SSIM: 0.512, which is 0.031 above b (95 % interval over seeds: 0.012 to 0.050)." """
    column, other = found.column, found.rows[1].label
    gap, interval = _gap(found)
    if column.target is not None:
        kind, side = (
            f"best (closest to {column.target:g})",
            f"closer than {other} with {column.text(found.b)}",
        )
    else:
        kind = "best" if column.goal == "max" else "best (lowest)"
        side = f"{'above' if found.difference > 0 else 'below'} {other}"
    return (
        f"{found.rows[0].label} has the {kind} {column.title}: {column.text(found.a)}, which is {gap} "
        f"{side}{interval}."
    )


def _undecided(found: Difference) -> str:
    """That nobody can tell who is best comes first, then the numbers."""
    column, (best, other) = found.column, found.rows
    gap, interval = _gap(found)
    first = f"No clear winner on {column.title}{_aim(column)}"
    names = f"{best.label} ({column.text(found.a)})", f"{other.label} ({column.text(found.b)})"
    if found.decided_by == "none":
        differ = f"{' and '.join(names)} differ by {gap}"
        without = "one seed and no interval" if any(row.seeds for row in found.rows) else "no interval"
        return f"{first}: {differ}, but with {without} that may be chance."
    over = found.quoted[1] or found.decided_by
    what = "They differ"
    if column.target is not None:
        means = "Their seeds' mean distances" if over == "seeds" else "Their distances"
        what = f"{means} from {column.target:g} differ"
    alone = found.quoted[0] is not None and leaves_out_zero(found.quoted[0])
    among = ": not clear once all comparisons of the table are counted" if alone else ""
    told = f"{_count(found, over)} cannot tell {' from '.join(names)}"
    return f"{first}: {told}. {what} by {gap}{interval}{among}."


def _aim(column: Column) -> str:
    return "" if column.target is None else f" ({column.target:g} is best)"


def _count(found: Difference, over: str) -> str:
    """ "3 seeds", "40 test images": what a difference was looked for in."""
    if over == "images":
        return "these raters" if _of_people(found.column) else f"{found.n} test images"
    few, many = sorted(found.seeds)
    return f"{few} seeds" if few == many else f"{few} to {many} seeds"


def _gap(found: Difference) -> tuple[str, str]:
    """By how much the best is ahead (where the metric has a target: closer to it), and the interval of that.

    ("0.031", " (95 % interval over seeds: 0.012 to 0.050)"); no interval: "".
    """
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
        return column.texts(size)[0], ""
    gap, *ends = column.texts(size, *sorted(sign * end for end in interval))
    return gap, f" (95 % interval {_over(column, over)}: {' to '.join(ends)})"


def _over(column: Column, over: str) -> str:
    """What an interval is over; of what people said, over the raters too."""
    return "over raters and images" if over == "images" and _of_people(column) else OVER[over]


def _of_people(column: Column) -> bool:
    return question_of(column.info.key) is PEOPLE

"""What must be read beside the numbers of a table, in sentences: fitness, trivial rows, close calls."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.cell import Cell
from bench.analysis.column import Column
from bench.analysis.differences import BEST_COMPARED, MAX_COMPARED, Difference
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.analysis.trained_on import leans_on
from bench.records.record import RunRecord
from bench.scoring.judges.fitness import KEYS, cannot_tell, clearly_above, fitness, listed

_BLIND = "cannot tell"  # words of a statement of `fitness` on what a judge does not see
TRIVIAL = ("copy", "nearest", "random")
_SAID_PAIRS = 12  # pairs that are listed
_IN_A_SENTENCE = 3  # so many entries of that list at most


def fitness_statements(section: Section) -> list[str]:
    """What may be read out of the FCN scores.

    From the values shown, so that runs of one finding share a sentence; for runs whose judge has no `real`
    row in the section, what their own records say.
    """
    reals = _judged_reals(section)
    said: list[str] = []
    for judge, real in reals.items():
        scored = _scored_by(section, judge)
        said += fitness(real, scored) if scored else []
    for record in section.finished:
        own = record.details.get("fitness")
        said += map(str, own) if isinstance(own, list) and _judge(record) not in reals else ()
    return list(dict.fromkeys(said))


def blind_statements(section: Section) -> list[str]:
    """Those of the statements that say what a judge cannot tell."""
    return [said for said in fitness_statements(section) if _BLIND in said]


def blind_columns(section: Section) -> set[str]:
    """Ids of the columns whose judge cannot tell the images of a variant in them from real photos."""
    columns = [column for column in section.columns if column.info.key in KEYS]
    reals = _judged_reals(section)
    found = set()
    for judge, real in reals.items():
        blind = cannot_tell(real, _scored_by(section, judge))
        found |= {
            column.id
            for column in columns
            for row in section.rows_with(column)
            if row.variant in blind.get(column.info.key, ()) and _judge(row.first) == judge
        }
    for column in columns:  # by what their own records say, where there is no real row
        for row in section.rows_with(column):
            own = row.first.details.get("fitness")
            if isinstance(own, list) and _judge(row.first) not in reals:
                found |= {column.id for said in map(str, own) if _BLIND in said and _names(said, column)}
    return found


def _names(said: str, column: Column) -> bool:
    return column.info.title in said or "all three FCN scores" in said


def _judged_reals(section: Section) -> dict[str, RunRecord]:
    """The record of the real row, by the judge that scored it."""
    rows = [r for r in section.finished if r.kind != "run" and r.label == "real"]
    return {judge: row for row in rows if (judge := _judge(row))}


def _scored_by(section: Section, judge: str) -> list[RunRecord]:
    runs = [entry.record for row in section.rows for entry in row.entries]
    return [run for run in runs if _judge(run) == judge]


def _judge(record: RunRecord) -> str | None:
    return (record.details.get("judge") or {}).get("hash")


def trivial_statements(section: Section) -> list[str]:
    """On which metrics a trivial row beats every trained variant: at most one sentence.

    It does where its value is better than all of theirs, beyond the 95 % intervals that there are. Of
    several trivial rows that do, the best one is named.
    """
    beaten: dict[str, list[tuple[str, str]]] = {}
    for column in section.columns:
        found = trivial_winner(section, column)
        if found is not None:
            beaten.setdefault(found.label, []).append((column.title, column.text(found.value(column))))
    if not beaten:
        return []
    parts = [
        f"The trivial row {label} beats every variant on "
        f"{listed([f'{one} with {text}' for one, text in pairs])}."
        for label, pairs in beaten.items()
    ]
    them = "it" if sum(map(len, beaten.values())) == 1 else "them"
    trained = all("steps" in e.record.spec.get("training", {}) for row in section.rows for e in row.entries)
    learnt = [f"At this budget no variant has learnt {them}."] * trained
    return [" ".join([*parts, *learnt])]


def trivial_winner(section: Section, column: Column) -> Row | None:
    """The best trivial row that beats all variants with a value in a column that ranks, if any does."""
    if not column.info.ranks:
        return None
    theirs = [row.cells[column.id] for row in section.rows if row.mean(column) is not None]
    winners = [
        row
        for row in section.references
        if row.label in TRIVIAL and row.mean(column) is not None and theirs
        if all(clearly_above(_merits(column, row.cells[column.id]), _merits(column, cell)) for cell in theirs)
    ]
    return max(winners, key=lambda row: column.merit(row.value(column)), default=None)


def _merits(column: Column, cell: Cell) -> list[float]:
    """Merits of a cell's value and the ends of its interval, and of the target where that is within."""
    low, high = cell.interval or (cell.value, cell.value)
    within = column.target is not None and low <= column.target <= high
    return [column.merit(value) for value in (low, high, cell.value, *((column.target,) if within else ()))]


def name_statements(section: Section) -> list[str]:
    """Rows that also answer for other names that were asked for: at most one sentence."""
    asked: dict[str, dict[str, None]] = {}
    for row in section.rows:
        for entry in row.entries:
            if isinstance(names := entry.record.details.get("also"), list) and names:
                asked.setdefault(row.label, {}).update(dict.fromkeys(map(str, names)))
    said = [f"{label} (also asked for as {listed(list(names))})" for label, names in asked.items()]
    return [f"One system under several names: {'; '.join(said)}."] if said else []


def undecided(section: Section, found: Sequence[Difference]) -> tuple[list[str], list[str]]:
    """Which differences of a table are not distinguishable, in words.

    Returns:
        At most two sentences; and the pairs with their metrics, where they are too many for a sentence.
    """
    said = []
    if len(section.rows) > MAX_COMPARED:
        said.append(
            f"Of the {len(section.rows)} variants, the best {BEST_COMPARED} of each column are compared with "
            "one another."
        )
    compared = [one for one in found if one.p_value is not None]
    pairs: dict[tuple[str, str], list[str]] = {}
    for one in compared:
        if not one.distinguishable:
            a, b = sorted(row.label for row in one.rows)
            pairs.setdefault((a, b), []).append(one.column.title)
    listed = _listed_pairs(pairs, compared)
    few = len(listed) <= _IN_A_SENTENCE
    if pairs:
        count = sum(map(len, pairs.values()))
        said.append(
            f"Not clear at 5 %, after Holm's correction over the table's {len(compared)} differences: "
            f"{'; '.join(listed) if few else f'{count} of them'}."
        )
    return said, [] if few else listed


def _listed_pairs(pairs: dict[tuple[str, str], list[str]], compared: Sequence[Difference]) -> list[str]:
    """["a and b on SSIM, MAE", "a and c on all 14 metrics"]; pairs with the same metrics share an entry."""
    together: dict[tuple[str, ...], list[str]] = {}
    for (a, b), titles in pairs.items():
        together.setdefault(tuple(titles), []).append(f"{a} and {b}")
    count = len({one.column.id for one in compared})
    said, left = [], _SAID_PAIRS
    for metrics, names in together.items():
        if left <= 0:
            break
        where = f"all {count} metrics" if len(metrics) == count > 3 else ", ".join(metrics)
        said.append(f"{', '.join(names[:left])} on {where}")
        left -= len(names)
    more = len(pairs) - _SAID_PAIRS
    return said + ([f"and {more} more pairs, see differences.csv"] if more > 0 else [])


def cautions(section: Section) -> list[str]:
    """What records say must be read beside a number, such as an N below the number of features."""
    said: dict[str, None] = {}
    for column in section.columns:
        for row in section.all_rows:
            for entry in row.entries:
                detail = entry.record.details.get(column.info.key)
                caution = detail.get("caution") if isinstance(detail, dict) else None
                if caution and row.mean(column) is not None:
                    said[f"{column.title}: {caution}."] = None
    return [*said, *training_statements(section), *leaning_statements(section)]


def training_statements(section: Section) -> list[str]:
    """What records warn of in their trainings: a sentence for each variant and sign."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in section.rows:
        for entry in row.entries:
            for warning in entry.record.details.get("training_warnings", ()):
                steps = f"{warning['from_step']:,} to {warning['to_step']:,}"
                found.setdefault((row.label, str(warning["sign"])), {})[steps] = None
    return [
        f"Training of {label}: {sign} (steps {', '.join(steps)})." for (label, sign), steps in found.items()
    ]


def leaning_statements(section: Section) -> list[str]:
    """Which variants were trained on features that a judge starts from: a sentence for each judge."""
    found: dict[str, dict[str, None]] = {}
    for column in section.columns:
        for row in section.rows_with(column):
            if leans_on(row, column):
                found.setdefault(str(column.protocol["judge"]), {})[row.label] = None
    said = []
    for judge, labels in found.items():
        was, them = ("was", "it") if len(labels) == 1 else ("were", "them")
        said.append(
            f"The judge {judge} starts from the features that {listed(list(labels))} {was} trained on: its "
            f"scores of {them} may be too high."
        )
    return said

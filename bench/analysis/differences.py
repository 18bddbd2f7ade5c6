"""Which differences between variants are real: all pairs of a table, corrected for how many there are.

In a table of more than `MAX_COMPARED` variants, all pairs among the best `BEST_COMPARED` of each column.

The rule, as pages state it: two variants differ in a metric if

1. the paired bootstrap over the same test images says so at 5 %, after Holm's correction over all pairs and
   metrics of the table; where values by image are not at hand, their own intervals over test images stand in
   (as if of independent images, which is cautious); and
2. where both have several seeds, the 95 % interval of their difference over seeds leaves out 0.

A test that has nothing to go by is left out, and seeds alone then count in the first place; where both have
nothing, no difference is claimed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.analysis.pairing import paired_over_seeds
from bench.analysis.table import Cell, Column, Row, Section
from bench.core.bootstrap import holm, two_sided_p
from bench.core.seed_stats import SeedDifference, welch

Interval = tuple[float, float]
ALPHA = 0.05
MAX_COMPARED, BEST_COMPARED = 24, 6
_SAID_PAIRS = 12  # pairs that are listed
_IN_A_SENTENCE = 3  # so many entries of that list at most
_WIDTH = 2 * 1.959964  # of a 95 % interval, in standard errors


@dataclass(frozen=True)
class Difference:
    """Two rows in a column.

    Attributes:
        column: the metric.
        first, second: the rows.
        difference: first minus second, in the metric's own unit and sign.
        interval: 95 % interval over test images, or None where values by image are not at hand.
        seeds: the difference over seeds (Welch 1947), None below two seeds each; where the metric has a
            target, of the mean distances from it.
        p_value: of no difference, over test images, else over seeds; None: nothing to go by.
        corrected: that p-value after Holm's correction over the table.
        basis: where the p-value comes from: "images", "seeds", "none".
    """

    column: Column
    first: Row
    second: Row
    difference: float
    interval: Interval | None
    seeds: SeedDifference | None
    p_value: float | None
    basis: str
    corrected: float | None = None

    @property
    def over_seeds(self) -> Interval | None:
        """95 % interval over seeds."""
        return None if self.seeds is None else self.seeds.interval

    @property
    def by_images(self) -> bool | None:
        """Whether the test images can tell; None: unknown."""
        return None if self.basis != "images" or self.corrected is None else self.corrected <= ALPHA

    @property
    def distinguishable(self) -> bool:
        """By the rule above."""
        if self.corrected is None or self.corrected > ALPHA:
            return False
        return self.over_seeds is None or leaves_out_zero(self.over_seeds)


@dataclass(frozen=True)
class Standing:
    """The best of a column against the next.

    Attributes:
        best, runner_up: the rows; no runner-up where a single row has a value.
        difference: best minus runner-up, in the metric's own unit and sign.
        interval: 95 % interval of the difference: of those over test images and over seeds the one that
            holds 0, else the wider one; None where there is neither. Over seeds, where the metric has a
            target, it is that of the distances from it.
        over: what `interval` is over: "images", "seeds", or "" without one.
        distinguishable: by the rule above.
        basis: what decided: "images", "seeds", or "none" (nothing to go by).
    """

    best: Row
    runner_up: Row | None
    difference: float | None
    interval: Interval | None
    over: str
    distinguishable: bool
    basis: str


def differences(section: Section) -> list[Difference]:
    """All pairs that are compared (see above) in all columns, best first, with corrected p-values."""
    many = len(section.rows) > MAX_COMPARED
    found = [
        difference(column, first, second)
        for column in section.columns
        for first, second in itertools.combinations(
            _ranked(section, column)[: BEST_COMPARED if many else None], 2
        )
    ]
    known = [(place, one.p_value) for place, one in enumerate(found) if one.p_value is not None]
    for (place, _), corrected in zip(known, holm([p_value for _, p_value in known]), strict=True):
        found[place] = replace(found[place], corrected=corrected)
    return found


def standing(section: Section, column: Column, known: Sequence[Difference] | None = None) -> Standing | None:
    """The standing of the trained variants in a column.

    None where none has a value, or where the metric describes and does not rank.

    Args:
        section: the table.
        column: of the table.
        known: what `differences` found; found here when not given.
    """
    ranked = _ranked(section, column) if column.info.ranks else []
    if not ranked:
        return None
    if len(ranked) == 1:
        return Standing(ranked[0], None, None, None, "", False, "none")
    known = differences(section) if known is None else known
    best, other = ranked[:2]
    found = next(one for one in known if one.column is column and one.first is best and one.second is other)
    seeds_decide = (
        found.over_seeds is not None
        and found.by_images is not False
        and not (found.by_images and found.distinguishable)
    )
    interval, over = _quoted(found)
    basis = "seeds" if seeds_decide else found.basis
    return Standing(best, other, found.difference, interval, over, found.distinguishable, basis)


def _quoted(found: Difference) -> tuple[Interval | None, str]:
    """The more cautious interval of a difference, and what it is over."""
    both = ((found.interval, "images"), (found.over_seeds, "seeds"))
    known = [(interval, over) for interval, over in both if interval is not None]
    return max(
        known, key=lambda one: (not leaves_out_zero(one[0]), one[0][1] - one[0][0]), default=(None, "")
    )


def _ranked(section: Section, column: Column) -> list[Row]:
    """The trained variants with a value in the column, best first."""
    valued = [(cell.mean, row) for row in section.rows if (cell := row.cells[column.id]).mean is not None]
    valued.sort(key=lambda pair: column.merit(pair[0]), reverse=True)
    return [row for _, row in valued]


def difference(column: Column, first: Row, second: Row) -> Difference:
    """Two rows with a value in the column, whoever is better; its p-value is not corrected."""
    ours, theirs = first.cells[column.id], second.cells[column.id]
    assert ours.mean is not None
    assert theirs.mean is not None
    gap = ours.mean - theirs.mean
    seeds = _over_seeds(column, ours, theirs)
    paired = paired_over_seeds(first, second, column) if _one_sided(column, ours, theirs) else None
    if paired is not None and paired.p_value is not None:
        return Difference(column, first, second, gap, paired.interval, seeds, paired.p_value, "images")
    apart = _p_from_intervals(column, ours, theirs)
    if apart is not None:
        return Difference(column, first, second, gap, None, seeds, apart, "images")
    p_value, basis = (None, "none") if seeds is None else (seeds.p_value(), "seeds")
    return Difference(column, first, second, gap, None, seeds, p_value, basis)


def _one_sided(column: Column, ours: Cell, theirs: Cell) -> bool:
    """Whether a difference of values is one of merit: always, but where a target may lie between them."""
    if column.goal in ("max", "min"):
        return True
    ends = [end - float(column.goal) for cell in (ours, theirs) for end in cell.interval or ()]
    return len(ends) == 4 and (min(ends) > 0 or max(ends) < 0)


def leaves_out_zero(interval: Interval) -> bool:
    return interval[0] > 0 or interval[1] < 0


def _p_from_intervals(column: Column, ours: Cell, theirs: Cell) -> float | None:
    """p-value of two values with intervals, as if of independent images; None where one has none.

    Where the metric has a target, of the distances from it.
    """
    if ours.interval is None or theirs.interval is None or ours.mean is None or theirs.mean is None:
        return None
    gap = ours.mean - theirs.mean
    if column.goal not in ("max", "min"):
        gap = column.distance(ours.mean) - column.distance(theirs.mean)
    widths = [interval[1] - interval[0] for interval in (ours.interval, theirs.interval)]
    freedom = max(1, min((*ours.n, *theirs.n), default=2) - 1)
    return two_sided_p(gap, math.hypot(*widths) / _WIDTH, freedom)


def _over_seeds(column: Column, ours: Cell, theirs: Cell) -> SeedDifference | None:
    """Of the means over seeds; where the metric has a target, of the mean distances from it."""
    aimed = column.goal not in ("max", "min")
    a, b = ([column.distance(value) if aimed else value for value in cell.values] for cell in (ours, theirs))
    return welch(a, b)


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
            labels = sorted((one.first.label, one.second.label))
            pairs.setdefault((labels[0], labels[1]), []).append(one.column.title)
    listed = _listed_pairs(pairs, compared)
    few = len(listed) <= _IN_A_SENTENCE
    if pairs:
        count = sum(map(len, pairs.values()))
        said.append(
            "Not distinguishable at 5 %, after Holm's correction over the table's "
            f"{len(compared)} differences: {'; '.join(listed) if few else f'{count} of them'}."
        )
    return said, [] if few else listed


def _listed_pairs(pairs: dict[tuple[str, str], list[str]], compared: Sequence[Difference]) -> list[str]:
    """["a and b on SSIM, L1", "a and c on all 14 metrics"]; pairs that share their metrics share an entry."""
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
                if caution and row.cells[column.id].mean is not None:
                    said[f"{column.title}: {caution}."] = None
    return list(said)

"""Which differences between rows are real: all pairs of a table, corrected for how many there are.

In a table of more than `MAX_COMPARED` variants, all pairs among the best `BEST_COMPARED` of each column.

The rule, as pages state it: two variants differ in a metric if

1. the paired bootstrap over the same test images says so at 5 %, after Holm's correction over all pairs and
   metrics of the table; without values by image, their own intervals over test images stand in (as if of
   independent images, which is cautious); and
2. where both have several seeds, the 95 % interval of their difference over seeds leaves out 0.

A test that has nothing to go by is left out, and seeds alone then count in the first place; where both have
nothing, no difference is claimed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.analysis.by_image import paired
from bench.analysis.cell import Cell
from bench.analysis.column import Column
from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.core.bootstrap import Interval, PairedDifference, holm, two_sided_p
from bench.core.seed_stats import SeedDifference, welch

ALPHA = 0.05
NORMAL = 1.959964  # half of a 95 % interval, in standard errors
MAX_COMPARED, BEST_COMPARED = 24, 6


@dataclass(frozen=True)
class Difference:
    """Two values of a metric, and how well their difference is known.

    Attributes:
        column: the metric.
        first: a row.
        second: another, or a number without uncertainty.
        difference: first minus second, in the metric's own unit and sign.
        interval: 95 % interval over the same test images, or None.
        by_seed: the difference over seeds (Welch 1947), None below two seeds each; where the metric has a
            target, of the mean distances from it.
        p_value: of no difference, over test images, else over seeds; None: nothing to go by.
        basis: where the p-value comes from: "images", "seeds", "none".
        corrected: that p-value after Holm's correction over all differences of a table.
    """

    column: Column
    first: Row
    second: Row | float
    difference: float
    interval: Interval | None
    by_seed: SeedDifference | None
    p_value: float | None = None
    basis: str = "none"
    corrected: float | None = None

    @property
    def rows(self) -> list[Row]:
        """Both, or the one beside the number."""
        return [row for row in (self.first, self.second) if isinstance(row, Row)]

    @property
    def cells(self) -> list[Cell]:
        return [row.cells[self.column.id] for row in self.rows]

    @property
    def row(self) -> str:
        """Their label, or "first / second" where they differ."""
        return " / ".join(dict.fromkeys(row.label for row in self.rows))

    @property
    def metric(self) -> str:
        return self.column.id

    @property
    def a(self) -> float:
        return self.cells[0].value

    @property
    def b(self) -> float:
        return self.cells[1].value if isinstance(self.second, Row) else self.second

    @property
    def n(self) -> int:
        """Test images."""
        return min((n for cell in self.cells for n in cell.n), default=0)

    @property
    def seeds(self) -> tuple[int, int]:
        """How many of each side; 0 of a second one that was not trained."""
        trained = isinstance(self.second, Row) and self.second.kind == "run"
        return len(self.cells[0].values), len(self.cells[1].values) if trained else 0

    @property
    def over_seeds(self) -> Interval | None:
        """95 % interval over seeds."""
        return None if self.by_seed is None else self.by_seed.interval

    @property
    def distinguishable(self) -> bool:
        """By the rule above."""
        if self.corrected is None or self.corrected > ALPHA:
            return False
        return self.over_seeds is None or leaves_out_zero(self.over_seeds)

    @property
    def decided_by(self) -> str:
        """ "seeds" where the p-value rests on them, or the images can tell and they cannot; else `basis`."""
        by_images = self.basis == "images" and self.corrected is not None and self.corrected <= ALPHA
        return "seeds" if by_images and not self.distinguishable else self.basis

    @property
    def quoted(self) -> tuple[Interval | None, str]:
        """The more cautious interval, and what it is over: the one that holds 0, else the wider one."""
        both = ((self.interval, "images"), (self.over_seeds, "seeds"))
        known = [(interval, over) for interval, over in both if interval is not None]
        return max(
            known, key=lambda one: (not leaves_out_zero(one[0]), one[0][1] - one[0][0]), default=(None, "")
        )


def differences(section: Section) -> list[Difference]:
    """All pairs that are compared (see above) in all columns, best first, with corrected p-values."""
    most = BEST_COMPARED if len(section.rows) > MAX_COMPARED else None
    return corrected(
        [
            difference(column, first, second)
            for column in section.columns
            for first, second in itertools.combinations(section.ranked(column)[:most], 2)
        ]
    )


def corrected(found: Sequence[Difference]) -> list[Difference]:
    """The differences with their p-values corrected over all of them (Holm)."""
    known = iter(holm([one.p_value for one in found if one.p_value is not None]))
    return [one if one.p_value is None else replace(one, corrected=next(known)) for one in found]


def difference(column: Column, first: Row, second: Row) -> Difference:
    """Two rows with a value in the column, whoever is better; its p-value is not corrected."""
    ours, theirs = first.cells[column.id], second.cells[column.id]
    by_seed = _over_seeds(column, ours, theirs)
    found = Difference(column, first, second, ours.value - theirs.value, None, by_seed)
    over_images = paired_rows(column, first, second) if _one_sided(column, ours, theirs) else None
    if over_images is not None and over_images.p_value is not None:
        return replace(found, interval=over_images.interval, p_value=over_images.p_value, basis="images")
    apart = _p_from_intervals(column, ours, theirs)
    if apart is not None:
        return replace(found, p_value=apart, basis="images")
    return found if by_seed is None else replace(found, p_value=by_seed.p_value(), basis="seeds")


def paired_rows(column: Column, first: Row, second: Row) -> PairedDifference | None:
    """Over the same test images, scores averaged over seeds; None where a seed lacks its values by image."""
    if not (first.complete(column) and second.complete(column)):
        return None
    return paired(first.by_image, second.by_image, column.info.key)


def standing(
    section: Section, column: Column, known: Sequence[Difference] | None = None
) -> Difference | None:
    """The best trained variant in a column against the next; None where fewer than two have a value.

    Args:
        section: the table.
        column: of the table.
        known: what `differences` found; found here when not given.
    """
    ranked = section.ranked(column)[:2]
    known = differences(section) if known is None else known
    return next((one for one in known if one.column is column and one.rows == ranked), None)


def leaves_out_zero(interval: Interval) -> bool:
    return interval[0] > 0 or interval[1] < 0


def half_width(ours: Cell, theirs: Cell) -> float | None:
    """Half of a 95 % interval of a difference, from the intervals of both values as if of independent images.

    None where one has none. For the same images it is cautious.
    """
    if ours.interval is None or theirs.interval is None:
        return None
    return math.hypot(*(high - low for low, high in (ours.interval, theirs.interval))) / 2


def standard_error(half: float) -> float:
    """From half of a 95 % interval."""
    return half / NORMAL


def freedom(*cells: Cell) -> int:
    """Degrees of freedom of an error over the test images of these cells: those of the smallest N."""
    return max(1, min((n for cell in cells for n in cell.n), default=2) - 1)


def _one_sided(column: Column, ours: Cell, theirs: Cell) -> bool:
    """Whether a difference of values is one of merit: always, but where a target may be between them."""
    if column.target is None:
        return True
    ends = [end - column.target for cell in (ours, theirs) for end in cell.interval or ()]
    return len(ends) == 4 and (min(ends) > 0 or max(ends) < 0)


def _p_from_intervals(column: Column, ours: Cell, theirs: Cell) -> float | None:
    """p-value of two values by their intervals; where the metric has a target, of the distances from it."""
    half = half_width(ours, theirs)
    if half is None:
        return None
    values = ours.value, theirs.value
    a, b = values if column.target is None else map(column.distance, values)
    return two_sided_p(a - b, standard_error(half), freedom(ours, theirs))


def _over_seeds(column: Column, ours: Cell, theirs: Cell) -> SeedDifference | None:
    """Of the means over seeds; where the metric has a target, of the mean distances from it."""
    aimed = column.target is not None
    a, b = ([column.distance(value) if aimed else value for value in cell.values] for cell in (ours, theirs))
    return welch(a, b)

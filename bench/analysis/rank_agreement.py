"""How alike two judges rank the variants: Kendall's tau, with an interval over test images and seeds.

Kendall 1938: the share of pairs of variants that both put in the same order, minus the share that they put in
opposite orders; a pair that one of them ties counts for neither. The interval is a percentile bootstrap: test
images are drawn for all variants and both judges alike, seeds for each variant. With one seed it says nothing
about seeds.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.column import info_of
from bench.analysis.panel import Seat, column_of
from bench.core.bootstrap import REPLICATES, Interval
from bench.records.panel import SCORES

Floats = NDArray[np.float64]
_LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau between two judges.

    Attributes:
        key: of the score.
        judges: names of both.
        variants: how many are ranked.
        seeds: fewest seeds of a variant.
        n: test images.
        tau: -1 (opposite orders) to 1 (the same order).
        interval: 95 %; None without values by image.
    """

    key: str
    judges: tuple[str, str]
    variants: int
    seeds: int
    n: int
    tau: float
    interval: Interval | None

    @property
    def words(self) -> str:
        """One sentence."""
        ends = "" if self.interval is None else f" [{self.interval[0]:.2f}, {self.interval[1]:.2f}]"
        over = f"{self.seeds} seeds" if self.seeds > 1 else "one seed"
        return (
            f"{info_of(self.key).title}: {self.judges[0]} and {self.judges[1]} rank {self.variants} variants "
            f"with Kendall's tau {self.tau:.2f}{ends} over {self.n} images and {over}"
        )


def kendall(a: Floats, b: Floats) -> Floats:
    """Tau of each replicate: (R, V) and (R, V) values of V variants -> (R,)."""
    first, second = np.triu_indices(a.shape[-1], k=1)
    signs = np.sign(a[:, first] - a[:, second]) * np.sign(b[:, first] - b[:, second])
    mean: Floats = signs.mean(axis=1)
    return mean


def rank_agreements(found: Sequence[Seat]) -> list[RankAgreement]:
    """Of every two judges in every score that both gave to two variants or more."""
    drawn = [_replicates(seat) for seat in found]
    made = []
    for (one, ours), (other, theirs) in itertools.combinations(zip(found, drawn, strict=True), 2):
        for key in SCORES:
            columns = column_of(one.section, key), column_of(other.section, key)
            if columns[0] is None or columns[1] is None:
                continue
            values = [
                {row.label: row.value(column) for row in seat.section.rows_with(column)}
                for seat, column in zip((one, other), columns, strict=True)
                if column is not None
            ]
            labels = [label for label in values[0] if label in values[1]]
            if len(labels) < 2:
                continue
            a, b = (np.array([[known[label] for label in labels]]) for known in values)
            cells = [row.cells[columns[0].id] for row in one.section.rows if row.label in labels]
            made.append(
                RankAgreement(
                    key,
                    (one.name, other.name),
                    len(labels),
                    min(len(cell.values) for cell in cells),
                    min(n for cell in cells for n in cell.n),
                    float(kendall(a, b)[0]),
                    _interval(ours, theirs, key, labels),
                )
            )
    return made


_Replicates = dict[tuple[str, str], Floats]
"""(score, variant) -> (R,) values of resamples of images and seeds."""


def _interval(ours: _Replicates, theirs: _Replicates, key: str, labels: Sequence[str]) -> Interval | None:
    if not all((key, label) in known for known in (ours, theirs) for label in labels):
        return None
    a, b = (np.stack([known[key, label] for label in labels], axis=1) for known in (ours, theirs))
    low, high = np.percentile(kendall(a, b), _LEVELS)
    return float(low), float(high)


def _replicates(seat: Seat) -> _Replicates:
    """Of all rows that have their values by image.

    The same seeds are drawn for every judge: the draw depends on a variant's name and number of seeds alone.
    """
    made: _Replicates = {}
    columns = [column for key in SCORES if (column := column_of(seat.section, key)) is not None]
    for row in seat.section.rows:
        if row.by_image is None:
            continue
        by_seed = row.by_image.by_seed
        order = np.random.default_rng(zlib.crc32(row.label.encode()))
        chosen = order.integers(0, len(by_seed), (len(by_seed), REPLICATES))
        for column in columns:
            of_score = (column.info.key, str(column.protocol.get("class_policy")))
            if all(of_score in one for one in by_seed):
                stack = np.stack([one[of_score].replicates for one in by_seed])  # (S, R)
                made[column.info.key, row.label] = np.take_along_axis(stack, chosen, axis=0).mean(axis=0)
    return made

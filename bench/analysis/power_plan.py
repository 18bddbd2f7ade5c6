"""Records -> variance components of every metric, and what they mean for the next experiment."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.analysis.by_image import Floats, Seed, values_by_seed
from bench.analysis.column import Column
from bench.analysis.comparable import depends_on_n
from bench.analysis.entry import load_entries
from bench.analysis.power import (
    MOST_SEEDS,
    Components,
    components,
    detectable,
    images_needed,
    power,
    seeds_needed,
)
from bench.analysis.rows import Row
from bench.analysis.sections import Section, sections
from bench.core.errors import UsageError

_NO_SEEDS = (
    "One seed a variant: the spread over seeds is not known, and what is found holds for these seeds only. "
    "Train more (--seeds 0-2) for the number that is needed."
)
_SET_DISTANCES = (
    "Fréchet and kernel distances change with N, through their bias and their protocol: what is said of "
    "another N is a rough guide."
)


@dataclass(frozen=True)
class Plan:
    """What a metric's components say.

    Attributes:
        section: the table the metric stands in.
        column: the metric.
        found: components, means over all pairs of variants.
        seeds: most seeds a variant has.
        images: test images.
        gap: measured difference of the best to the next, as a size.
        comparisons: differences to correct for.
    """

    section: Section
    column: Column
    found: Components
    seeds: int
    images: int
    gap: float
    comparisons: int

    @property
    def notes(self) -> list[str]:
        """What must be read beside the numbers."""
        said = [_NO_SEEDS] if self.found.seeds is None else []
        return said + ([_SET_DISTANCES] if depends_on_n(self.column.info.key) else [])

    def power(self, difference: float, seeds: int, images: int) -> float:
        """Chance to find the difference."""
        return power(self.found, difference, seeds, images, comparisons=self.comparisons)

    def overview(self) -> list[str]:
        """A line of the table: spreads, counts, what they can find, what the two best need."""
        of_seeds = "?" if self.found.seeds is None else f"{math.sqrt(self.found.seeds):.2g}"
        of_images = f"{math.sqrt(self.found.images + self.found.rest):.2g}"
        counts = str(self.seeds), str(self.images)
        return [of_seeds, of_images, *counts, self._smallest, f"{self.gap:.2g}", *self._needs(self.gap)]

    @property
    def _smallest(self) -> str:
        return f"{detectable(self.found, self.seeds, self.images, comparisons=self.comparisons):.2g}"

    def _needs(self, difference: float) -> tuple[str, str]:
        if difference == 0:
            return "–", "–"
        needed = seeds_needed(self.found, difference, self.images, comparisons=self.comparisons)
        images = images_needed(self.found, difference, self.seeds, comparisons=self.comparisons)
        unknown = "?" if self.found.seeds is None else f"> {MOST_SEEDS}"
        return unknown if needed is None else str(needed), "never" if images is None else str(images)

    def sentence(self, difference: float | None) -> str:
        """What is needed, in words."""
        seeds, images = self._needs(self.gap if difference is None else difference)
        enough = "no number of images is enough" if images == "never" else f"{images} images"
        return (
            f"For 80 %: {seeds} seeds with {self.images} images; {enough} with {self.seeds} seed(s). "
            f"The present runs find differences from {self._smallest}."
        )


def plans(out: Path, comparisons: int = 1) -> list[Plan]:
    """A plan for every metric of every table in an output that has two variants with values by image.

    Raises:
        UsageError: if there is none.
    """
    found: list[Plan] = []
    for section in sections(load_entries([out])[0]):
        held = [(row, row.tables()) for row in section.rows]
        made = (_plan(section, column, held, comparisons) for column in section.columns)
        found += [plan for plan in made if plan is not None]
    if not found:
        raise UsageError(
            f"expected two variants with values by image in {out}, found none: run two with "
            "`bench run --variants A,B`, or score again"
        )
    return found


def _plan(
    section: Section, column: Column, rows: Sequence[tuple[Row, Sequence[Seed]]], comparisons: int
) -> Plan | None:
    complete = [tables for row, tables in rows if row.complete(column)]
    found = (values_by_seed(tables, column.info.key) for tables in complete)
    held = [values for values in found if values is not None]
    sizes = {values.shape[1] for values in held}
    if len(held) < 2 or len(sizes) != 1 or min(sizes) < 2:
        return None
    means = sorted((column.merit(float(values.mean())) for values in held), reverse=True)
    return Plan(
        section, column, _pooled(held), max(map(len, held)), sizes.pop(), means[0] - means[1], comparisons
    )


def _pooled(held: list[Floats]) -> Components:
    """Means of the components over all pairs; those of seeds and rest over the pairs that have them."""
    pairs = [components(a, b) for a, b in itertools.combinations(held, 2)]
    known = [pair for pair in pairs if pair.seeds is not None]
    images, rest = (float(np.mean([getattr(p, name) for p in known or pairs])) for name in ("images", "rest"))
    return Components(float(np.mean([pair.seeds for pair in known])) if known else None, images, rest)

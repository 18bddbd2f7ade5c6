"""The gate by simulation, from what real records say of its noise: for any number of seeds.

    python tests/performance/gate_simulated.py OUT --label l1+cgan [--cases 1+1,3+3,5+5,8+3] [--trials 4000]

Measured on the records of one label: the covariance of all metrics between seeds, and for each metric the
standard error of a paired difference over test images. Drawn from them: the means of a baseline and of a
candidate over so many seeds, normally distributed. Decided by the gate's rule: Student's t over seeds and the
test over images must both see a change, Holm over all metrics, default tolerances. A case of one seed a side
has a stored spread from `--stored` seeds. Each number: with the default tolerances / with none. What it
cannot know: whether the measured covariance is right (it comes from few seeds), and how far seeds are from
normal.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from gate_power import PLANTS, row_of, subset
from numpy.typing import NDArray
from scipy.stats import t as student

from bench.gate.noise import evidence, side_of
from bench.gate.rows import GateRow
from bench.gate.tolerances import DEFAULT_TOLERANCES

ALPHA = 0.02
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What the records say, metrics in one order (M of them).

    Attributes:
        names: metric keys.
        covariance: (M, M) between seeds, turned so that above 0 is worse.
        image_error: (M,) standard error over images of one seed against one other; 0 where there is none.
        allowed: (M,) tolerance in the metric's unit.
        both_sides: (M,) whether a change either way counts.
        means: (M,) over seeds.
        images: N.
    """

    names: tuple[str, ...]
    covariance: Floats
    image_error: Floats
    allowed: Floats
    both_sides: NDArray[np.bool_]
    means: Floats
    images: int

    def only(self, names: tuple[str, ...]) -> Measured:
        """The same of these metrics alone."""
        at = [self.names.index(name) for name in names]
        return Measured(
            names, self.covariance[np.ix_(at, at)], self.image_error[at], self.allowed[at],
            self.both_sides[at], self.means[at], self.images,
        )  # fmt: skip


def measure(row: GateRow, pairs: int = 6) -> Measured:
    names = tuple(row.metrics)
    turned = np.array([side_of(row.metrics[n])[0] * np.array(row.metrics[n].values) for n in names])
    errors: list[list[float]] = []
    for one, other in list(combinations(range(len(row.seeds)), 2))[:pairs]:
        found = [evidence(name, subset(row, [one]), subset(row, [other])) for name in names]
        errors.append(
            [next((t.error for t in e.tests if t.basis == "images"), 0.0) if e else 0.0 for e in found]
        )
    tolerances = [DEFAULT_TOLERANCES.get(name, DEFAULT_TOLERANCES["*"]) for name in names]
    return Measured(
        names, np.cov(turned), np.sqrt(np.mean(np.square(errors), axis=0)),
        np.array([t.allowed(row.metrics[n].value) for t, n in zip(tolerances, names, strict=True)]),
        np.array([t.both_sides for t in tolerances]), np.abs(turned.mean(1)), len(row.tables[0]),
    )  # fmt: skip


@dataclass(frozen=True)
class Draws:
    """Invocations in which nothing changed: (T, M) worsenings and the errors they are held against."""

    worse: Floats
    seed_error: Floats
    freedom: int
    image_error: Floats
    of: Measured

    def alarms(self, planted: int | None = None, drop: Floats | float = 0.0) -> NDArray[np.bool_]:
        """(T, M) which metrics regress; `drop` (T,) is added to the metric at `planted`."""
        worse = self.worse.copy()
        if planted is not None:
            worse[:, planted] += drop
        p_values = self._p(worse)
        rank = np.argsort(p_values, axis=1)
        ordered = np.take_along_axis(p_values, rank, 1) * np.arange(p_values.shape[1], 0, -1)
        holm = np.empty_like(p_values)
        np.put_along_axis(holm, rank, np.maximum.accumulate(ordered, axis=1), 1)
        size = np.where(self.of.both_sides, np.abs(worse), worse)
        return (holm <= ALPHA) & (size > self.of.allowed)

    def _p(self, worse: Floats) -> Floats:
        seen = np.where(self.image_error > 0, self.image_error, 1e-300)
        tests = [(worse / self.seed_error, self.freedom), (worse / seen, self.of.images - 1)]
        up = np.maximum(*(student.sf(score, freedom) for score, freedom in tests))
        down = np.maximum(*(student.cdf(score, freedom) for score, freedom in tests))
        return np.where(self.of.both_sides, np.minimum(1, 2 * np.minimum(up, down)), up)


def draw(of: Measured, case: tuple[int, int], stored: int, trials: int) -> Draws:
    rng = np.random.default_rng([*case, len(of.names)])
    b, m = case
    kept = stored if case == (1, 1) else b
    zero = np.zeros(len(of.names))

    def seeds(count: int) -> Floats:
        return rng.multivariate_normal(zero, of.covariance, (trials, count), method="eigh")

    before, after = seeds(kept), seeds(m)
    freedom = (kept - 1) + (m - 1)
    pooled = sum(np.square(side - side.mean(1, keepdims=True)).sum(1) for side in (before, after)) / freedom
    share = math.sqrt(1 / b + 1 / m)
    worse = after.mean(1) - before[:, :b].mean(1)
    return Draws(worse, np.sqrt(pooled) * share, freedom, of.image_error * share / math.sqrt(2), of)


def caught_at(draws: Draws, name: str, share: float = 0.95) -> float:
    """The smallest drop that turns the metric into a regression in this share of invocations."""
    planted = draws.of.names.index(name)
    low, high = np.zeros(len(draws.worse)), np.full(len(draws.worse), 4 * draws.of.means[planted])
    for _ in range(18):
        middle = (low + high) / 2
        seen = draws.alarms(planted, middle)[:, planted]
        low, high = np.where(seen, low, middle), np.where(seen, middle, high)
    return float(np.quantile(high, share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--label", default="l1+cgan")
    parser.add_argument("--cases", default="1+1,3+3,5+5,8+1,8+3")
    parser.add_argument("--stored", type=int, default=6, help="seeds behind the stored spread of 1 + 1")
    parser.add_argument("--trials", type=int, default=4000)
    given = parser.parse_args()
    key, row = row_of(given.out, given.label)
    whole = measure(row)
    print(f"{key}: covariance of {len(row.seeds)} seeds, {len(whole.names)} metrics, N = {whole.images}\n")
    for name in PLANTS:
        at = whole.names.index(name)
        print(
            f"{name}: mean {whole.means[at]:.4g}, sd over seeds {math.sqrt(whole.covariance[at, at]):.3g}, "
            f"error over images of 1 + 1: {whole.image_error[at]:.3g}"
        )
    print("\n| seeds (simulated) | metrics | false alarms | class IoU | fd_lite0 |")
    print("|---|---|--:|--:|--:|")
    for case in (tuple(map(int, said.split("+"))) for said in given.cases.split(",")):
        for of in (whole, whole.only(tuple(PLANTS))):
            draws = draw(of, case, given.stored, given.trials)
            bare = Draws(draws.worse, draws.seed_error, draws.freedom, draws.image_error, _strict(of))
            false, strict = (held.alarms().any(1).mean() for held in (draws, bare))
            at = of.means[of.names.index("fd_lite0")]
            iou, distance = ([caught_at(held, name) for held in (draws, bare)] for name in PLANTS)
            print(
                f"| {case[0]} + {case[1]} | {len(of.names)} | {false:.1%} / {strict:.1%} | "
                f"{iou[0]:.3f} / {iou[1]:.3f} | {distance[0] / at:.0%} / {distance[1] / at:.0%} |",
                flush=True,
            )


def _strict(of: Measured) -> Measured:
    """The same without any tolerance."""
    return Measured(
        of.names, of.covariance, of.image_error, np.zeros_like(of.allowed), of.both_sides, of.means, of.images
    )


if __name__ == "__main__":
    main()

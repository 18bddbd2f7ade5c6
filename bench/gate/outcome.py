"""What a check finds: a verdict a row and metric, and what they come to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["regressed", "empty", "incomparable", "missing", "improved", "new", "pass"]
STATES: tuple[State, ...] = ("regressed", "empty", "incomparable", "missing", "improved", "new", "pass")
UNDECIDED = frozenset({"empty", "incomparable", "missing"})
WHOLE_ROW, ALL_ROWS = "(row)", "(all)"


@dataclass(frozen=True)
class Verdict:
    """What became of one metric of one row.

    Attributes:
        metric: metric key, or "(row)" for a row that is missing or new as a whole.
        row: "dataset/direction/size/steps/label", or "(all)".
        baseline, measured: means over seeds; None where there is none.
        delta: measured - baseline, or None.
        tolerance: the change that is allowed, in the metric's unit, or None.
        state: "pass", "improved" and "new" are fine; "regressed" fails; "missing" (the baseline has a
            value, the records have none), "incomparable" (scored in another way) and "empty" (no row in
            common) are neither, and pass only where the caller allows them.
        note: why, in words; names the fields that differ and those that were ignored.
        interval: 95 % interval of delta over test images, or None.
        p_value: of a worsening by chance, corrected over the invocation (of an improvement, where the state
            is that); None: nothing to go by, or computed without any noise.
        basis: what that rests on: "seeds+images", "seeds", "images", "intervals", or "exact" (computed, not
            trained), or "" (nothing to go by).
        noise: smallest change that could be told from noise here, or None.
        seeds: number of seeds, baseline and measured; None for a row as a whole.
    """

    metric: str
    row: str
    baseline: float | None = None
    measured: float | None = None
    delta: float | None = None
    tolerance: float | None = None
    state: State = "pass"
    note: str = ""
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    basis: str = ""
    noise: float | None = None
    seeds: tuple[int, int] | None = None


def is_blind(verdict: Verdict) -> bool:
    """Whether a change that is not allowed may be too small to be told from noise."""
    noise, allowed = verdict.noise, verdict.tolerance
    return noise is not None and allowed is not None and noise > allowed


@dataclass(frozen=True)
class Outcome:
    """All verdicts of an invocation, worst state first, then by row and metric.

    Attributes:
        verdicts: one a row and metric.
        notes: what holds for all of it, such as that values by image are missing.
        alpha: chance of a false alarm in the whole invocation.
        tests: how many tests it was corrected for.
        allowed: the undecided states that pass.
    """

    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    alpha: float
    tests: int
    allowed: frozenset[str] = frozenset()

    @property
    def exit_code(self) -> int:
        """1 if anything regressed, next to anything else; 3 if anything is undecided and not allowed."""
        states = {verdict.state for verdict in self.verdicts}
        if "regressed" in states:
            return 1
        return 3 if states & (UNDECIDED - self.allowed) else 0

    @property
    def blind(self) -> int:
        """Tests whose noise exceeds what is allowed: a regression in between is not seen."""
        return sum(is_blind(verdict) for verdict in self.verdicts)

    @property
    def summary(self) -> str:
        """One line: "1 regressed, 2 improved, 14 pass"."""
        counts = {state: sum(verdict.state == state for verdict in self.verdicts) for state in STATES}
        return ", ".join(
            f"{count} {state}{' (allowed)' if state in self.allowed else ''}"
            for state, count in counts.items()
            if count
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "exit_code": self.exit_code,
            "summary": self.summary,
            "alpha": self.alpha,
            "tests": self.tests,
            "blind": self.blind,
            "allowed": sorted(self.allowed),
            "notes": list(self.notes),
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
        }

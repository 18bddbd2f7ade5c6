"""Claims -> verdicts: is a claim supported, contradicted or undecided on some runs, and what is missing.

Over seeds a claim errs at most 5 times in 100, either way. Where all comparisons must hold, each may be
tested at 5 % (an intersection-union test: Berger 1982); where one is enough to decide, as a single refutation
is for such a claim, they are corrected for how many they are (Holm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.analysis.column import Column, info_of
from bench.analysis.rows import Row, as_text, budget_of
from bench.analysis.sections import Section
from bench.claims.findings import Finding, State, decided, error_of, finding
from bench.claims.ledger import CHANCE, Claim, Comparison
from bench.core.bootstrap import holm
from bench.core.errors import UsageError
from bench.records.record import REFERENCE_ROWS
from bench.spec.variants import get_variant

ONE_SEED = "over test images only: other seeds may differ"


@dataclass(frozen=True)
class Verdict:
    """A claim on one ground: runs of one data set, size and training budget.

    Attributes:
        claim: what was claimed.
        ground: data set, size and budget, in words; "" where no record is about it.
        section: id of the report's section, or None.
        findings: one a comparison.
        state: all (or any) of them together.
        lacks: what is missing, in words.
        caveat: what must be read beside it, or "".
        by_judge: (judge, verdict), where more than one judge was asked: what each alone says.
    """

    claim: Claim
    ground: str
    section: str | None
    findings: tuple[Finding, ...]
    lacks: tuple[str, ...] = ()
    state: State = "undecided"
    caveat: str = ""
    by_judge: tuple[tuple[str, Verdict], ...] = ()

    @property
    def told(self) -> bool:
        """Whether at least one comparison could be made."""
        return any(one.evidence is not None for one in self.findings)

    @property
    def reasons(self) -> list[str]:
        """What it rests on, what is missing, what must be read beside it: one sentence each."""
        said = [one.words for one in self.findings if one.evidence is not None]
        said += [f"lacks {'; '.join(self.lacks)}"] if self.lacks else []
        said += (
            [f"by judge: {', '.join(f'{name} {one.state}' for name, one in self.by_judge)}"]
            if self.by_judge
            else []
        )
        return said + ([self.caveat] if self.caveat else [])

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.claim.id,
            "sentence": self.claim.sentence,
            "place": self.claim.place,
            "ground": self.ground,
            "verdict": self.state,
            "caveat": self.caveat,
            "lacks": list(self.lacks),
            "comparisons": [one.to_json() for one in self.findings],
            **({"by_judge": self._judges_to_json()} if self.by_judge else {}),
        }

    def _judges_to_json(self) -> list[dict[str, Any]]:
        return [
            {
                "judge": name,
                "verdict": one.state,
                "comparisons": [found.to_json() for found in one.findings],
            }
            for name, one in self.by_judge
        ]


@dataclass
class _Ground:
    """Rows of a section that were trained alike."""

    section: Section
    settings: dict[str, Any]
    rows: dict[str, Row] = field(default_factory=dict)

    @property
    def words(self) -> str:
        training = self.settings["training"]
        parts = [f"{training['steps']} steps"] if training.get("steps") else []
        parts += [f"batch size {training['batch_size']}"] if training.get("batch_size") else []
        return ", ".join([self.section.title, *parts])

    def label(self, name: str) -> str:
        """`name` at this size: "l1+cgan/full" is another field at every size."""
        if name in self.rows or self.section.size_px is None:
            return name
        try:
            return get_variant(name).at_size(self.section.size_px).name
        except (UsageError, ValueError):
            return name


def verdicts_of(
    claims: Sequence[Claim], sections: Sequence[Section], beside: Sequence[float] = ()
) -> list[Verdict]:
    """Every claim on every ground that has all its runs, else on the one that lacks the fewest.

    Each by the judge of the tables; `bench.claims.by_panel` asks the others too.

    Args:
        beside: p-values of comparisons that were made elsewhere and count in the correction.
    """
    grounds = [ground for section in sections for ground in _grounds(section)]
    open_ = [verdict for claim in claims for verdict in _of_claim(claim, grounds)]
    tests = [one for verdict in open_ for one in verdict.findings if is_test(one)]
    corrected = iter(holm([*(min(one.p_for, one.p_against) for one in tests), *beside]))
    return [
        _combined(verdict, [decided(one, next(corrected) if is_test(one) else 1.0) for one in findings])
        for verdict, findings in ((verdict, _corrected_over_seeds(verdict)) for verdict in open_)
    ]


def is_test(one: Finding) -> bool:
    """Whether its p-value counts in the correction over the ledger."""
    return one.evidence is not None and error_of(one.evidence) is not None


def _corrected_over_seeds(verdict: Verdict) -> list[Finding]:
    """The claim's findings with the side of which one decides corrected for their number."""
    if verdict.claim.combine == "all":
        corrected = holm([one.seeds_against for one in verdict.findings])
        return [replace(one, seeds_against=p) for one, p in zip(verdict.findings, corrected, strict=True)]
    corrected = holm([one.seeds_for for one in verdict.findings])
    return [replace(one, seeds_for=p) for one, p in zip(verdict.findings, corrected, strict=True)]


def _grounds(section: Section) -> list[_Ground]:
    found: dict[str, _Ground] = {}
    for row in section.rows:
        settings = budget_of(row.first)
        found.setdefault(as_text(settings), _Ground(section, settings)).rows.setdefault(row.variant, row)
    for ground in found.values():
        ground.rows.update({row.variant: row for row in section.references})
    return list(found.values())


def _of_claim(claim: Claim, grounds: Sequence[_Ground]) -> list[Verdict]:
    fitting = [
        ground
        for ground in grounds
        if claim.dataset in (None, ground.section.dataset)
        and claim.direction in (None, ground.section.direction)
        and all(ground.settings["training"].get(key) == value for key, value in claim.training.items())
    ]
    needed = dict.fromkeys(
        name
        for one in claim.comparisons
        for name in (one.a, one.b)
        if isinstance(name, str) and name != CHANCE
    )
    missing = [[name for name in needed if ground.label(name) not in ground.rows] for ground in fitting]
    least = min(map(len, missing), default=0)
    if not fitting or least == len(needed):
        about = " ".join(filter(None, (claim.dataset, claim.direction))) or "anything"
        trained = "".join(f", {key} {value}" for key, value in claim.training.items())
        lacks = (f"{_lacking(list(needed))} on {about}{trained}",)
        return [Verdict(claim, "", None, (), lacks)]
    return [
        Verdict(
            claim, ground.words, ground.section.id, tuple(_finding(one, ground) for one in claim.comparisons)
        )
        for ground, lacking in zip(fitting, missing, strict=True)
        if len(lacking) == least
    ]


def _finding(one: Comparison, ground: _Ground) -> Finding:
    """A comparison on a ground, not yet corrected."""
    b = ground.label(one.b) if isinstance(one.b, str) else one.b
    named = replace(one, a=ground.label(one.a), b=b)
    wanted = [name for name in (named.a, b) if isinstance(name, str) and name != CHANCE]
    absent = [name for name in wanted if name not in ground.rows]
    if absent:
        return Finding(named, lacks=(_lacking(absent),))
    if named.a == b:
        return Finding(named, lacks=(f"two systems: both are {b} at {ground.section.size_px} px",))
    rows = [ground.rows[name] for name in wanted]
    column = _column(ground.section, one.metric, rows)
    if column is None:
        return Finding(named, lacks=_why_missing(ground.section, one.metric, rows))
    return finding(named, column, rows)


def _combined(verdict: Verdict, findings: Sequence[Finding]) -> Verdict:
    states = [one.state for one in findings]
    state: State = "undecided"
    enough, refuted = (all, any) if verdict.claim.combine == "all" else (any, all)
    if states and enough(state == "supported" for state in states):
        state = "supported"
    elif states and refuted(state == "contradicted" for state in states):
        state = "contradicted"
    single = any(one.evidence is not None and one.evidence.over_seeds is None for one in findings)
    lacks = tuple(dict.fromkeys([*verdict.lacks, *(text for one in findings for text in one.lacks)]))
    return replace(
        verdict, findings=tuple(findings), state=state, lacks=lacks, caveat=ONE_SEED if single else ""
    )


def _lacking(names: Sequence[str]) -> str:
    """ "runs of l1, cgan and the row random"."""
    runs = [name for name in names if name not in REFERENCE_ROWS]
    rows = [f"the row {name}" for name in names if name in REFERENCE_ROWS]
    return " and ".join([*([f"runs of {', '.join(runs)}"] if runs else []), *rows])


def _column(section: Section, metric: str, rows: Sequence[Row]) -> Column | None:
    """The metric's column in which all rows have a value."""
    for column in section.columns:
        if column.info.key == metric and all(row.mean(column) is not None for row in rows):
            return column
    return None


def _why_missing(section: Section, metric: str, rows: Sequence[Row]) -> tuple[str, ...]:
    title = info_of(metric).title
    columns = [column for column in section.columns if column.info.key == metric]
    if not columns:
        reasons = section.unmeasured.get(title, ["not among the metrics that were scored"])
        return (f"{title} ({'; '.join(reasons)})",)
    said = [
        f"{title} of {row.label} ({'; '.join(row.cells[columns[0].id].reasons) or 'other protocol'})"
        for row in rows
        if row.mean(columns[0]) is None
    ]
    return tuple(said) or (f"{title} of {' and '.join(row.label for row in rows)} under one protocol",)

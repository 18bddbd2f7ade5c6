"""Records -> verdicts: is a claim supported, contradicted or undecided, and what is missing.

A comparison is borne out when the difference lies beyond its bound (the margin) by the paired bootstrap over
test images at 5 %, after Holm's correction over all comparisons of the ledger, and the 95 % intervals over
test images and, with several seeds, over seeds agree. It is refuted when they say so of the other side: a
difference in the claimed direction that is smaller than the margin refutes nothing. "equal" is two one-sided
tests, one against each end of the margin.

Over seeds a claim errs at most 5 times in 100, either way. Where all comparisons must hold, each may be
tested at 5 % (an intersection-union test: Berger 1982); where one is enough to decide, as a single refutation
is for such a claim, they are corrected for how many they are (Holm).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from bench.analysis.differences import ALPHA
from bench.analysis.table import Column, Row, Section, info_of
from bench.claims.evidence import Evidence, against_number, against_row, chance, said_of
from bench.claims.ledger import CHANCE, Claim, Comparison
from bench.core.bootstrap import holm
from bench.core.errors import UsageError
from bench.records.record import REFERENCE_ROWS
from bench.spec.variants import get_variant

State = Literal["supported", "contradicted", "undecided"]
ONE_SEED = "over test images only: other seeds may differ"


@dataclass(frozen=True)
class Finding:
    """One comparison, judged.

    Attributes:
        comparison: with the rows as they are called at this size.
        evidence: None where something is missing.
        lacks: what is missing, in words.
        p_for, p_against: p-values of being borne out and of being refuted, before correction.
        seeds_for, seeds_against: the same over seeds.
        state: after correction.
    """

    comparison: Comparison
    evidence: Evidence | None = None
    lacks: tuple[str, ...] = ()
    p_for: float = 1.0
    p_against: float = 1.0
    seeds_for: float = 1.0
    seeds_against: float = 1.0
    state: State = "undecided"

    @property
    def words(self) -> str:
        """One sentence: values, difference, intervals, N, seeds, and what was claimed."""
        one, info = self.comparison, info_of(self.comparison.metric)
        margin = f" (margin {one.margin:g})" if one.margin else ""
        claimed = f"{info.title}: {one.a} {one.relation} {said_of(one.b)}{margin}"
        if self.evidence is None:
            return f"{claimed}: not decided; lacks {'; '.join(self.lacks)}"
        seen, digits = self.evidence, info.digits + 1
        what = "difference of distances from the target" if one.relation == "closer" else "difference"
        parts = [f"{seen.a:.{info.digits}f} and {seen.b:.{info.digits}f}, {what} {seen.gap:+.{digits}f}"]
        if seen.interval is not None:
            parts.append(f"{_interval(seen.interval, digits)} over N = {seen.n}")
        if seen.over_seeds is not None:
            parts.append(f"{_interval(seen.over_seeds, digits)} over {_seeds(seen.seeds)}")
        verdict = {"supported": "yes", "contradicted": "no", "undecided": "not decided"}[self.state]
        return f"{claimed}: {verdict}; {', '.join(parts)}"


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
    """

    claim: Claim
    ground: str
    section: str | None
    findings: tuple[Finding, ...]
    lacks: tuple[str, ...] = ()
    state: State = "undecided"
    caveat: str = ""

    @property
    def reasons(self) -> list[str]:
        """What it rests on, what is missing, what must be read beside it: one sentence each."""
        said = [one.words for one in self.findings if one.evidence is not None]
        said += [f"lacks {'; '.join(self.lacks)}"] if self.lacks else []
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
            "comparisons": [_finding_json(one) for one in self.findings],
        }


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


def verdicts_of(claims: Sequence[Claim], sections: Sequence[Section]) -> list[Verdict]:
    """Every claim on every ground that has all its runs, else on the one that lacks the fewest."""
    grounds = [ground for section in sections for ground in _grounds(section)]
    judged = [verdict for claim in claims for verdict in _of_claim(claim, grounds)]
    known = [
        (place, at, min(one.p_for, one.p_against))
        for place, verdict in enumerate(judged)
        for at, one in enumerate(verdict.findings)
        if one.evidence is not None and one.evidence.error is not None
    ]
    corrected = {key[:2]: p for key, p in zip(known, holm([p for *_, p in known]), strict=True)}
    return [
        _combined(
            verdict,
            tuple(
                _stated(one, corrected.get((place, at), 1.0))
                for at, one in enumerate(_corrected_over_seeds(verdict))
            ),
        )
        for place, verdict in enumerate(judged)
    ]


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
        spec = row.entries[0].record.spec
        data = {name: spec["data"].get(name) for name in ("train_n", "train_fingerprint")}
        settings = {"training": spec.get("training", {}), "test": spec.get("test", {}), "data": data}
        key = json.dumps(settings, sort_keys=True, default=str)
        found.setdefault(key, _Ground(section, settings)).rows.setdefault(row.variant, row)
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
    """A comparison with its evidence and p-values, not yet corrected."""
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
    if isinstance(b, str) and b != CHANCE:
        evidence = against_row(named, column, *rows)
    else:
        number = chance(rows[0], column) if isinstance(b, str) else b
        if number is None:
            return Finding(named, lacks=("scores by class, to know chance",))
        evidence = against_number(column, rows[0], number)
    p_for = max(evidence.p_above(_bounds(named)[0]), evidence.p_below(_bounds(named)[1]))
    ways = _against(named, evidence)
    p_against = min((p for p, _, _ in ways), default=1.0)
    seeds_against = min((evidence.p_seeds(low, high) for _, low, high in ways), default=1.0)
    seeds_for = evidence.p_seeds(*_bounds(named))
    return Finding(named, evidence, (), p_for, p_against, seeds_for, seeds_against)


def _bounds(one: Comparison) -> tuple[float, float]:
    """Between which values the gap must lie."""
    margin, inf = one.margin, math.inf
    return {
        "above": (margin, inf), "below": (-inf, -margin), "closer": (-inf, -margin),
        "at least": (-margin, inf), "at most": (-inf, margin), "equal": (-margin, margin),
    }[one.relation]  # fmt: skip


def _against(one: Comparison, evidence: Evidence) -> list[tuple[float, float, float]]:
    """(p, low, high): the ways in which a gap between low and high refutes the comparison.

    See the head of this file.
    """
    low, high = _bounds(one)
    if one.relation in ("above", "below", "closer"):
        low, high = (0.0, high) if low > -math.inf else (low, 0.0)
    ways = [(evidence.p_below(low), -math.inf, low)] if low > -math.inf else []
    return ways + ([(evidence.p_above(high), high, math.inf)] if high < math.inf else [])


def _stated(finding: Finding, corrected: float) -> Finding:
    """The finding with its state, from the corrected p-values of its likelier side."""
    one, evidence = finding.comparison, finding.evidence
    if evidence is None or corrected > ALPHA:
        return finding
    if finding.p_for <= finding.p_against and evidence.within(*_bounds(one)):
        return replace(finding, state="supported") if finding.seeds_for <= ALPHA else finding
    refuted = any(
        p == finding.p_against and evidence.within(low, high) for p, low, high in _against(one, evidence)
    )
    return replace(finding, state="contradicted") if refuted and finding.seeds_against <= ALPHA else finding


def _combined(verdict: Verdict, findings: tuple[Finding, ...]) -> Verdict:
    states = [one.state for one in findings]
    state: State = "undecided"
    enough, refuted = (all, any) if verdict.claim.combine == "all" else (any, all)
    if states and enough(state == "supported" for state in states):
        state = "supported"
    elif states and refuted(state == "contradicted" for state in states):
        state = "contradicted"
    single = any(one.evidence is not None and one.evidence.over_seeds is None for one in findings)
    lacks = tuple(dict.fromkeys([*verdict.lacks, *(text for one in findings for text in one.lacks)]))
    return replace(verdict, findings=findings, state=state, lacks=lacks, caveat=ONE_SEED if single else "")


def _lacking(names: Sequence[str]) -> str:
    """ "runs of l1, cgan and the row random"."""
    runs = [name for name in names if name not in REFERENCE_ROWS]
    rows = [f"the row {name}" for name in names if name in REFERENCE_ROWS]
    return " and ".join([*([f"runs of {', '.join(runs)}"] if runs else []), *rows])


def _column(section: Section, metric: str, rows: Sequence[Row]) -> Column | None:
    """The metric's column in which all rows have a value."""
    for column in section.columns:
        if column.info.key == metric and all(row.cells[column.id].mean is not None for row in rows):
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
        if row.cells[columns[0].id].mean is None
    ]
    return tuple(said) or (f"{title} of {' and '.join(row.label for row in rows)} under one protocol",)


def _seeds(counts: tuple[int, int]) -> str:
    """ "3 seeds each", "3 and 5 seeds", or "3 seeds" of one side alone."""
    a, b = counts
    if a and b:
        return f"{a} seeds each" if a == b else f"{a} and {b} seeds"
    return f"{a or b} seeds"


def _interval(interval: tuple[float, float], digits: int) -> str:
    return " to ".join(f"{end:+.{digits}f}" for end in interval)


def _finding_json(finding: Finding) -> dict[str, Any]:
    seen = finding.evidence
    evidence = None if seen is None else {**asdict(seen), "over_seeds": seen.over_seeds}
    verdict = {"verdict": finding.state, "lacks": list(finding.lacks), "words": finding.words}
    return {**vars(finding.comparison), **verdict, "evidence": evidence}

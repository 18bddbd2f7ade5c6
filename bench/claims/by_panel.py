"""Verdicts by every judge of a panel, for claims that ask for it.

Such a claim is supported, or contradicted, where each judge alone says so: an intersection-union test, so
that each may err 5 times in 100 (Berger 1982). Where they differ it is undecided, and the verdict says what
each found. Where one judge scored, its verdict counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.analysis.panel import Seat, seats
from bench.analysis.sections import Section
from bench.claims.ledger import Claim
from bench.claims.verdicts import Verdict, is_test, verdicts_of


def verdicts_by_panel(claims: Sequence[Claim], sections: Sequence[Section]) -> list[Verdict]:
    """Every claim on every ground, by the judge of the tables or by every judge, as it asks."""
    first = verdicts_of(claims, sections)
    asking = [claim for claim in claims if claim.judges == "every"]
    panels = {section.id: seats(section) for section in sections} if asking else {}
    most = max(map(len, panels.values()), default=0)
    if most < 2:
        return first
    asked = {claim.id for claim in asking}
    beside = [
        min(one.p_for, one.p_against)
        for verdict in first
        if verdict.claim.id not in asked or not panels.get(str(verdict.section))
        for one in verdict.findings
        if is_test(one)
    ]
    by_place = [
        verdicts_of(asking, [found[place].section for found in panels.values() if place < len(found)], beside)
        for place in range(most)
    ]
    return [_of_all(verdict, panels, by_place) if verdict.claim.id in asked else verdict for verdict in first]


def _of_all(
    verdict: Verdict, panels: dict[str, list[Seat]], by_place: Sequence[Sequence[Verdict]]
) -> Verdict:
    """A verdict of the first judge, joined with those of the others on the same ground."""
    judges = panels.get(str(verdict.section), [])
    if not judges or not verdict.told:
        return verdict
    said = [
        (seat.name, one)
        for seat, verdicts in zip(judges, by_place, strict=False)
        for one in verdicts
        if (one.claim.id, one.section, one.ground) == (verdict.claim.id, verdict.section, verdict.ground)
    ]
    states = {one.state for _, one in said}
    state = states.pop() if len(states) == 1 else "undecided"
    return replace(verdict, state=state, by_judge=tuple(said))

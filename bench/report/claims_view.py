"""The ledger of claims as a part of the report: the claims that its records say something about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.sections import Section
from bench.claims.by_panel import verdicts_by_panel
from bench.claims.ledger import Claim
from bench.claims.verdicts import Verdict


@dataclass(frozen=True)
class ClaimRow:
    """A verdict as a line.

    Attributes:
        verdict: the claim, its state, and the reasons.
        link: where the images are that show it: an anchor or a file; or None.
        images: the variants to look at there.
    """

    verdict: Verdict
    link: str | None
    images: tuple[str, ...]


@dataclass(frozen=True)
class ClaimsView:
    """The ledger in a report.

    Attributes:
        rows: claims of which at least one comparison could be made.
        left: those of which none could, by what they lack: ("runs on cityscapes labels2photo", claims).
        own: whether there are claims of the user's own.
    """

    rows: tuple[ClaimRow, ...]
    left: tuple[tuple[str, tuple[Claim, ...]], ...]
    own: bool = False

    @property
    def title(self) -> str:
        return "The paper's claims, and others" if self.own else "The paper's claims"

    @property
    def left_words(self) -> str:
        """ "3 claims could not be checked here"."""
        count = sum(len(claims) for _, claims in self.left)
        return f"{count} {'claim' if count == 1 else 'claims'} could not be checked here"


def claims_view(
    ledger: Sequence[Claim], sections: Sequence[Section], images: Mapping[str, str], own: bool = False
) -> ClaimsView:
    """The verdicts on the claims.

    Args:
        ledger: the claims.
        sections: of the report.
        images: id of a section -> where its images are shown: an anchor of the report, or a file.
        own: whether the ledger has claims of the user's own.
    """
    labels = {row.variant for section in sections for row in section.all_rows}
    verdicts = verdicts_by_panel(ledger, sections)
    rows = tuple(
        ClaimRow(
            one,
            images.get(str(one.section)) if one.claim.images else None,
            tuple(name for name in one.claim.images if name in labels),
        )
        for one in verdicts
        if one.told
    )
    known = {row.verdict.claim.id for row in rows}
    left: dict[str, dict[str, Claim]] = {}
    for one in verdicts:
        if one.claim.id not in known:
            left.setdefault(_lacks(one), {})[one.claim.id] = one.claim
    return ClaimsView(rows, tuple((words, tuple(held.values())) for words, held in left.items()), own)


def _lacks(verdict: Verdict) -> str:
    """What is missing for any comparison of a claim; no names of runs, so that claims share the words."""
    claim = verdict.claim
    if verdict.ground:
        return "; ".join(verdict.lacks)
    about = " ".join(filter(None, (claim.dataset, claim.direction)))
    trained = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in claim.training.items())
    return " with ".join(filter(None, (f"runs on {about}" if about else "their runs", trained)))

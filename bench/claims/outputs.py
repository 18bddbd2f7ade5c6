"""What `bench claims` writes: JSON, and a table of several outputs side by side, each taken by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.column import info_of
from bench.claims.findings import Finding, said_of
from bench.claims.ledger import Claim
from bench.claims.sanity import Check
from bench.claims.verdicts import Verdict

_NOT_HERE, _NAMED = "–", 2


def to_json(verdicts: Sequence[Verdict], checks: Sequence[Check], **more: Any) -> str:
    """Verdicts and checks before publication."""
    content = {"claims": [one.to_json() for one in verdicts], "sanity": [vars(one) for one in checks], **more}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def to_markdown(ledger: Sequence[Claim], outputs: Mapping[str, Sequence[Verdict]]) -> str:
    """A Markdown table: a line a claim, a column an output.

    Args:
        ledger: the claims, in their order.
        outputs: name -> its verdicts (`bench.claims.by_panel.verdicts_by_panel`).
    """
    lines = ["| claim | " + " | ".join(map(_escaped, outputs)) + " |", "|---" * (1 + len(outputs)) + "|"]
    for claim in ledger:
        cells = [_cell([one for one in found if one.claim.id == claim.id]) for found in outputs.values()]
        lines.append(f"| {_escaped(claim.sentence)} ({_escaped(claim.place)}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(verdicts: Sequence[Verdict]) -> str:
    return _escaped("; ".join(_words(one) for one in verdicts if one.told)) or _NOT_HERE


def _words(verdict: Verdict) -> str:
    """The state; what refutes it; of an undecided one how much holds, and what is lacking."""
    if verdict.state == "supported":
        return "**supported**"
    if verdict.state == "contradicted":
        against = [one for one in verdict.findings if one.state == "contradicted"]
        more = f" and {len(against) - _NAMED} more" if len(against) > _NAMED else ""
        return f"**contradicted** by {', '.join(map(_values, against[:_NAMED]))}{more}"
    holding = sum(one.state == "supported" for one in verdict.findings)
    failing = sum(one.state == "contradicted" for one in verdict.findings)
    parts = [f"{holding} of {len(verdict.findings)} comparisons hold"]
    parts += [f"{failing} refuted"] if failing else []
    parts += [f"lacks {lack}" for lack in verdict.lacks]
    if verdict.by_judge:
        parts.append("by judge " + ", ".join(f"{name} {one.state}" for name, one in verdict.by_judge))
    return f"undecided: {', '.join(parts)}"


def _values(finding: Finding) -> str:
    """ "FCN pixel acc. (l1+cgan 0.743 against l1 0.811)"."""
    one, seen, info = finding.comparison, finding.evidence, info_of(finding.comparison.metric)
    assert seen is not None
    other = f"{seen.b:.{info.digits}f}"
    b = f"{said_of(one.b)} {other}" if isinstance(one.b, str) else other
    return f"{info.title} ({one.a} {seen.a:.{info.digits}f} against {b})"


def _escaped(text: str) -> str:
    """As a cell: a name with a bar in it ends no cell."""
    return text.replace("|", "\\|").replace("\n", " ")

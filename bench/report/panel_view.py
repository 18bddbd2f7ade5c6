"""The judges of a panel side by side: scores, on which pairs of variants they agree, how alike they rank."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.column import info_of
from bench.analysis.panel import Pair, Seat, column_of, pairs, seats
from bench.analysis.rank_agreement import RankAgreement, rank_agreements
from bench.analysis.sections import Section
from bench.records.panel import SCORES
from bench.scoring.judges.fitness import listed

_SAID = 6  # pairs in a sentence
MISSING = "–"


@dataclass(frozen=True)
class PanelView:
    """What a report says of a panel.

    Attributes:
        judges: names, the one of the table first.
        heads: titles of the scores.
        rows: (label, text of each score by each judge): all judges of the first score, then of the next.
        statements: on which pairs the judges agree, one a score.
        ranks: Kendall's tau, one a score and two judges.
    """

    judges: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    statements: tuple[str, ...]
    ranks: tuple[RankAgreement, ...]


def panel_view(section: Section) -> PanelView | None:
    """None where one judge scored the section."""
    found = seats(section)
    if not found:
        return None
    keys = [key for key in SCORES if any(column_of(seat.section, key) is not None for seat in found)]
    labels = [row.label for row in section.all_rows]
    compared = pairs(found)
    return PanelView(
        tuple(seat.name for seat in found),
        tuple(info_of(key).title for key in keys),
        tuple((label, tuple(_text(seat, key, label) for key in keys for seat in found)) for label in labels),
        tuple(
            said for key in keys if (said := _statement(key, [p for p in compared if p.key == key], found))
        ),
        tuple(rank_agreements(found)),
    )


def _text(seat: Seat, key: str, label: str) -> str:
    column = column_of(seat.section, key)
    row = next((row for row in seat.section.all_rows if row.label == label), None)
    value = None if column is None or row is None else row.mean(column)
    return MISSING if column is None or value is None else column.text(value)


def _statement(key: str, compared: list[Pair], found: list[Seat]) -> str:
    """ "By FCN class IoU all judges agree on 8 of 10 pairs of variants (l1+cgan above l1, ...) ..."."""
    if not compared:
        return ""
    agreed, opposed = ([p for p in compared if getattr(p, name)] for name in ("agreed", "opposed"))
    count = f"{len(agreed)} of {len(compared)} {'pair' if len(compared) == 1 else 'pairs'} of variants"
    said = f"By {info_of(key).title} all judges agree on {count}"
    said += f" ({_above(agreed)})" if agreed else ""
    said += f"; they contradict one another on {_opposed(opposed, found)}" if opposed else ""
    left = len(compared) - len(agreed) - len(opposed)
    return f"{said}; on {left} at least one cannot tell them apart." if left else f"{said}."


def _above(agreed: list[Pair]) -> str:
    shown = [f"{pair.rows[0]} above {pair.rows[1]}" for pair in agreed[:_SAID]]
    more = len(agreed) - _SAID
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _opposed(opposed: list[Pair], found: list[Seat]) -> str:
    parts = []
    for pair in opposed[:_SAID]:
        first, second = (
            [
                s.name
                for s, gap, clear in zip(found, pair.gaps, pair.clear, strict=True)
                if clear and (gap > 0) is up
            ]
            for up in (True, False)
        )
        parts.append(
            f"{pair.rows[0]} (above for {listed(first)}) and {pair.rows[1]} (above for {listed(second)})"
        )
    more = len(opposed) - _SAID
    return "; ".join(parts) + (f" and {more} more" if more > 0 else "")

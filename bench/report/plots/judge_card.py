"""What a section's judges make of spoilt real photos: their cards as one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.column import fixed
from bench.analysis.judge_cards import cards
from bench.analysis.sections import Section
from bench.records.judge_card import BLUR, JudgeCard
from bench.report.plots.colours import Looks
from bench.report.plots.style import INK, MUTED, REFERENCE, Drawing, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "What this judge punishes"
_MOST = 4  # judges side by side
_LEAST_HF = 0.001
_INCHES_A_GRADE, _WIDE, _BAR = 0.155, 2.3, "#7d8ca3"


def judge_card_figure(section: Section, looks: Looks) -> Drawing | None:
    """The share of pixel accuracy that each judge loses on real photos, a bar a fault and grade."""
    found = cards(section)[:_MOST]
    if not found:
        return None
    names = list(dict.fromkeys((one.kind, one.grade) for card in found for one in card.grades[1:]))
    figure = new_figure(1.9 + _WIDE * len(found), 0.7 + _INCHES_A_GRADE * len(names))
    axes = list(figure.subplots(1, len(found), squeeze=False, sharey=True, sharex=True).ravel())
    for ax, card in zip(axes, found, strict=True):
        _bars(ax, card, names)
        ax.set_title(plain(card.words))
    axes[0].set_yticks(range(len(names)), [_label(found[0], names, place) for place in range(len(names))])
    axes[0].invert_yaxis()
    figure.supxlabel("pixel accuracy lost, %", fontsize=9)
    said = "; ".join(
        f"{card.words}: {card.real.pixel_acc:.3f} on {card.n} real test photos as they are" for card in found
    )
    caption = (
        f"The share of its pixel accuracy that a judge loses when real test photos are spoilt. {said}. A "
        "fault without a bar goes unpunished. Left of the line: gained. HF: the HF ratio of blurred photos."
    )
    alt = "Bar charts. " + "; ".join(f"{card.words}: {_said(card)}" for card in found)
    return Drawing(figure, f"{section.id}-judge-card", _title(found), caption, alt)


def _title(found: list[JudgeCard]) -> str:
    return TITLE if len(found) == 1 else "What these judges punish"


def _bars(ax: Axes, card: JudgeCard, names: list[tuple[str, str]]) -> None:
    lost = {(one.kind, one.grade): 100 * card.lost(one.pixel_acc) for one in card.grades[1:]}
    places = [place for place, name in enumerate(names) if name in lost]
    ax.barh(places, [lost[names[place]] for place in places], color=_BAR, height=0.66)
    for place in places:
        value = lost[names[place]]
        ax.annotate(
            fixed(value, 0), (max(value, 0), place), (3, 0), textcoords="offset points",
            va="center", fontsize=7, color=INK,
        )  # fmt: skip
    ax.axvline(0, color=REFERENCE, linewidth=0.8)
    ax.tick_params(axis="y", length=0, labelsize=7.5, labelcolor=MUTED)
    ax.margins(x=0.14, y=0.02)


def _label(card: JudgeCard, names: list[tuple[str, str]], place: int) -> str:
    """ "blur, sigma 1 px (HF 0.03)"; of further grades of a kind the grade alone."""
    kind, grade = names[place]
    blurred = {one.grade: one.hf_ratio for one in card.grades if one.kind == BLUR}
    sharp = blurred.get(grade) if kind == BLUR else None
    if sharp is not None:
        grade += f" (HF {sharp:.2g})" if sharp >= _LEAST_HF else f" (HF < {_LEAST_HF})"
    return grade if place and names[place - 1][0] == kind else f"{kind}, {grade}"


def _said(card: JudgeCard) -> str:
    return ", ".join(f"{one.kind} {one.grade} {card.lost(one.pixel_acc):.0%}" for one in card.grades[1:])

"""What the judges of a section punish, by their cards: can they see the blur of the blurriest variant?"""

from __future__ import annotations

import itertools
import math

from bench.analysis.rows import Row
from bench.analysis.sections import Section
from bench.records.judge_card import BLUR, JudgeCard, cards_of

BLIND_BELOW = 0.1  # of its pixel accuracy
_SHARP = "hf_ratio"


def cards(section: Section) -> list[JudgeCard]:
    """One a judge, from the records of the row `real`; the latest counts."""
    found = {
        card.judge_hash: card
        for row in section.references
        for entry in row.entries
        for card in cards_of(entry.record.details)
    }
    return list(found.values())


def blurriest(section: Section) -> tuple[Row, float] | None:
    """The trained variant with the lowest `hf_ratio`, and its value."""
    values = [
        (row, row.value(column))
        for column in section.columns
        if column.info.key == _SHARP
        for row in section.rows_with(column)
    ]
    return min(values, key=lambda one: one[1], default=None)


def pixel_acc_at(card: JudgeCard, hf_ratio: float) -> float | None:
    """The judge's pixel accuracy on real photos that are blurred down to this sharpness.

    Between two grades of blur it is interpolated over the logarithm of `hf_ratio`; below the least sharp
    grade it is that grade's. None where the card has no blur.
    """
    grades = [one for one in card.grades if one.kind == BLUR and one.hf_ratio is not None]
    if not grades:
        return None
    for milder, stronger in itertools.pairwise([card.real, *grades]):
        above, below = milder.hf_ratio or 1.0, stronger.hf_ratio or 0.0
        if hf_ratio >= above:
            return milder.pixel_acc
        if below <= hf_ratio and below < above:
            if below <= 0:
                return stronger.pixel_acc
            share = math.log(hf_ratio / above) / math.log(below / above)
            return milder.pixel_acc + share * (stronger.pixel_acc - milder.pixel_acc)
    return grades[-1].pixel_acc


def blur_statements(section: Section) -> list[str]:
    """A sentence for each judge that is blind to the blur of the blurriest variant, if that is blurred: less
    sharp than photos with the mildest blur of the card."""
    least = blurriest(section)
    if least is None:
        return []
    row, hf_ratio = least
    said = []
    for card in cards(section):
        mildest = next((one.hf_ratio for one in card.grades if one.kind == BLUR), None)
        kept = pixel_acc_at(card, hf_ratio) if mildest is not None and hf_ratio <= mildest else None
        if kept is not None and card.lost(kept) < BLIND_BELOW:
            said.append(
                f"The judge {card.words} is blind to blur: at the sharpness of {row.label}, the blurriest "
                f"row (HF ratio {hf_ratio:.3f}), real photos keep {kept:.3f} of {card.real.pixel_acc:.3f} "
                "pixel accuracy. Its scores do not punish blur."
            )
    return said

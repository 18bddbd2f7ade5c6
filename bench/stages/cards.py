"""The cards of the judges that score a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from baselines.sizes import is_native
from bench.core.progress import Teller
from bench.records.judge_card import JudgeCard
from bench.scoring.judges.card import kept_card, photos_for
from bench.scoring.metrics.base import PanelJudge, ScoringContext


def judge_cards(
    context: ScoringContext, names: Sequence[str], reporter: Teller, photos: int | None = None
) -> list[JudgeCard]:
    """One for each judge of a context; where one is too slow for that, a line says so.

    Args:
        context: with real test photos as targets.
        names: what records call the judges, in their order.
        reporter: shows the measuring.
        photos: on how many; None: as many as `photos_for` says.
    """
    if is_native(context.size_px):
        reporter.say("no card of the judge: its faults are graded for images of one size")
        return []
    cards = []
    seats = (PanelJudge(context.judge, context.file_labels), *context.panel)
    for name, seat in zip(names, seats, strict=True):
        wanted = photos_for(seat.judge, len(context.test)) if photos is None else photos
        if not wanted:
            reporter.say(f"judge {name} is too slow here for its card: `bench judge card` measures it")
            continue
        alone = replace(context, judge=seat.judge, file_labels=seat.file_labels)
        cards.append(kept_card(alone, name, wanted, reporter.counter(f"measuring the card of judge {name}")))
    return cards

"""Measures a judge's card: its scores of real test photos as they are and under graded faults.

Once for a judge, data set and size: cards stay in the cache, `judges/cards/`. They cost one pass a fault over
at most `PHOTOS` photos.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.documents import DocumentError, read_json
from bench.core.files import write_text
from bench.core.images import to_rgb8
from bench.core.progress import Progress
from bench.data.types import SplitArrays
from bench.records.judge_card import Grade, JudgeCard, card_of
from bench.records.panel import SCORES
from bench.scoring.judges.faults import FAULTS, UNSPOILT, Fault, Scene
from bench.scoring.metrics.base import ScoringContext
from bench.scoring.one_pass import score

PHOTOS = 100  # at most
CARD_VERSION = 1  # raise it when the same judge would get another card
_SLOW_SECONDS = 600.0  # so long may a card take unasked
_FEWEST = 8


def photos_for(judge: Any, test_n: int) -> int:
    """How many photos a card is measured on unasked: fewer for a slow judge; 0: not at all."""
    most = min(PHOTOS, test_n)
    if not hasattr(judge, "seconds_per_image"):
        return most
    affordable = int(_SLOW_SECONDS / (judge.seconds_per_image() * (len(FAULTS) + 1)))
    return most if affordable >= most else affordable if affordable >= _FEWEST else 0


def kept_card(context: ScoringContext, name: str, photos: int, progress: Progress) -> JudgeCard:
    """The card of a context's judge: from the cache, else measured and put there.

    Args:
        context: with real test photos as targets, and a judge.
        name: what records call the judge.
        photos: how many, evenly spaced.
        progress: called with (grades done, of how many); never for a card from the cache.
    """
    version = f"-v{CARD_VERSION}" if CARD_VERSION > 1 else ""
    key = f"{context.judge.hash[:16]}-{context.test.key}-{photos}{version}"
    path = context.cache / "judges" / "cards" / f"{key}.json"
    if (found := _read(path)) is not None:
        return replace(found, judge=name)
    card = measured_card(context, name, photos, progress)
    write_text(path, as_text(card))
    return card


def as_text(card: JudgeCard) -> str:
    """The card as JSON."""
    return json.dumps(card.to_json(), indent=1, allow_nan=False) + "\n"


def _read(path: Path) -> JudgeCard | None:
    """None where there is none, or a damaged one (then it is measured again)."""
    try:
        return card_of(read_json(path))
    except (DocumentError, ValueError):
        return None


def measured_card(context: ScoringContext, name: str, photos: int, progress: Progress) -> JudgeCard:
    """The card of a context's judge; arguments as in `kept_card`."""
    total = len(context.test)
    places = [place * total // photos for place in range(photos)]
    there = _photos_at(context, places)
    faults = [UNSPOILT, *(fault for fault in FAULTS if _applies(fault, there))]
    grades = []
    for done, fault in enumerate(faults, start=1):
        grades.append(_grade(fault, there, places))
        progress(done, len(faults))
    dataset, digest = context.card.name, context.judge.hash
    return JudgeCard(name, digest, dataset, context.size_px, photos, tuple(grades))


def _photos_at(context: ScoringContext, places: list[int]) -> ScoringContext:
    """The context with the photos at these places as its test split."""
    test, whole = context.test, context.file_labels
    photos = to_rgb8(np.array(test.target[places]))
    labels = None if test.labels is None else np.array(test.labels[places])
    names = tuple(test.names[place] for place in places)
    chosen = SplitArrays(names, photos, photos, labels, test.void_share, f"{test.key}-{len(places)}")

    def file_labels(index: int) -> NDArray[np.uint8]:
        assert whole is not None
        return whole(places[index])

    read = None if whole is None else file_labels
    return replace(
        context, test=chosen, row="run", panel=(), file_labels=read, train_targets=None, data_range=None
    )


def _applies(fault: Fault, context: ScoringContext) -> bool:
    """Whether the fault changes photos like these: none is sub-sampled to its own size."""
    if fault.kind == "another scene":
        return len(context.test) > 1
    return bool(fault.least_px < min(context.test.target.shape[1:3]))


def _grade(fault: Fault, context: ScoringContext, places: list[int]) -> Grade:
    output, _ = score(
        _spoilt(fault, context, places), context, (*SCORES, "hf_ratio"), lambda done, said: None
    )
    values = {result.name: result.value for result in output.results}
    pixel_acc, class_acc, class_iou = (values[key] for key in SCORES)
    if pixel_acc is None or class_acc is None or class_iou is None:
        reason = next(result.reason for result in output.results if result.value is None)
        raise ValueError(f"the judge has no score of real photos: {reason}")
    return Grade(fault.kind, fault.grade, pixel_acc, class_acc, class_iou, values.get("hf_ratio"))


def _spoilt(fault: Fault, context: ScoringContext, places: list[int]) -> Callable[[int], NDArray[np.uint8]]:
    photos, labels = context.test.target, context.test.labels
    assert labels is not None
    half = len(places) // 2

    def photo(index: int) -> NDArray[np.uint8]:
        other = photos[(index + half) % len(places)]
        return fault.apply(Scene(photos[index], labels[index], other, places[index]))

    return photo

"""A judge's card: what it makes of real photos as they are and spoilt, as records hold it.

The record of the `real` row has one for each judge that scored it: `details["judge_cards"]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.core.decode import decode

CARDS = "judge_cards"
BLUR = "blur"


@dataclass(frozen=True)
class Grade:
    """A judge's scores of real test photos that were spoilt in one way.

    Attributes:
        kind, grade: "blur", "sigma 1 px"; of photos as they are: "none", "real photos".
        pixel_acc, class_acc, class_iou: as `fcn_*`.
        hf_ratio: sharpness: power at high frequencies over that of the photos as they are.
    """

    kind: str
    grade: str
    pixel_acc: float
    class_acc: float
    class_iou: float
    hf_ratio: float | None = None


@dataclass(frozen=True)
class JudgeCard:
    """What a judge makes of spoilt photos of one data set at one size.

    Attributes:
        judge: what records call it: "fcn-lite0", or "fcn-lite0,judge_px=256".
        judge_hash: in protocols too.
        dataset: its photos.
        size_px: size of the photos before the judge enlarges them.
        n: photos.
        grades: first that of photos as they are.
    """

    judge: str
    judge_hash: str
    dataset: str
    size_px: int | str
    n: int
    grades: tuple[Grade, ...]

    def __post_init__(self) -> None:
        if not self.grades or self.grades[0].kind != "none":
            raise ValueError("grades: expected that of photos as they are first")

    @property
    def real(self) -> Grade:
        return self.grades[0]

    @property
    def title(self) -> str:
        """ "fcn-lite0,judge_px=256 on cityscapes at 128 px"."""
        return f"{self.judge} on {self.dataset} at {self.size_px} px"

    @property
    def words(self) -> str:
        """ "fcn-lite0 at 256 px": the judge as reports name it, with the size that it looks at."""
        name, *options = self.judge.split(",")
        own = next((one.removeprefix("judge_px=") for one in options if one.startswith("judge_px=")), None)
        more = [one for one in options if not one.startswith("judge_px=")]
        return f"{','.join([name, *more])} at {own or self.size_px} px"

    def lost(self, pixel_acc: float) -> float:
        """The share of its pixel accuracy on photos as they are that is lost; below 0: gained."""
        return 1 - pixel_acc / self.real.pixel_acc if self.real.pixel_acc > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def card_of(content: object) -> JudgeCard:
    """From parsed JSON.

    Raises:
        ValueError: naming the place, if it is no card.
    """
    return decode(content, JudgeCard)


def cards_of(details: Mapping[str, Any]) -> list[JudgeCard]:
    """The cards in a record's details.

    Raises:
        ValueError: as `card_of`.
    """
    found = details.get(CARDS)
    return [] if found is None else list(decode(found, list[JudgeCard]))

"""The judges of a data set in use: which ones, and each opened (trained if needed) once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from baselines.sizes import ImageSize, Size, image_size, is_native
from bench.core.progress import Teller, duration
from bench.data.cache import release_pages
from bench.data.dataset import Dataset
from bench.data.types import SplitArrays
from bench.scoring.judges.at_px import JudgeAtPx
from bench.scoring.judges.choice import AUTO, NO_JUDGE, Trained, identity_of, named, panel
from bench.scoring.judges.external import check_card, is_adapter, open_adapter
from bench.scoring.metrics.common import UNPAIRED

Opened = tuple[Any, str | None]
"""A judge, or None and why there is none."""
NATIVE_JUDGE_PX = 256  # of a judge for images with sizes of their own, unless something names another
_FEWEST_PHOTOS = 2  # one to train on, one to hold out


@dataclass
class JudgesInUse:
    """The judges that score a data set, in the order in which they were asked for.

    Attributes:
        dataset: as opened.
        asked: as after `--judge`.
        cache: folder of trained judges.
        device: torch device string.
        train: the training pairs that are used, at a size in px.
        test_n: how many test images a row has.
        reporter: shows training.
    """

    dataset: Dataset
    asked: str
    cache: Path
    device: str
    train: Callable[[Size], SplitArrays]
    test_n: int
    reporter: Teller
    _opened: dict[tuple[Trained | str, Size], Opened] = field(default_factory=dict)
    _compared: dict[tuple[Trained | str, Size, str], Any] = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        """Whether there can be any."""
        is_photo, has_classes = self.dataset.target_role == "photo", bool(self.dataset.card.classes)
        return self.asked != NO_JUDGE and is_photo and has_classes and not self.dataset.unpaired

    def check_cards(self) -> None:
        """Refuse external judges that know other classes.

        Raises:
            UsageError: as `bench.scoring.judges.external.check_card`.
        """
        if self.wanted:
            for choice in filter(is_adapter, panel(self.asked)):
                check_card(choice, self.dataset.card)

    def names(self, size_px: Size) -> list[Trained | str]:
        """The judges for images of `size_px`: those trained here with their resolution decided."""
        return [self._decided(choice, size_px) for choice in panel(self.asked)] if self.wanted else []

    def _decided(self, choice: str, size_px: Size) -> Trained | str:
        if is_adapter(choice):
            return choice
        from bench.scoring.judges.trained import default_judge_name

        name, given = named(choice)
        judge_px = self._card_px if given is None else None if given == "size" else given
        if is_native(size_px) and judge_px is None:
            judge_px = NATIVE_JUDGE_PX  # it is trained on batches, so at one size
        if name == AUTO:
            name = default_judge_name(image_size(judge_px or size_px).shorter, self.device)
        return Trained(name, judge_px)

    @property
    def _card_px(self) -> Size | None:
        """The card's, but never more than the photos have: no judge is trained on enlarged photos."""
        wanted, photo = self.dataset.card.judge_px, self.dataset.photo_size
        if wanted == "size":
            return None
        if isinstance(wanted, int):
            return min(wanted, photo.shorter)
        most = image_size(wanted)
        return ImageSize(min(most.width, photo.width), min(most.height, photo.height)).document

    def open(self, size_px: Size) -> list[Opened]:
        """One for each of `names`, trained if needed; where none can be, one that says why."""
        if not self.wanted:
            return [(None, self._why_none())]
        for name in self.names(size_px):
            if (name, size_px) not in self._opened:
                self._opened[name, size_px] = self._open(name, size_px)
        return [self._opened[name, size_px] for name in self.names(size_px)]

    def identities(self, size_px: Size) -> list[str]:
        """What records call the judges that there are."""
        found = zip(self.names(size_px), self.open(size_px), strict=True) if self.wanted else ()
        return [identity_of(name) for name, (judge, _) in found if judge is not None]

    def compared(self, test: SplitArrays, size_px: Size) -> list[Opened]:
        """`open`; those trained here also count, in `meta["seen"]`, the photos of `test` they have seen."""
        found = self.open(size_px)
        if not self.wanted:
            return found
        return [
            (self._with_seen(name, judge, test, size_px), reason)
            for name, (judge, reason) in zip(self.names(size_px), found, strict=True)
        ]

    def _with_seen(self, name: Trained | str, judge: Any, test: SplitArrays, size_px: Size) -> Any:
        if judge is None or isinstance(name, str):
            return judge
        key = (name, size_px, test.key)
        if key not in self._compared:
            from bench.scoring.judges.train_test_overlap import seen_photos

            seen = seen_photos(self.train(size_px).target, test.target, size_px)
            self._compared[key] = replace(judge, meta={**judge.meta, "seen": seen})
        return self._compared[key]

    def _open(self, name: Trained | str, size_px: Size) -> Opened:
        if isinstance(name, str):
            judge = open_adapter(name, self.dataset.card, self.device)
            announce(judge, self.test_n, self.device, self.reporter)
            return judge, None
        from bench.scoring.judges.trained import get_judge

        split = self.train(name.judge_px or size_px)
        if split.labels is None:
            return None, f"data set {self.dataset.name} has no label maps with --source {self.dataset.source}"
        if len(split) < _FEWEST_PHOTOS:
            return None, f"{len(split)} training photos are too few to train a segmentation network"
        trained = get_judge(
            name.name,
            split,
            self.dataset.card,
            cache=self.cache,
            device=self.device,
            own_size=name.judge_px is not None,
            progress=_releasing(split, self.reporter.counter(f"training judge {name.identity}")),
        )
        release_pages(split)
        return (trained if name.judge_px is None else JudgeAtPx(trained, trained.meta)), None

    def _why_none(self) -> str:
        if self.asked == NO_JUDGE:
            return "no segmentation network was wanted (--judge none)"
        if not self.dataset.card.classes:
            return f"data set {self.dataset.name} has no label maps"
        if self.dataset.unpaired:
            return UNPAIRED
        return f"the predictions are {self.dataset.target_role}, not photos"


def usable(opened: Sequence[Opened]) -> list[Any]:
    """The judges that there are."""
    return [judge for judge, _ in opened if judge is not None]


def _releasing(split: SplitArrays, counter: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """`counter`, which now and then also frees the memory of the pages read so far."""

    def count(done: int, total: int) -> None:
        if done % 20 == 0:
            release_pages(split)
        counter(done, total)

    return count


def announce(judge: Any, count: int, device: str, reporter: Teller) -> None:
    """Say how long the judge needs for a row of `count` images, if it knows."""
    if hasattr(judge, "seconds_per_image"):
        seconds = judge.seconds_per_image()
        reporter.say(
            f"judge {judge.name} on {device}: about {seconds:.2g} s an image, "
            f"{duration(seconds * count)} for each row of {count} images"
        )

"""What all runs of one data set share, each part opened once: pairs, judge, weights, gallery."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import NATIVE, Size, image_size
from bench.core.progress import Teller, duration
from bench.data.cache import release_pages
from bench.data.datasets import Dataset
from bench.data.types import SIXTEEN_BITS, SplitArrays
from bench.data.void import check_void
from bench.records.output_folder import write_gallery
from bench.records.record import GalleryFiles
from bench.scoring.judges.at_px import OPTION, JudgeAtPx, named
from bench.scoring.judges.external import check_card, identity, is_adapter, open_adapter
from bench.scoring.metrics.base import ScoringContext
from bench.spec.pairs_used import even_indices
from bench.spec.run_spec import DataSpec
from bench.spec.scoring_choice import ScoringChoice

GALLERY_SIZE = 12
UNUSED_JUDGE = "no segmentation network was opened: none of the metrics asked for needs one"
NATIVE_JUDGE_PX = 256  # of a judge for images with sizes of their own, unless it names another
_FEWEST_PHOTOS = 2  # one to train on, one to hold out


@dataclass
class Workbench:
    """A data set in use: splits by size, the judge trained on its real photos, the Inception weights.

    Attributes:
        dataset: as opened.
        spec: which of its pairs are used.
        cache: folder of decoded images, trained judges and statistics.
        device: torch device string for judges and feature networks.
        choice: what is scored.
        reporter: shows decoding and judge training.
    """

    dataset: Dataset
    spec: DataSpec
    cache: Path
    device: str
    choice: ScoringChoice
    reporter: Teller
    _splits: dict[tuple[str, Size], SplitArrays] = field(default_factory=dict)
    _judges: dict[Size, tuple[Any, str | None]] = field(default_factory=dict)
    _squeezed: dict[Size, str | None] = field(default_factory=dict)
    _compared: dict[tuple[Size, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if is_adapter(self.choice.judge) and self._wants_judge():
            check_card(self.choice.judge, self.dataset.card)

    def train(self, size_px: Size) -> SplitArrays:
        """The training pairs at `size_px`."""
        return self._load("train", size_px, self.spec.train_n)

    def test(self, size_px: Size) -> SplitArrays:
        """The test pairs at `size_px`."""
        return self._load("test", size_px, self.spec.test_n)

    def val(self, size_px: Size) -> SplitArrays | None:
        """The validation pairs at `size_px`; None where the data set has none."""
        there = self.dataset.splits.get("val")
        return None if there is None else self._load("val", size_px, there)

    def _load(self, split: str, size_px: Size, limit: int) -> SplitArrays:
        key = (split, size_px)
        if key not in self._splits:
            counter = self.reporter.counter(f"decoding {self.dataset.name} {split}")
            self._splits[key] = self.dataset.load(
                split, size_px=size_px, cache=self.cache, limit=limit, progress=counter
            )
            what = f"split {split} of {self.dataset.name}"
            check_void(self._splits[key].void_share, what, self.choice.allow_void)
        return self._splits[key]

    def squeezed(self, size_px: Size) -> str | None:
        """What happens to the aspect of the test images at `size_px`, in words; None where it stays."""
        if size_px not in self._squeezed:
            self._squeezed[size_px] = self.dataset.squeezed(size_px, "test", self.spec.test_n)
        return self._squeezed[size_px]

    def context(self, size_px: Size, row: str) -> ScoringContext:
        """What the metrics of one row may use; trains the judge first if it is wanted."""
        wanted = self.choice.wants_judge
        judge, reason = self.judge_of(self.test(size_px), size_px) if wanted else (None, UNUSED_JUDGE)
        judge_px = getattr(judge, "judge_px", None)
        weights, inception_reason = self.inception
        return ScoringContext(
            card=self.dataset.card,
            size_px=size_px,
            target_role=self.dataset.target_role,
            row=row,
            device=self.device,
            cache=self.cache,
            test=self.test(size_px),
            train_targets=self._train_targets(size_px) if row == "real" else None,
            judge=judge,
            judge_reason=reason,
            inception_weights=weights,
            inception_reason=inception_reason,
            file_labels=self._labels_at(judge_px),
            fid_protocol=self.choice.fid_protocol,
            features=self.choice.features,
            data_range=SIXTEEN_BITS if self.dataset.sample_type == "uint16" else None,
        )

    def _labels_at(self, size_px: Size | None) -> Callable[[int], NDArray[np.uint8]]:
        """Index in the test split -> its label map at `size_px`; None: as large as in its file."""
        if size_px is None:
            return self.dataset.file_labels("test", self.spec.test_n)
        labels = self.test(size_px).labels
        assert labels is not None
        return lambda index: np.array(labels[index])

    @property
    def inception(self) -> tuple[Path | None, str | None]:
        """The Inception weights, or why there are none."""
        from bench.data.acquire.weights import find_inception

        return find_inception(self.choice.inception_weights)

    def _wants_judge(self) -> bool:
        is_photo, has_classes = self.dataset.target_role == "photo", bool(self.dataset.card.classes)
        return self.choice.judge != "none" and is_photo and has_classes

    def judge_identity(self, size_px: Size) -> str | None:
        """`judge_name`, with content hashes instead of files."""
        name = self.judge_name(size_px)
        return identity(name) if name is not None and is_adapter(name) else name

    def judge_name(self, size_px: Size) -> str | None:
        """The judge that will be used at `size_px`, or None if none is."""
        if not self._wants_judge():
            return None
        if is_adapter(self.choice.judge):
            return self.choice.judge
        name, judge_px = named(self.choice.judge)
        if size_px == NATIVE and judge_px is None:
            judge_px = NATIVE_JUDGE_PX  # it is trained on batches, so at one size
        if name == "auto":
            from bench.scoring.judges.trained import default_judge_name

            name = default_judge_name(judge_px or image_size(size_px).shorter, self.device)
        return name if judge_px is None else f"{name},{OPTION}={judge_px}"

    def judge(self, size_px: Size) -> tuple[Any, str | None]:
        """The judge for images of `size_px`, or None and why there is none; trained if needed."""
        if size_px not in self._judges:
            self._judges[size_px] = self._open_judge(size_px)
        return self._judges[size_px]

    def judge_of(self, test: SplitArrays, size_px: Size) -> tuple[Any, str | None]:
        """`judge`; one trained here also counts, in `meta["seen"]`, the photos of `test` it has seen."""
        judge, reason = self.judge(size_px)
        if judge is None or is_adapter(self.choice.judge):
            return judge, reason
        key = (size_px, test.key)
        if key not in self._compared:
            from bench.scoring.judges.train_test_overlap import seen_photos

            seen = seen_photos(self.train(size_px).target, test.target, size_px)
            self._compared[key] = replace(judge, meta={**judge.meta, "seen": seen})
        return self._compared[key], reason

    def _open_judge(self, size_px: Size) -> tuple[Any, str | None]:
        name = self.judge_name(size_px)
        if name is None:
            return None, self._no_judge_reason()
        if is_adapter(name):
            return self._open_adapter(name, size_px), None
        name, judge_px = named(name)
        from bench.scoring.judges.trained import get_judge

        split = self.train(judge_px or size_px)
        if split.labels is None:
            return None, f"data set {self.dataset.name} has no label maps with --source {self.spec.source}"
        if len(split) < _FEWEST_PHOTOS:
            return None, f"{len(split)} training photos are too few to train a segmentation network"
        judge = get_judge(
            name,
            split,
            self.dataset.card,
            cache=self.cache,
            device=self.device,
            enlarge=judge_px is None,
            progress=_releasing(split, self.reporter.counter(f"training judge {name}")),
        )
        release_pages(split)
        return (judge if judge_px is None else JudgeAtPx(judge, judge.meta)), None

    def _open_adapter(self, name: str, size_px: Size) -> Any:
        """A judge that is not trained here; announces the time of a row."""
        judge = open_adapter(name, self.dataset.card, self.device)
        announce(judge, len(self.test(size_px)), self.device, self.reporter)
        return judge

    def _no_judge_reason(self) -> str:
        if self.choice.judge == "none":
            return "no segmentation network was wanted (--judge none)"
        if not self.dataset.card.classes:
            return f"data set {self.dataset.name} has no label maps"
        return f"the predictions are {self.dataset.target_role}, not photos"

    def _train_targets(self, size_px: Size) -> NDArray[np.uint8]:
        """Real training targets, evenly spaced: as many as test images, or all if there are fewer."""
        from bench.core.images import to_rgb8

        targets = self.train(size_px).target
        wanted = min(len(targets), self.spec.test_n)
        chosen = to_rgb8(targets[even_indices(len(targets), wanted)])
        release_pages(self.train(size_px))
        return chosen

    def gallery(self, out: Path, size_px: Size) -> GalleryFiles:
        """Write the fixed gallery images' sources and targets under OUT/gallery, once."""
        split = self.test(size_px)
        chosen = even_indices(len(split), min(GALLERY_SIZE, len(split)))
        names = tuple(split.names[i] for i in chosen)
        key = hashlib.sha256(f"{split.key}{names}".encode()).hexdigest()[:8]
        folder = Path("gallery") / f"{self.dataset.name}-{size_px}-{key}"
        write_gallery(out / folder / "source", names, split.source[chosen])
        write_gallery(out / folder / "target", names, split.target[chosen])
        return GalleryFiles(names, None, str(folder / "source"), str(folder / "target"))


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

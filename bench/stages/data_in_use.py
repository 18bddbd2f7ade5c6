"""What all runs of one data set share, each part opened once: pairs, judge, weights, gallery."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.sizes import Size
from bench.core.progress import Teller
from bench.data.cache import release_pages
from bench.data.dataset import Dataset
from bench.data.types import SIXTEEN_BITS, DataRange, SplitArrays
from bench.data.void import check_void
from bench.records.output_folder import write_gallery
from bench.records.record import GalleryFiles
from bench.scoring.metrics.base import PanelJudge, ScoringContext
from bench.spec.pairs_used import even_indices
from bench.spec.run_spec import DataSpec
from bench.spec.scoring_choice import ScoringChoice
from bench.stages.judges_in_use import JudgesInUse, usable

GALLERY_SIZE = 12
UNUSED_JUDGE = "no segmentation network was opened: none of the metrics asked for needs one"


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
    _squeezed: dict[Size, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.judges.check_cards()

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
        test = self.test(size_px)
        wanted = self.choice.wants_judge
        (judge, reason), *others = self.judges.compared(test, size_px) if wanted else [(None, UNUSED_JUDGE)]
        weights, inception_reason = self.inception
        return ScoringContext(
            card=self.dataset.card,
            size_px=size_px,
            target_role=self.dataset.target_role,
            row=row,
            device=self.device,
            cache=self.cache,
            test=test,
            train_targets=self._train_targets(size_px) if row == "real" else None,
            judge=judge,
            judge_reason=reason,
            inception_weights=weights,
            inception_reason=inception_reason,
            file_labels=self._labels_of(judge),
            fid_protocol=self.choice.fid_protocol,
            features=self.choice.features,
            panel=tuple(PanelJudge(one, self._labels_of(one)) for one in usable(others)),
            data_range=self.data_range,
            unpaired=self.dataset.unpaired,
        )

    @property
    def data_range(self) -> DataRange | None:
        """Of targets of 16 bits or floats, in their own units."""
        return self.dataset.target_range or (SIXTEEN_BITS if self.dataset.sample_type == "uint16" else None)

    def _labels_of(self, judge: Any) -> Callable[[int], NDArray[np.uint8]]:
        """Index in the test split -> its label map at the judge's own size; else as large as in its file."""
        judge_px = getattr(judge, "judge_px", None)
        if judge_px is None:
            return self.dataset.file_labels("test", self.spec.test_n)
        labels = self.test(judge_px).labels
        assert labels is not None
        return lambda index: np.array(labels[index])

    @property
    def inception(self) -> tuple[Path | None, str | None]:
        """The Inception weights, or why there are none."""
        from bench.data.acquire.weights import find_inception

        return find_inception(self.choice.inception_weights)

    @functools.cached_property
    def judges(self) -> JudgesInUse:
        """The judges that were asked for."""
        asked, test_n = self.choice.judge, self.spec.test_n
        return JudgesInUse(self.dataset, asked, self.cache, self.device, self.train, test_n, self.reporter)

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

"""What the judges of a grid will cost: training, cards and scoring, each from a few steps and images."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from baselines.sizes import Size, image_size, is_native, size_order
from bench.core.progress import duration
from bench.core.resources import cache_dir
from bench.data.types import SplitArrays
from bench.scoring.judges.card import PHOTOS
from bench.scoring.judges.choice import Trained, identity_of
from bench.scoring.judges.external import open_adapter
from bench.scoring.judges.faults import FAULTS
from bench.scoring.judges.train_network import build_network, segment, train_judge
from bench.scoring.judges.trained import is_trained, recipe_of
from bench.spec.grid import Plan
from bench.spec.scoring_choice import ScoringChoice
from bench.stages.judges_in_use import NATIVE_JUDGE_PX, JudgesInUse
from bench.stages.runner import reference_rows

_TIMED_STEPS, _TIMED_IMAGES = 2, 4


@dataclass(frozen=True)
class JudgeCost:
    """One judge of one data set at one size.

    Attributes:
        name: what records call it.
        train_seconds: 0 where it is in the cache, or was trained elsewhere; else at least 1.
        image_seconds: of one image.
        images: that it scores: of all rows, reference rows included.
        card_images: that its card needs at most.
    """

    name: str
    train_seconds: float
    image_seconds: float
    images: int
    card_images: int

    @property
    def words(self) -> str:
        """One line."""
        trained = f"training about {duration(self.train_seconds)}, " if self.train_seconds else ""
        scoring = duration(self.images * self.image_seconds)
        card = duration(self.card_images * self.image_seconds)
        return (
            f"judge {self.name}: {trained}scoring {self.images} images about {scoring}, "
            f"its card about {card}, each once"
        )


class _Nobody:
    """Hears nothing: a dry run writes nothing."""

    def say(self, text: str) -> None: ...

    def counter(self, title: str) -> Any:
        return lambda done, total: None


def judge_costs(plans: list[Plan], choice: ScoringChoice, device: str) -> list[JudgeCost]:
    """All judges of a grid; none where no metric needs one."""
    return [cost for plan in plans for cost in _of_plan(plan, choice, device)] if choice.wants_judge else []


def _of_plan(plan: Plan, choice: ScoringChoice, device: str) -> list[JudgeCost]:
    def no_data(size_px: Size) -> SplitArrays:
        raise AssertionError("a dry run decodes nothing")

    judges = JudgesInUse(
        plan.dataset, choice.judge, cache_dir(), device, no_data, plan.data.test_n, _Nobody()
    )
    costs, specs = [], [*plan.runs, *plan.ways_back]
    for size_px in sorted({spec.training.size_px for spec in specs}, key=size_order):
        rows = sum(spec.training.size_px == size_px for spec in specs)
        rows += sum(size == size_px for _, size in reference_rows(plan.sizes, plan.dataset))
        test_n = plan.data.test_n
        for name in judges.names(size_px):
            trained, image = _seconds(name, plan, size_px, device)
            card = min(PHOTOS, test_n) * (len(FAULTS) + 1)
            costs.append(JudgeCost(identity_of(name), trained, image, rows * test_n, card))
    return costs


def _seconds(name: Trained | str, plan: Plan, size_px: Size, device: str) -> tuple[float, float]:
    """Of training, and of an image."""
    card = plan.dataset.card
    own = NATIVE_JUDGE_PX if is_native(size_px) else size_px
    images = _noise(_TIMED_IMAGES, own)
    if isinstance(name, str):
        judge: Any = open_adapter(name, card, device)
        if hasattr(judge, "seconds_per_image"):
            return 0.0, float(judge.seconds_per_image())
        return 0.0, _timed(lambda: judge.segment(_tensor(images))) / len(images)
    classes, side = [info.name for info in card.train_classes], name.judge_px or own
    images = _noise(_TIMED_IMAGES, side)
    network = build_network(name.name, len(classes)).to(device).eval()
    image = _timed(lambda: segment(network, _tensor(images), device).cpu()) / len(images)
    recipe = recipe_of(name.name, plan.data.train_n, name.judge_px)
    key = plan.dataset.key("train", side, plan.data.train_n)
    if is_trained(name.name, key, side, card, recipe, cache_dir()):
        return 0.0, image
    photos = _noise(2 * recipe.batch_size, side)
    labels = np.random.default_rng(0).integers(0, len(classes), photos.shape[:3], dtype=np.uint8)
    split = SplitArrays(tuple(map(str, range(len(photos)))), photos, photos, labels, 0.0, "noise")
    took = []
    for steps in (1, 1, 1 + _TIMED_STEPS):  # the first warms up; what is no step cancels out
        started = time.perf_counter()
        train_judge(name.name, split, classes, device=device, recipe=replace(recipe, steps=steps))
        took.append(time.perf_counter() - started)
    step = max(took[2] - took[1], 0.0) / _TIMED_STEPS
    return max(recipe.steps * step, 1.0), image


def _noise(count: int, size: Size) -> np.ndarray[Any, np.dtype[np.uint8]]:
    shape = (count, *image_size(size).shape, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _tensor(images: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _timed(work: Any) -> float:
    """Seconds of the second of two times."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started

"""Repeated dropout samples of a generator, for `diversity`: made when asked for, their spread kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.engine import resolve_device
from baselines.settings import TestSettings
from baselines.translate import Checkpoint, load_checkpoint, translate
from bench.data.types import SplitArrays
from bench.errors import UsageError
from bench.files import sha256_file, write_text
from bench.generate import image_seed
from bench.metrics.diversity import spread
from bench.output import RunFiles
from bench.pictures import to_rgb8

_VERSION = 1


@dataclass(frozen=True)
class DropoutSamples:
    """The run's generator, asked again and again; `ScoringContext.repeats` of a run.

    Each sample is made exactly as the run's prediction was, with another dropout seed. What was found is
    kept in `runs/<id>/diversity.json`, so that scoring again runs no network.

    Attributes:
        files: of the run.
        test: the test split.
        settings: dropout and statistics at test time.
        seed: the run's.
        device: torch device string.
    """

    files: RunFiles
    test: SplitArrays
    settings: TestSettings
    seed: int
    device: str

    def __call__(self, places: Sequence[int], count: int) -> NDArray[np.float64] | None:
        """The spread in grey levels (see `bench.metrics.diversity.spread`) of each of these test pictures.

        Args:
            places: indices in the test split.
            count: samples of each, at least 2.

        Returns:
            (len(places),) float64; None if the checkpoint is gone and nothing that fits was kept.

        Raises:
            UsageError: if the checkpoint is damaged.
        """
        asked = self._asked(places, count)
        kept = self._kept(asked)
        if kept is not None or not self.files.checkpoint.is_file():
            return kept
        try:
            checkpoint = load_checkpoint(self.files.checkpoint, resolve_device(self.device))
        except ValueError as error:
            raise UsageError(f"{error}: delete it to train this run again") from None
        found = [spread(to_rgb8(self._samples(checkpoint, place, count))) for place in places]
        content = {**asked, "checkpoint": sha256_file(self.files.checkpoint), "spread": found}
        write_text(self.files.diversity, json.dumps(content, indent=1) + "\n")
        return np.array(found)

    def _asked(self, places: Sequence[int], count: int) -> dict[str, Any]:
        """All that the spreads depend on, but the weights."""
        return {
            "version": _VERSION,
            "torch": torch.__version__,
            "test_key": self.test.key,
            "names": [self.test.names[place] for place in places],
            "samples": count,
            "seed": self.seed,
            "dropout": self.settings.dropout,
            "norm": self.settings.norm,
        }

    def _kept(self, asked: dict[str, Any]) -> NDArray[np.float64] | None:
        """What was kept for the same question and the same weights, if they are still there."""
        try:
            content = json.loads(self.files.diversity.read_text(encoding="utf-8"))
            found = np.array(content.pop("spread"), dtype=np.float64)
            weights = content.pop("checkpoint")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if content != asked or found.shape != (len(asked["names"]),) or not np.isfinite(found).all():
            return None
        checkpoint = self.files.checkpoint
        return found if not checkpoint.is_file() or sha256_file(checkpoint) == weights else None

    def _samples(self, checkpoint: Checkpoint, place: int, count: int) -> NDArray[Any]:
        """(count, H, W, C) predictions for one test picture."""
        name, source = self.test.names[place], self.test.source[place]
        seeds = [image_seed(self.seed, f"{name}/sample {number}") for number in range(count)]
        return np.stack([translate(checkpoint, source, self.settings, seed) for seed in seeds])

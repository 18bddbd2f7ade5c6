"""What scoring asks a generator, for `diversity` and `source_response`; answers are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.settings import TestSettings
from baselines.translate import translations
from bench.core.files import sha256_file, write_text
from bench.core.images import at_shape, to_rgb8
from bench.data.types import SplitArrays
from bench.records.output_folder import RunFiles
from bench.scoring.metrics.diversity import spread
from bench.scoring.metrics.source_response import change
from bench.stages.generate import Translate, image_seed, run_checkpoint

_VERSION = 1


@dataclass(frozen=True)
class Maker:
    """What makes the predictions of a row.

    Attributes:
        opened: returns it, ready for use. Raises UsageError if it is damaged.
        weights: returns the sha256 of its file; None if that is gone.
    """

    opened: Callable[[], Translate]
    weights: Callable[[], str | None]


def maker_of(files: RunFiles, test: TestSettings, device: str) -> Maker:
    """The generator of a run that was trained here."""
    checkpoint = files.checkpoint
    return Maker(
        lambda: partial(translations, run_checkpoint(files, device), test=test),
        lambda: sha256_file(checkpoint) if checkpoint.is_file() else None,
    )


@dataclass(frozen=True)
class _Questions:
    """Asks a row's generator what its predictions do not tell.

    Answers are kept in a file of the run, with all that they depend on, so that scoring again runs no
    network.

    Attributes:
        files: of the run.
        test: the test split.
        settings: dropout and statistics at test time.
        seed: the run's.
        maker: its generator.
    """

    files: RunFiles
    test: SplitArrays
    settings: TestSettings
    seed: int
    maker: Maker

    def _answers(
        self, file: Path, key: str, asked: dict[str, Any], ask: Callable[[Translate], list[float]]
    ) -> NDArray[np.float64] | None:
        """The answers kept in `file` under `key`, else those of the checkpoint; None if neither is there.

        Raises:
            UsageError: if the checkpoint is damaged.
        """
        asked = {**self._about(), **asked}
        kept = self._kept(file, key, asked)
        if kept is not None or (weights := self.maker.weights()) is None:
            return kept
        found = ask(self.maker.opened())
        content = {**asked, "checkpoint": weights, key: found}
        write_text(file, json.dumps(content, indent=1) + "\n")
        return np.array(found)

    def _about(self) -> dict[str, Any]:
        """What all answers depend on, except the weights."""
        return {
            "version": _VERSION,
            "torch": torch.__version__,
            "test_key": self.test.key,
            "seed": self.seed,
            "dropout": self.settings.dropout,
            "norm": self.settings.norm,
        }

    def _kept(self, file: Path, key: str, asked: dict[str, Any]) -> NDArray[np.float64] | None:
        """The answers kept for the same question and the same weights, if there are any."""
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            found = np.array(content.pop(key), dtype=np.float64)
            weights = content.pop("checkpoint")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if content != asked or found.shape != (len(asked["names"]),) or not np.isfinite(found).all():
            return None
        return found if self.maker.weights() in (None, weights) else None


class DropoutSamples(_Questions):
    """How the outputs for one source differ; `ScoringContext.repeats` of a run.

    Each sample is made like the run's prediction, with another dropout seed. Answers are kept in
    `runs/<id>/diversity.json`.
    """

    def __call__(self, places: Sequence[int], count: int) -> NDArray[np.float64] | None:
        """The spread in grey levels (see `diversity.spread`) of each of these test images.

        Args:
            places: indices in the test split.
            count: samples of each, at least 2.

        Returns:
            (len(places),) float64; None if the checkpoint is gone and nothing that fits was kept.

        Raises:
            UsageError: if the checkpoint is damaged.
        """
        asked = {"names": [self.test.names[place] for place in places], "samples": count}
        return self._answers(
            self.files.diversity,
            "spread",
            asked,
            lambda translate: [spread(to_rgb8(self._samples(translate, p, count))) for p in places],
        )

    def _samples(self, translate: Translate, place: int, count: int) -> NDArray[Any]:
        """(count, H, W, C) predictions for one test image."""
        name, source = self.test.names[place], self.test.source[place]
        asked = [(source, image_seed(self.seed, f"{name}/sample {number}")) for number in range(count)]
        return np.stack(list(translate(asked)))


class SwappedSources(_Questions):
    """How far an output moves when it gets another image's source; `ScoringContext.swaps` of a run.

    Both outputs are made with the dropout seed of the run's own prediction. Answers are kept in
    `runs/<id>/source_response.json`.
    """

    def __call__(self, pairs: Sequence[tuple[int, int]]) -> NDArray[np.float64] | None:
        """The change in grey levels (see `bench.scoring.metrics.source_response.change`) of each swap.

        Args:
            pairs: indices in the test split: the image, and the one whose source it is given.

        Returns:
            (len(pairs),) float64; None if the checkpoint is gone and nothing that fits was kept.

        Raises:
            UsageError: if the checkpoint is damaged.
        """
        names = [[self.test.names[place] for place in pair] for pair in pairs]
        return self._answers(
            self.files.source_response,
            "change",
            {"names": names},
            lambda translate: [change(*self._outputs(translate, pair)) for pair in pairs],
        )

    def _outputs(self, translate: Translate, pair: tuple[int, int]) -> list[NDArray[np.uint8]]:
        """The outputs for both sources under one dropout seed.

        Where each image has its own size, the other source is resized (nearest) to that of the image.
        """
        seed = image_seed(self.seed, self.test.names[pair[0]])
        own, other = (self.test.source[place] for place in pair)
        asked = [(source, seed) for source in (own, at_shape(other, own.shape))]
        return [to_rgb8(made[None])[0] for made in translate(asked)]

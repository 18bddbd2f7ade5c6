"""The prediction for one image."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from baselines.settings import TestSettings
from baselines.translate import Checkpoint, translations


def translate(
    checkpoint: Checkpoint, source: NDArray[Any], test: TestSettings, image_seed: int
) -> NDArray[Any]:
    """As `translations` makes it."""
    return next(translations(checkpoint, [(source, image_seed)], test))
